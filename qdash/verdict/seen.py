"""The variants of a comparison as its sentences need them: names, sizes, speeds and judgements."""

from collections import Counter
from dataclasses import dataclass

from qdash.catalog.recipes import rules_of
from qdash.catalog.schemes import known_scheme
from qdash.present.language import _
from qdash.records import Comparison, VariantResult
from qdash.verdict.changes import AnswerChange
from qdash.verdict.evidence import change_between, pace_of
from qdash.verdict.judging import Judgement, judge
from qdash.verdict.naming import Name
from qdash.verdict.pace import Pace
from qdash.verdict.rules import Grade


@dataclass(frozen=True)
class Seen:
    """One variant as the sentence needs it. `size` is its weights relative to the baseline's (projected if simulated).

    It is None where the KV cache alone is in few bits: that the weights are the same says nothing of what the variant takes.
    """

    result: VariantResult
    name: Name
    size: float | None
    pace: Pace
    change: AnswerChange | None
    judgement: Judgement

    @property
    def simulated(self) -> bool:
        """Whether its size is projected, and its speed says nothing."""
        return self.result.kind == "simulated"

    @property
    def kept(self) -> bool:
        """Whether its answer has no fault."""
        return self.judgement.grade in (Grade.GOOD_TRADE, Grade.SAME)

    @property
    def judged(self) -> bool:
        """Whether there is anything to report."""
        return self.judgement.grade is not Grade.NOT_JUDGED


def seen_of(comparison: Comparison) -> list[Seen]:
    """Every variant that ran, in order."""
    baseline = comparison.variants[0]
    judged = [(result, judge(result, baseline, comparison)) for result in comparison.variants[1:]]
    bits = Counter(_bits(result) for result, judgement in judged if judgement is not None and result.model == baseline.model)
    return [
        Seen(
            result=result,
            name=_name(result, bits),
            size=_size(result, baseline),
            pace=pace_of(result, comparison),
            change=change_between(result, baseline),
            judgement=judgement,
        )
        for result, judgement in judged
        if judgement is not None
    ]


def _bits(result: VariantResult) -> int | None:
    scheme = known_scheme(result.scheme)
    return scheme.bits if scheme is not None else None


def _name(result: VariantResult, bits: Counter[int | None]) -> Name:
    """“the 8-bit version” where that is unmistakable, else the scheme's label."""
    label, scheme = Name(result.label, result.label), known_scheme(result.scheme)
    if scheme is None or not scheme.bits or bits[scheme.bits] != 1:
        return label
    plain = result.label == scheme.label and result.kind == "real" and rules_of(scheme) is None
    return Name(_("the {bits}-bit version", bits=scheme.bits), _("The {bits}-bit version", bits=scheme.bits)) if plain else label


def _has_own_cache_alone(result: VariantResult) -> bool:
    return result.coverage is not None and result.coverage.cache is not None and not result.coverage.quantized


def _size(result: VariantResult, baseline: VariantResult) -> float | None:
    if result.memory is None or baseline.memory is None or _has_own_cache_alone(result):
        return None
    own = result.memory.projected_bytes if result.kind == "simulated" else result.memory.weights_bytes
    return own / baseline.memory.weights_bytes if own and baseline.memory.weights_bytes > 0 else None
