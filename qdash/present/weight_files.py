"""What is said of two files of one model: how far their weights lie apart, which layers are the same, in which types each stores them."""

from collections import Counter
from collections.abc import Sequence

from qdash.present.emphasis import Span, spans, strong
from qdash.present.formatting import and_listed, percent
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.present.layer_names import spoken_part
from qdash.present.weight_error import decibels, decibels_of, disturbed, owner_words
from qdash.records import LayerWeights, SchemeWeights, StoredModel, StoredType, WeightError, WeightReport

UNKNOWN = "–"


def relative_error(error: WeightError) -> float:
    """√(Σe²/Σw²), from the SQNR; 0 without any error."""
    return 0.0 if error.sqnr_db is None else 10 ** (-error.sqnr_db / 20)


def coloured_words(scheme: SchemeWeights, own: StoredModel | None) -> str:
    """What the colours of a chart of weights stand for; `own`: the first file, where two are compared."""
    if own is None:
        return _("Grey: original weights. Colour: after {scheme}.", scheme=recorded(scheme.label))
    return _("Grey: {model}. Colour: {other}.", model=own.label, other=scheme.label)


def matrices(scheme: SchemeWeights) -> tuple[LayerWeights, ...]:
    """Its layers of more than one dimension, which come first: all that is not norms and biases."""
    return tuple(layer for layer in scheme.layers if len(layer.shape) > 1)


def stored_words(stored: StoredType | None) -> str:
    """“Q4_K, 4.50 bits”."""
    if stored is None:
        return UNKNOWN
    return _("{type}, {bits} bits", type=stored.type, bits=decimal(stored.bits, 2, grouped=False))


def not_compared(report: WeightReport) -> str:
    """What only one of the files has, where there is such a part; empty otherwise."""
    parts = {part: weights for scheme in report.schemes for part, weights in scheme.not_compared.items()}
    if not parts:
        return ""
    named = [_("{part} ({number} weights)", part=spoken_part(part), number=decimal(weights)) for part, weights in parts.items()]
    return _("Not compared, as only one of the files has it: {parts}.", parts=and_listed(named))


def changes_of_type(scheme: SchemeWeights) -> list[tuple[str, str, int, int, int]]:
    """(type in the model's file, type in the other, layers, how many of them are the same, weights), the most weights first."""
    layers, same, weights = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for layer in scheme.layers:
        key = (layer.stored.type if layer.stored else UNKNOWN, layer.other.type if layer.other else UNKNOWN)
        layers[key] += 1
        same[key] += layer.identical
        weights[key] += layer.parameters
    return [(*key, layers[key], same[key], count) for key, count in weights.most_common()]


def apart(report: WeightReport) -> tuple[Span, ...]:
    """Which of the other files lies farthest from the model's, by how much, and where; then how many layers are the same."""
    farthest = min(report.schemes, key=decibels_of)
    return spans(" ".join(_apart(farthest, report.stored.label if report.stored else report.model)))


def _apart(scheme: SchemeWeights, label: str) -> Sequence[str]:
    same, total = sum(layer.identical for layer in scheme.layers), len(scheme.layers)
    if same == total:
        return (_("Every weight of {other} is {same} as in {model}.", other=scheme.label, same=strong(_("the same")), model=label),)
    distance = strong(percent(relative_error(scheme), 2))
    worst = min(scheme.layers, key=decibels_of)
    return (
        _(
            "The weights of {other} differ from those of {model} by {distance} ({decibels}).",
            other=scheme.label,
            model=label,
            distance=distance,
            decibels=decibels(scheme),
        ),
        _("Farthest apart: {layer}.", layer=owner_words(worst)),
        ngettext("{same} of {number} layer is the same.", "{same} of {number} layers are the same.", total, same=same),
    )


def headline(report: WeightReport) -> tuple[Span, ...]:
    """What the report says in one or two sentences: of schemes, or of other files."""
    return disturbed(report) if report.stored is None else apart(report)
