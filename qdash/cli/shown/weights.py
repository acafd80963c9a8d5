"""The errors of weights: one line a scheme, and on request one a layer, and the weights before and after as lines of blocks."""

import math
from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.coverage import covered, left_unusual, left_words
from qdash.present.formatting import percent
from qdash.present.weight_error import decibels, left_out
from qdash.records import Histogram, LayerWeights, SchemeWeights, WeightReport

_HEIGHTS = " ▁▂▃▄▅▆▇█"
_ERRORS = ("SQNR", "MSE", "max |error|", "cosine", "clipped", "zeroed")


def weights_blocks(report: WeightReport, *, histograms: bool = False) -> Iterator[Block]:
    """The figures, what was left out, and how they were computed."""
    yield Table(("scheme", "kind", *_ERRORS, "bits", "layers"), tuple(map(_scheme, report.schemes)), numbers_from=2)
    for scheme in report.schemes:
        yield from map(Paragraph, _remarks(scheme))
        if histograms:
            yield from map(Paragraph, histogram_lines(scheme))
    how = "computed earlier" if report.cached else f"computed in {report.seconds:.1f} s on {report.device}"
    yield Paragraph(f"every weight of every layer that is quantized · {how}", "remark")


def layers_table(report: WeightReport) -> Table:
    """One line a layer and scheme, worst first."""
    lines = [(layer, scheme) for scheme in report.schemes for layer in scheme.layers]
    lines.sort(key=lambda line: math.inf if line[0].sqnr_db is None else line[0].sqnr_db)
    rows = tuple((layer.name, scheme.label, *_error_figures(layer), f"{layer.parameters:,}") for layer, scheme in lines)
    return Table(("layer", "scheme", *_ERRORS, "weights"), rows, numbers_from=2)


def _scheme(scheme: SchemeWeights) -> tuple[str, ...]:
    bits = "" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}"
    return (scheme.label, scheme.kind, *_error_figures(scheme), bits, str(len(scheme.layers)))


def _remarks(scheme: SchemeWeights) -> Iterator[str]:
    if not scheme.layers:
        yield f"{scheme.label}: quantizes nothing in this model."
    if scheme.coverage is not None and left_unusual(scheme.coverage):
        left = left_words(scheme.coverage)
        yield f"{scheme.label}: measured {covered(scheme.coverage)}{f'; not measured: {left}' if left else ''}"
    if scheme.nonfinite:
        yield f"{scheme.label}: {left_out(scheme.nonfinite)}."


def histogram_lines(scheme: SchemeWeights) -> Iterator[str]:
    """The weights before and after as lines of blocks."""
    if scheme.histograms is not None:
        shown = scheme.histograms
        yield f"{scheme.label}, weights from {shown.original.low:.3g} to {shown.original.high:.3g}"
        yield f"  before {_blocks(shown.original)}\n  after  {_blocks(shown.dequantized)}"


def _error_figures(error: SchemeWeights | LayerWeights) -> tuple[str, ...]:
    shares = (percent(part, 2) for part in (error.clipped, error.zeroed))
    return (decibels(error), f"{error.mse:.3g}", f"{error.max_abs_error:.3g}", f"{error.cosine:.6f}", *shares)


def _blocks(histogram: Histogram) -> str:
    """Counts as heights of blocks, one a bin; any count can be seen."""
    highest = max(max(histogram.counts), 1)
    return "".join(_HEIGHTS[-(-count * (len(_HEIGHTS) - 1) // highest)] for count in histogram.counts)
