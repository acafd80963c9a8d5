"""What the Weights tab says and lists, from a report alone. Pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from qdash.catalog.schemes import known_scheme
from qdash.markup import Macros, bits_class, colour_classes, parts
from qdash.markup.layer_heatmap import Measured, Quantity, extremes, heat_html, scale_html
from qdash.markup.type_map import TypeOf, type_maps_html
from qdash.present.formatting import mib, percent
from qdash.present.language import _, recorded
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import decibels, decibels_of, left_out, unmeasured
from qdash.present.weight_files import headline, matrices, not_compared, relative_error, stored_words
from qdash.records import LayerWeights, SchemeWeights, StoredModel, WeightReport
from qdash.ui.components import text
from qdash.ui.components.markup import explained
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.weights.selection import ALL_LAYERS, SIDE_BY_SIDE, Choice, chosen

_draw = Macros(__name__)

MOST_ROWS = 40
MOST_TABLE_ROWS = 400


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
    said = (_sizes_summary(report, report.stored), not_compared(report)) if report.stored else (_summary(ranked), unmeasured(report))
    why = " ".join(filter(None, said))
    return sentence_html(parts.emphasized(headline(report)), why)


def scheme_choices(report: WeightReport) -> list[tuple[str, str]]:
    """(label, key) of every scheme in the report, and of the maps of all of them."""
    each = [(recorded(scheme.label), scheme.scheme) for scheme in report.schemes]
    return [*each, (_("Side by side"), SIDE_BY_SIDE)] if len(each) > 1 else each


def map_html(report: WeightReport, choice: Choice) -> Markup:
    """The map of the scheme chosen; or a small one of each. Colours mean the same decibels for all, unless its own scale is chosen."""
    found, layer = chosen(report, choice)
    said = f"{spoken_name(layer)}: {decibels(layer)}" if layer else ""
    between = extremes([layer for scheme in report.schemes for layer in matrices(scheme)])
    if not choice.together:
        between = extremes(matrices(found)) if choice.own_scale else between
        drawn = scheme_map_html(found.scheme, matrices(found), choice.layer, between, words=True)
        return drawn + legend_html(scale_html(between), choice, said, switch=len(report.schemes) > 1)
    maps = [
        (scheme.label, decibels(scheme), scheme_map_html(scheme.scheme, matrices(scheme), choice.layer if scheme is found else "", between))
        for scheme in report.schemes
    ]
    return maps_html(maps) + legend_html(scale_html(between), choice, said)


def maps_html(maps: Sequence[tuple[str, str, Markup]]) -> Markup:
    """Maps side by side, each with the label of its scheme and a figure."""
    return _draw.maps(maps)


def partial_map_html(scheme: str, layers: Sequence[Measured]) -> Markup:
    """The map of the layers known so far."""
    return scheme_map_html(scheme, layers, "") + _draw.caption("", "")


def ranking_html(report: WeightReport, choice: Choice) -> Markup:
    """The layers of the scheme chosen, worst first."""
    found = chosen(report, choice)[0]
    ordered = sorted(enumerate(found.layers), key=lambda entry: decibels_of(entry[1]))
    rows = [_ranked(at, layer, layer.name == choice.layer) for at, layer in ordered[:MOST_ROWS]]
    headings = (*_headings(), explained("max error"), _("size"))
    return _draw.ranking(found.scheme, headings, rows, max(0, len(ordered) - MOST_ROWS))


def partial_ranking_html(scheme: str, layers: Sequence[Measured]) -> Markup:
    """The worst of the layers known so far."""
    ordered = sorted(layers, key=lambda layer: float("inf") if layer.sqnr_db is None else layer.sqnr_db)
    rows = [(spoken_name(layer), _("no error") if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}") for layer in ordered[:MOST_ROWS]]
    return _draw.partial_ranking(scheme, _headings(), rows, max(0, len(ordered) - MOST_ROWS))


def scope_html(report: WeightReport) -> Markup:
    """How much was looked at: the conditions line of this tab."""
    count = max((scheme.parameters for scheme in report.schemes), default=0)
    broken = max((scheme.nonfinite for scheme in report.schemes), default=0)
    what = _("embeddings, norms and biases too") if report.stored else _("embeddings, norms and head not quantized")
    cells = [_read_words(report, _grouped(count)), what]
    cells += [_("{scheme}: simulated", scheme=recorded(scheme.label)) for scheme in report.schemes if scheme.kind == "simulated"]
    return _draw.scope(left_out(broken) if broken else "", cells, report.stored is not None)


def types_html(report: WeightReport) -> Markup:
    """How the model's GGUF file stores each layer, or both of two files do; nothing where that is not known or all are floats."""
    if report.stored is None:
        own = [TypeOf(layer, layer.name, layer.stored, layer.parameters) for layer in report.types]
        return type_maps_html([("", own)])
    first = report.schemes[0]
    own = [TypeOf(layer, layer.name, layer.stored, layer.parameters) for layer in matrices(first) if layer.stored]
    return type_maps_html([(report.stored.label, own), *((scheme.label, _other_types(scheme)) for scheme in report.schemes)])


def _other_types(scheme: SchemeWeights) -> list[TypeOf]:
    return [
        TypeOf(layer, layer.name, layer.other, layer.parameters, layer.stored.type if layer.stored else None)
        for layer in matrices(scheme)
        if layer.other
    ]


def _read_words(report: WeightReport, number: str) -> str:
    if report.cached:
        return _("all {number} weights, computed earlier", number=number)
    seconds, device = f"{report.seconds:.1f}", report.device.upper()
    return _("all {number} weights, in {seconds} s on {device}", number=number, seconds=seconds, device=device)


def _headings() -> tuple[str, Markup]:
    """Headings of every ranking."""
    return _("layer"), parts.term(_("dB"), _(text.TIPS["SQNR"]))


def table_html(report: WeightReport) -> Markup:
    """Every figure of the charts as a table: schemes, then layers × schemes in dB."""
    if report.stored is not None:
        return _files_table(report, report.stored)
    errors = (_("SQNR, dB"), _("MSE"), _("max error"), _("cosine"), _("to zero"), _("cut off"))
    headings = (_("scheme"), _("bits per weight"), *errors, _("layers"))
    return _draw.schemes(headings, [(recorded(scheme.label), *_figures(scheme)) for scheme in report.schemes]) + _layers_table(report)


def _files_table(report: WeightReport, own: StoredModel) -> Markup:
    """What each file takes and how far it lies from the first; then every layer with its types in both."""
    headings = (
        _("file"),
        _("bits per weight"),
        _("file size"),
        _("SQNR, dB"),
        _("relative error"),
        _("max error"),
        _("layers"),
        _("the same"),
    )
    rows = [(*_file(own), *("–",) * 5), *((*_file(scheme.other), *_apart(scheme)) for scheme in report.schemes if scheme.other)]
    return _draw.schemes(headings, rows) + Markup().join(_file_layers(scheme, own.label) for scheme in report.schemes)


def _file(stored: StoredModel) -> tuple[str, str, str]:
    return stored.label, f"{stored.bits_per_weight:.3f}", mib(stored.file_bytes)


def _apart(scheme: SchemeWeights) -> tuple[str, ...]:
    same = sum(layer.identical for layer in scheme.layers)
    error = (decibels(scheme).removesuffix(" dB"), percent(relative_error(scheme), 2), f"{scheme.max_abs_error:.3g}")
    return (*error, str(len(scheme.layers)), str(same))


def _file_layers(scheme: SchemeWeights, own: str) -> Markup:
    rows = [
        (
            layer.name,
            spoken_name(layer),
            (_shape(layer), stored_words(layer.stored), stored_words(layer.other), decibels(layer).removesuffix(" dB")),
        )
        for layer in scheme.layers[:MOST_TABLE_ROWS]
    ]
    headings = (_("layer"), _("shape"), own, scheme.label, _("dB"))
    return _draw.layers(headings, rows, max(0, len(scheme.layers) - MOST_TABLE_ROWS))


def _layers_table(report: WeightReport) -> Markup:
    names = {layer.name: layer for scheme in report.schemes for layer in scheme.layers}
    values = [{layer.name: decibels(layer).removesuffix(" dB") for layer in scheme.layers} for scheme in report.schemes]
    rows = [
        (name, spoken_name(layer), (_shape(layer), *(column.get(name, "–") for column in values)))
        for name, layer in list(names.items())[:MOST_TABLE_ROWS]
    ]
    headings = (_("layer"), _("shape"), *(f"{recorded(scheme.label)}, dB" for scheme in report.schemes))
    return _draw.layers(headings, rows, max(0, len(names) - MOST_TABLE_ROWS))


def _figures(scheme: SchemeWeights) -> list[str]:
    bits = "–" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}"
    sqnr = decibels(scheme).removesuffix(" dB") if scheme.sqnr_db is None else f"{scheme.sqnr_db:.2f}"
    shares = (percent(scheme.zeroed, 2), percent(scheme.clipped, 2), str(len(scheme.layers)))
    return [bits, sqnr, f"{scheme.mse:.3g}", f"{scheme.max_abs_error:.3g}", f"{scheme.cosine:.6f}", *shares]


def scheme_map_html(
    scheme: str,
    layers: Sequence[Measured],
    picked: str,
    between: tuple[float, float] | None = None,
    *,
    words: bool = False,
    of: Quantity | None = None,
) -> Markup:
    """A map in the colour of the scheme's bits, hatched if it is simulated."""
    known = known_scheme(scheme)
    drawn = heat_html(layers, chosen=picked, between=between, words=words or between is None, of=of)
    return _draw.heat_map(scheme, colour_classes(known) if known else bits_class(None), drawn)


def legend_html(scale: Markup, choice: Choice, said: str, *, switch: bool = False) -> Markup:
    """What stands below a map: `said` of the layer picked, and what the colours mean."""
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


def _sizes_summary(report: WeightReport, own: StoredModel) -> str:
    """What the files take, with everything counted."""
    files = [own, *(scheme.other for scheme in report.schemes if scheme.other)]
    figures = " · ".join(
        _("{file}: {bits} bits per weight, {size}", file=file.label, bits=f"{file.bits_per_weight:.3f}", size=mib(file.file_bytes))
        for file in files
    )
    return _("With scales, embeddings and norms counted, {figures}.", figures=figures)


def _summary(ranked: list[SchemeWeights]) -> str:
    count = max((scheme.parameters for scheme in ranked), default=0)
    figures = " · ".join(f"{recorded(scheme.label)} {decibels(scheme)}" for scheme in ranked)
    number = text.count(count)
    over = _("Signal to noise over all {number} quantized weights: {figures}.", number=number, figures=figures)
    return f"{over} {_('Every 6 dB is about one bit.')}"
