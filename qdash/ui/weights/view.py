"""What the Weights tab says and lists, from a report alone. Pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from qdash.catalog.schemes import known_scheme
from qdash.markup import Macros, bits_class, colour_classes, parts
from qdash.markup.layer_heatmap import Measured, extremes, heat_html, scale_html
from qdash.present.formatting import percent
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import decibels, decibels_of, disturbed, left_out, unmeasured
from qdash.records import LayerWeights, SchemeWeights, WeightReport
from qdash.ui.components import text
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.weights.selection import ALL_LAYERS, SIDE_BY_SIDE, Choice, chosen

_draw = Macros(__name__)

MOST_ROWS = 40
MOST_TABLE_ROWS = 400
_RANKED = ("layer", parts.term("dB", text.TIPS["SQNR"]))
"""Headings of every ranking."""


class Ranked(NamedTuple):
    """A layer in the ranking, in words; `at` is its place in the scheme's list."""

    at: int
    picked: bool
    path: str
    name: str
    sqnr: str
    error: str
    size: str
    shape: str


def headline_html(report: WeightReport) -> Markup:
    """Who disturbs the weights more, by how much, and where it hurts most."""
    ranked = sorted(report.schemes, key=decibels_of, reverse=True)
    return sentence_html(parts.emphasized(disturbed(report)), " ".join(filter(None, (_summary(ranked), unmeasured(report)))))


def scheme_choices(report: WeightReport) -> list[tuple[str, str]]:
    """(label, key) of every scheme in the report, and of the maps of all of them."""
    each = [(scheme.label, scheme.scheme) for scheme in report.schemes]
    return [*each, ("Side by side", SIDE_BY_SIDE)] if len(each) > 1 else each


def map_html(report: WeightReport, choice: Choice) -> Markup:
    """The map of the scheme chosen; or a small one of each. Colours mean the same decibels for all, unless its own scale is chosen."""
    found, layer = chosen(report, choice)
    between = extremes([layer for scheme in report.schemes for layer in scheme.layers])
    if not choice.together:
        between = extremes(found.layers) if choice.own_scale else between
        drawn = _map(found.scheme, found.layers, choice.layer, between, words=True)
        return drawn + _legend(scale_html(between), choice, layer, switch=len(report.schemes) > 1)
    maps = [
        (scheme.label, decibels(scheme), _map(scheme.scheme, scheme.layers, choice.layer if scheme is found else "", between))
        for scheme in report.schemes
    ]
    return _draw.maps(maps) + _legend(scale_html(between), choice, layer)


def partial_map_html(scheme: str, layers: Sequence[Measured]) -> Markup:
    """The map of the layers known so far."""
    return _map(scheme, layers, "") + _draw.caption("", "")


def ranking_html(report: WeightReport, choice: Choice) -> Markup:
    """The layers of the scheme chosen, worst first."""
    found = chosen(report, choice)[0]
    ordered = sorted(enumerate(found.layers), key=lambda entry: decibels_of(entry[1]))
    rows = [_ranked(at, layer, layer.name == choice.layer) for at, layer in ordered[:MOST_ROWS]]
    headings = (*_RANKED, parts.term("max error", text.TIPS["max error"]), "size")
    return _draw.ranking(found.scheme, headings, rows, max(0, len(ordered) - MOST_ROWS))


def partial_ranking_html(scheme: str, layers: Sequence[Measured]) -> Markup:
    """The worst of the layers known so far."""
    ordered = sorted(layers, key=lambda layer: float("inf") if layer.sqnr_db is None else layer.sqnr_db)
    rows = [(spoken_name(layer), "no error" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}") for layer in ordered[:MOST_ROWS]]
    return _draw.partial_ranking(scheme, _RANKED, rows, max(0, len(ordered) - MOST_ROWS))


def scope_html(report: WeightReport) -> Markup:
    """How much was looked at: the conditions line of this tab."""
    count = max((scheme.parameters for scheme in report.schemes), default=0)
    took = "computed earlier" if report.cached else f"in {report.seconds:.1f} s on {report.device.upper()}"
    broken = max((scheme.nonfinite for scheme in report.schemes), default=0)
    cells = [f"all {_grouped(count)} weights, {took}", "embeddings, norms and head not quantized"]
    cells += [f"{scheme.label}: simulated" for scheme in report.schemes if scheme.kind == "simulated"]
    return _draw.scope(left_out(broken) if broken else "", cells)


def table_html(report: WeightReport) -> Markup:
    """Every figure of the charts as a table: schemes, then layers × schemes in dB."""
    headings = ("scheme", "bits per weight", "SQNR, dB", "MSE", "max error", "cosine", "to zero", "cut off", "layers")
    return _draw.schemes(headings, [(scheme.label, *_figures(scheme)) for scheme in report.schemes]) + _layers_table(report)


def _layers_table(report: WeightReport) -> Markup:
    names = {layer.name: layer for scheme in report.schemes for layer in scheme.layers}
    values = [{layer.name: decibels(layer).removesuffix(" dB") for layer in scheme.layers} for scheme in report.schemes]
    rows = [
        (name, spoken_name(layer), (_shape(layer), *(column.get(name, "–") for column in values)))
        for name, layer in list(names.items())[:MOST_TABLE_ROWS]
    ]
    headings = ("layer", "shape", *(f"{scheme.label}, dB" for scheme in report.schemes))
    return _draw.layers(headings, rows, max(0, len(names) - MOST_TABLE_ROWS))


def _figures(scheme: SchemeWeights) -> list[str]:
    bits = "–" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}"
    sqnr = decibels(scheme).removesuffix(" dB") if scheme.sqnr_db is None else f"{scheme.sqnr_db:.2f}"
    shares = (percent(scheme.zeroed, 2), percent(scheme.clipped, 2), str(len(scheme.layers)))
    return [bits, sqnr, f"{scheme.mse:.3g}", f"{scheme.max_abs_error:.3g}", f"{scheme.cosine:.6f}", *shares]


def _map(
    scheme: str, layers: Sequence[Measured], picked: str, between: tuple[float, float] | None = None, *, words: bool = False
) -> Markup:
    """A map in the colour of the scheme's bits, hatched if it is simulated."""
    known = known_scheme(scheme)
    drawn = heat_html(layers, chosen=picked, between=between, words=words or between is None)
    return _draw.heat_map(scheme, colour_classes(known) if known else bits_class(None), drawn)


def _legend(scale: Markup, choice: Choice, layer: LayerWeights | None, *, switch: bool = False) -> Markup:
    said = f"{spoken_name(layer)}: {decibels(layer)}" if layer else ""
    return _draw.caption(scale, said) + _draw.legend(choice, choice.layer == ALL_LAYERS, switch)


def _ranked(at: int, layer: LayerWeights, picked: bool) -> Ranked:
    sqnr = decibels(layer).removesuffix(" dB")
    size = _thousands(layer.parameters)
    return Ranked(at, picked, layer.name, spoken_name(layer), sqnr, f"{layer.max_abs_error:.3g}", size, _shape(layer))


def _shape(layer: LayerWeights) -> str:
    return " × ".join(map(str, layer.shape))


def _thousands(number: int) -> str:
    """“180 k”, “4.4 M”."""
    return text.count(number) if number >= 1e6 else f"{number / 1e3:.0f} k" if number >= 1e4 else _grouped(number)


def _grouped(number: int) -> str:
    """Digits in threes, with the narrow space that most languages read."""
    return f"{number:,}".replace(",", "\u202f")


def _summary(ranked: list[SchemeWeights]) -> str:
    count = max((scheme.parameters for scheme in ranked), default=0)
    figures = " · ".join(f"{scheme.label} {decibels(scheme)}" for scheme in ranked)
    return f"Signal to noise over all {text.count(count)} quantized weights: {figures}. Every 6 dB is about one bit."
