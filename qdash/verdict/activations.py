"""The sentence on a version whose weights are not to blame: it rounds activations too, and one with weights of as few bits answers well.

Weights of four bits that keep the answer in one format and lose it in another are seen side by side; that the other format rounds what the
layers are given as well is not.
"""

from qdash.catalog.schemes import known_scheme
from qdash.present.language import _
from qdash.verdict.seen import Seen


def activations_told(judged: list[Seen]) -> str:
    """For the first version of that kind; empty where there is none."""
    for lost in judged:
        scheme = known_scheme(lost.result.scheme)
        if scheme is None or not lost.judgement.grade.lost or not scheme.rounds_activations:
            continue
        twin = next((item for item in judged if _is_twin(item, lost)), None)
        if twin is not None:
            return _(
                "{name} rounds its activations to {bits} bits as well; {other}, whose weights have as many bits, keeps the answer.",
                name=lost.name.first,
                bits=scheme.activation_bits,
                other=twin.name.inside,
            )
    return ""


def _is_twin(item: Seen, lost: Seen) -> bool:
    """Whether `item` keeps the answer with as many bits for its weights, and leaves activations alone."""
    scheme, other = known_scheme(item.result.scheme), known_scheme(lost.result.scheme)
    if scheme is None or other is None or scheme.bits != other.bits or scheme.rounds_activations:
        return False
    return item.result.model == lost.result.model and item.change is not None and not item.change.differs
