"""The error that quantization puts into the weights, in sentences and figures."""

from math import isfinite

from qdash.present.coverage import left_unusual, left_words
from qdash.present.emphasis import Span, spans, strong
from qdash.present.formatting import and_listed
from qdash.present.language import _, decimal, ngettext
from qdash.present.layer_names import Placed, spoken_kind, spoken_part
from qdash.records import LayerWeights, SchemeWeights, WeightReport


def unmeasured(report: WeightReport) -> str | None:
    """What the scheme that left most did not measure; None if that is no more than people expect."""
    known = [scheme.coverage for scheme in report.schemes if scheme.coverage is not None and left_unusual(scheme.coverage)]
    least = min(known, key=lambda coverage: coverage.quantized_parameters or 0, default=None)
    left = left_words(least) if least is not None else None
    return _("Not measured: {parts}.", parts=left) if left else None


def disturbed(report: WeightReport) -> tuple[Span, ...]:
    """Which rounding error is larger, by how much, and where it is largest; then the schemes that quantize nothing."""
    idle = [scheme.label for scheme in report.schemes if not scheme.layers]
    ranked = sorted((scheme for scheme in report.schemes if scheme.layers), key=decibels_of)
    sentences = _ranked(ranked) if ranked else []
    if idle:
        names = and_listed(idle)
        sentences += [
            ngettext("{names} quantizes nothing in this model.", "{names} quantize nothing in this model.", len(idle), names=names)
        ]
    return spans(" ".join(sentences))


def _ranked(ranked: list[SchemeWeights]) -> list[str]:
    worst, best = ranked[0], ranked[-1]
    layer = min(worst.layers, key=decibels_of, default=None)
    unknown = [scheme.label for scheme in ranked if _none_finite(scheme)]
    if unknown:
        names = and_listed(unknown)
        return [_("The weights that {names} would quantize are NaN or infinite, so there is no error to measure.", names=names)]
    where = [_("Most affected: {layer}.", layer=owner_words(layer))] if layer else []
    return [_difference(worst, best), *where]


def _difference(worst: SchemeWeights, best: SchemeWeights) -> str:
    """Which of two schemes rounds more, and by how much."""
    if worst is best:
        above = strong(decibels(worst))
        return _("With {scheme}, the weights are {decibels} above the rounding error.", scheme=worst.label, decibels=above)
    if best.sqnr_db is None:
        return _("{best} changes nothing; {worst} rounds the weights.", best=best.label, worst=worst.label)
    factor = 10 ** ((decibels_of(best) - decibels_of(worst)) / 20)
    larger = strong(_("{factor}× larger", factor=decimal(factor, 1 if factor < 9.95 else 0, grouped=False)))
    return _("With {worst}, the rounding error is {larger} than with {best}.", worst=worst.label, best=best.label, larger=larger)


def owner(layer: Placed) -> tuple[Span, ...]:
    """“layer 3’s down projection”; a layer outside the language model with its part."""
    return spans(owner_words(layer))


def owner_words(layer: Placed) -> str:
    """`owner` within a sentence that is split later."""
    part, kind = spoken_part(layer.part), strong(spoken_kind(layer.projection))
    if layer.block is None:
        return _("{part}’s {kind}", part=part, kind=kind)
    if layer.part == "language":
        return _("layer {number}’s {kind}", number=layer.block, kind=kind)
    return _("{part} layer {number}’s {kind}", part=part, number=layer.block, kind=kind)


def decibels(error: SchemeWeights | LayerWeights) -> str:
    """An SQNR, or why there is none."""
    if error.sqnr_db is not None and isfinite(error.sqnr_db):
        return f"{decimal(error.sqnr_db, 1, grouped=False)} dB"
    if isinstance(error, SchemeWeights) and not error.layers:
        return _("nothing quantized")
    return _("no finite weights") if error.sqnr_db is not None or _none_finite(error) else _("no error")


def left_out(nonfinite: int) -> str:
    """“1 weight is NaN or infinite and left out of all figures”."""
    return ngettext(
        "{number} weight is NaN or infinite and left out of all figures",
        "{number} weights are NaN or infinite and left out of all figures",
        nonfinite,
    )


def _none_finite(error: SchemeWeights | LayerWeights) -> bool:
    """Whether all its weights are NaN or infinite."""
    return 0 < error.parameters <= error.nonfinite


def decibels_of(error: SchemeWeights | LayerWeights) -> float:
    """An SQNR to sort by: no error is the best there is."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db
