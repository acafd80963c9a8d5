"""What the Weights tab says and lists, from a report alone. Pure functions; names of layers come from checkpoints and are escaped."""

from collections.abc import Sequence
from html import escape

from qdash.catalog.schemes import known_scheme
from qdash.charts.layer_heatmap import Measured, extremes, heat_html, scale_html
from qdash.present.formatting import percent
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import Words, decibels, decibels_of, disturbed, left_out, unweighed
from qdash.records import LayerWeights, SchemeWeights, WeightReport
from qdash.ui.components import text
from qdash.ui.components.markup import bits_class, term
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.weights.selection import ALL_LAYERS, SIDE_BY_SIDE, Choice, chosen

MOST_ROWS = 40
MOST_TABLE_ROWS = 400


def headline_html(report: WeightReport) -> str:
    """Who disturbs the weights more, by how much, and where it hurts most."""
    ranked = sorted(report.schemes, key=decibels_of, reverse=True)
    return sentence_html(words_html(disturbed(report)), " ".join(filter(None, (_summary(ranked), unweighed(report)))))


def words_html(words: Words) -> str:
    """A sentence with what stands out in it."""
    return "".join(f"<em>{escape(piece)}</em>" if strong else escape(piece) for piece, strong in words)


def scheme_choices(report: WeightReport) -> list[tuple[str, str]]:
    """(label, key) of every scheme in the report, and of the maps of all of them."""
    each = [(scheme.label, scheme.scheme) for scheme in report.schemes]
    return [*each, ("Side by side", SIDE_BY_SIDE)] if len(each) > 1 else each


def map_html(report: WeightReport, choice: Choice) -> str:
    """The map of the scheme chosen; or a small one of each. Colours mean the same decibels for all, unless its own scale is chosen."""
    found, layer = chosen(report, choice)
    between = extremes([layer for scheme in report.schemes for layer in scheme.layers])
    if not choice.together:
        between = extremes(found.layers) if choice.own_scale else between
        drawn = _map(found.scheme, found.layers, choice.layer, between, words=True)
        return drawn + _legend(scale_html(between), choice, layer, switch=len(report.schemes) > 1)
    maps = "".join(
        f"<section><h4><span>{escape(scheme.label)}</span><small>{decibels(scheme)}</small></h4>"
        f"{_map(scheme.scheme, scheme.layers, choice.layer if scheme is found else '', between)}</section>"
        for scheme in report.schemes
    )
    return f'<div class="maps">{maps}</div>' + _legend(scale_html(between), choice, layer)


def partial_map_html(scheme: str, layers: Sequence[Measured]) -> str:
    """The map of the layers known so far."""
    return _map(scheme, layers, "") + _caption("")


def ranking_html(report: WeightReport, choice: Choice) -> str:
    """The layers of the scheme chosen, worst first."""
    found = chosen(report, choice)[0]
    ordered = sorted(enumerate(found.layers), key=lambda entry: decibels_of(entry[1]))
    rows = "".join(_ranked(at, layer, layer.name == choice.layer) for at, layer in ordered[:MOST_ROWS])
    return _ranking(found.scheme, rows, len(ordered), full=True)


def partial_ranking_html(scheme: str, layers: Sequence[Measured]) -> str:
    """The worst of the layers known so far."""
    ordered = sorted(layers, key=lambda layer: float("inf") if layer.sqnr_db is None else layer.sqnr_db)
    cells = ((spoken_name(layer), "no error" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}") for layer in ordered[:MOST_ROWS])
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{sqnr}</td></tr>" for name, sqnr in cells)
    return _ranking(scheme, rows, len(ordered), full=False)


def scope_html(report: WeightReport) -> str:
    """How much was looked at: the conditions line of this tab."""
    count = max((scheme.parameters for scheme in report.schemes), default=0)
    took = "computed earlier" if report.cached else f"in {report.seconds:.1f} s on {report.device.upper()}"
    broken = max((scheme.nonfinite for scheme in report.schemes), default=0)
    cells = [f"all {_grouped(count)} weights, {took}", "embeddings, norms and head not quantized"]
    cells += [f"{escape(scheme.label)}: simulated" for scheme in report.schemes if scheme.kind == "simulated"]
    warning = f'<span class="warn">△ {left_out(broken)}</span>' if broken else ""
    return f'<div class="cond">{warning}{"".join(f"<span>{cell}</span>" for cell in cells)}</div>'


def table_html(report: WeightReport) -> str:
    """Every figure of the charts as a table: schemes, then layers × schemes in dB."""
    headings = ("scheme", "bits per weight", "SQNR, dB", "MSE", "max error", "cosine", "to zero", "cut off", "layers")
    rows = "".join(f'<tr><th scope="row">{escape(scheme.label)}</th>{_tds(_figures(scheme))}</tr>' for scheme in report.schemes)
    return _table(headings, rows) + _layers_table(report)


def _layers_table(report: WeightReport) -> str:
    names = {layer.name: layer for scheme in report.schemes for layer in scheme.layers}
    values = [{layer.name: decibels(layer).removesuffix(" dB") for layer in scheme.layers} for scheme in report.schemes]
    rows = "".join(
        f'<tr><th scope="row" title="{escape(name)}">{escape(spoken_name(layer))}</th>'
        f"<td>{_shape(layer)}</td>{_tds([column.get(name, '–') for column in values])}</tr>"
        for name, layer in list(names.items())[:MOST_TABLE_ROWS]
    )
    rest = f'<p class="hint">and {len(names) - MOST_TABLE_ROWS} more: the CSV has all.</p>' if len(names) > MOST_TABLE_ROWS else ""
    headings = ("layer", "shape", *(f"{scheme.label}, dB" for scheme in report.schemes))
    return _table(headings, rows, tall=True) + rest


def _figures(scheme: SchemeWeights) -> list[str]:
    bits = "–" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}"
    sqnr = decibels(scheme).removesuffix(" dB") if scheme.sqnr_db is None else f"{scheme.sqnr_db:.2f}"
    shares = (percent(scheme.zeroed, 2), percent(scheme.clipped, 2), str(len(scheme.layers)))
    return [bits, sqnr, f"{scheme.mse:.3g}", f"{scheme.max_abs_error:.3g}", f"{scheme.cosine:.6f}", *shares]


def _map(scheme: str, layers: Sequence[Measured], picked: str, between: tuple[float, float] | None = None, *, words: bool = False) -> str:
    """A map in the colour of the scheme's bits, hatched if it is simulated."""
    known = known_scheme(scheme)
    simulated = " sim" if known is not None and known.kind == "simulated" else ""
    drawn = heat_html(layers, chosen=picked, between=between, words=words or between is None)
    return f'<div class="heat-of {bits_class(known.bits if known else None)}{simulated}" data-scheme="{escape(scheme)}">{drawn}</div>'


def _legend(scale: str, choice: Choice, layer: LayerWeights | None, *, switch: bool = False) -> str:
    pressed = "true" if choice.layer == ALL_LAYERS else "false"
    whole = (
        f'<span data-scheme="{escape(choice.scheme)}">'
        f'<button type="button" class="pill" data-at="-1" aria-pressed="{pressed}">All layers together</button></span>'
    )
    own = "true" if choice.own_scale else "false"
    scales = f'<button type="button" class="pill" data-own aria-pressed="{own}">Own scale</button>' if switch else ""
    said = f"{spoken_name(layer)}: {decibels(layer)}" if layer else ""
    return f'{_caption(scale, said)}<div class="heat-all">{whole} {scales}</div>'


def _caption(scale: str, said: str = "") -> str:
    """The line that says what the pointer or the keyboard is on, beside the meaning of the colours."""
    return f'<div class="heat-foot"><p class="heat-said">{escape(said)}</p>{scale}</div>'


def _ranking(scheme: str, rows: str, count: int, *, full: bool) -> str:
    rest = f'<p class="hint">and {count - MOST_ROWS} more: the table has all.</p>' if count > MOST_ROWS else ""
    more = f"<th>{term('max error', text.TIPS['max error'])}</th><th>size</th>" if full else ""
    head = f"<tr><th>layer</th><th>{term('dB', text.TIPS['SQNR'])}</th>{more}</tr>"
    return f'<div class="scroll" data-scheme="{escape(scheme)}"><table><thead>{head}</thead><tbody>{rows}</tbody></table>{rest}</div>'


def _ranked(at: int, layer: LayerWeights, picked: bool) -> str:
    button = f'<button type="button" class="pick" data-at="{at}" aria-pressed="{"true" if picked else "false"}">'
    name = f'<td title="{escape(layer.name)}">{button}{escape(spoken_name(layer))}</button></td>'
    sqnr, size = decibels(layer).removesuffix(" dB"), f'<td title="{_shape(layer)}">{_thousands(layer.parameters)}</td>'
    return f"<tr>{name}<td>{sqnr}</td><td>{layer.max_abs_error:.3g}</td>{size}</tr>"


def _table(headings: Sequence[str], rows: str, *, tall: bool = False) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    place = "scroll higher" if tall else "scroll"
    return f'<div class="{place}" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _tds(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


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
