"""The error that quantization puts into the weights, in sentences and figures."""

from math import isfinite

from qdash.present.coverage import left_unusual, left_words
from qdash.present.formatting import and_listed, several
from qdash.present.layer_names import Placed, spoken_kind
from qdash.records import LayerWeights, SchemeWeights, WeightReport


def unmeasured(report: WeightReport) -> str | None:
    """What the scheme that left most did not measure; None if that is no more than people expect."""
    known = [scheme.coverage for scheme in report.schemes if scheme.coverage is not None and left_unusual(scheme.coverage)]
    least = min(known, key=lambda coverage: coverage.quantized_parameters or 0, default=None)
    left = left_words(least) if least is not None else None
    return f"Not measured: {left}." if left else None


Words = tuple[tuple[str, bool], ...]
"""Pieces of a sentence, and whether each is to stand out."""


def disturbed(report: WeightReport) -> Words:
    """Which rounding error is larger, by how much, and where it is largest; then the schemes that quantize nothing."""
    idle = [scheme.label for scheme in report.schemes if not scheme.layers]
    ranked = sorted((scheme for scheme in report.schemes if scheme.layers), key=decibels_of)
    nothing = f"{and_listed(idle)} {'quantizes' if len(idle) == 1 else 'quantize'} nothing in this model." if idle else ""
    if not ranked:
        return ((nothing, False),)
    return (*_ranked(ranked), *(((f" {nothing}", False),) if idle else ()))


def _ranked(ranked: list[SchemeWeights]) -> Words:
    worst, best = ranked[0], ranked[-1]
    layer = min(worst.layers, key=decibels_of, default=None)
    where: Words = ((" Most affected: ", False), *owner(layer), (".", False)) if layer else ()
    unknown = [scheme.label for scheme in ranked if _none_finite(scheme)]
    if unknown:
        return ((f"The weights that {and_listed(unknown)} would quantize are NaN or infinite, so there is no error to measure.", False),)
    if worst is best:
        return (f"With {worst.label}, the weights are ", False), (decibels(worst), True), (" above the rounding error.", False), *where
    if best.sqnr_db is None:
        return (f"{best.label} changes nothing; {worst.label} rounds the weights.", False), *where
    factor = 10 ** ((decibels_of(best) - decibels_of(worst)) / 20)
    times = f"{factor:.1f}×" if factor < 9.95 else f"{factor:.0f}×"
    return (f"With {worst.label}, the rounding error is ", False), (f"{times} larger", True), (f" than with {best.label}.", False), *where


def owner(layer: Placed) -> Words:
    """“layer 3’s down projection”; a layer outside the language model with its part."""
    block = "" if layer.block is None else f"layer {layer.block}"
    of = " ".join(filter(None, ("" if layer.part == "language" and block else layer.part, block)))
    return (f"{of}’s ", False), (spoken_kind(layer.projection), True)


def decibels(error: SchemeWeights | LayerWeights) -> str:
    """An SQNR, or why there is none."""
    if error.sqnr_db is not None and isfinite(error.sqnr_db):
        return f"{error.sqnr_db:.1f} dB"
    if isinstance(error, SchemeWeights) and not error.layers:
        return "nothing quantized"
    return "no finite weights" if error.sqnr_db is not None or _none_finite(error) else "no error"


def left_out(nonfinite: int) -> str:
    """“1 weight is NaN or infinite and left out of all figures”."""
    return f"{several(nonfinite, 'weight is', 'weights are')} NaN or infinite and left out of all figures"


def _none_finite(error: SchemeWeights | LayerWeights) -> bool:
    """Whether all its weights are NaN or infinite."""
    return 0 < error.parameters <= error.nonfinite


def decibels_of(error: SchemeWeights | LayerWeights) -> float:
    """An SQNR to sort by: no error is the best there is."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db
