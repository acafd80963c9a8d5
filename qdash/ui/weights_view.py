"""What the Weights tab says and lists, from a report alone. Pure functions; names of layers come from checkpoints and are escaped."""

from html import escape

from qdash.records import LayerWeights, SchemeWeights, WeightReport
from qdash.ui import text
from qdash.ui.markup import term
from qdash.ui.verdict import sentence_html

ALL_LAYERS = ""
"""The layer choice that stands for every quantized weight of the model."""

MOST_ROWS = 40


def headline_html(report: WeightReport) -> str:
    """Who disturbs the weights more, by how much, and where it hurts most."""
    ranked = sorted(report.schemes, key=_decibels)
    worst, best = ranked[0], ranked[-1]
    layer = min(worst.layers, key=_decibels, default=None)
    where = f" Worst hit: <em>{escape(short_name(layer.name))}</em>." if layer else ""
    if worst is best:
        first = f"{escape(worst.label)} keeps the weights at <em>{decibels(worst)}</em> above its error."
    elif best.sqnr_db is None:
        first = f"{escape(best.label)} changes nothing; {escape(worst.label)} disturbs the weights."
    else:
        factor = 10 ** ((_decibels(best) - _decibels(worst)) / 20)
        first = f"{escape(worst.label)} disturbs the weights <em>{factor:.1f}× more</em> than {escape(best.label)}."
    return sentence_html(first + where, _summary(ranked[::-1]))


def short_name(name: str) -> str:
    """“model.language_model.layers.3.mlp.down_proj” as people say it: “language model · layer 3 · down projection”."""
    words = [part for part in name.removesuffix(".weight").split(".") if part not in _SILENT]
    spoken: list[str] = []
    for word in words:
        if word.isdigit():
            spoken.append(f"layer {word}")
        else:
            spoken.append(word.removesuffix("_proj") + " projection" if word.endswith("_proj") else word.replace("_", " "))
    return " · ".join(spoken) or name


_SILENT = {"model", "layers", "encoder", "blocks", "h", "self_attn", "mlp", "self_attention", "transformer"}


def layer_choices(report: WeightReport) -> list[tuple[str, str]]:
    """(label, name) of every layer that some scheme quantized, in the checkpoint's order."""
    names = dict.fromkeys(layer.name for scheme in report.schemes for layer in scheme.layers)
    return [("All layers together", ALL_LAYERS), *((short_name(name), name) for name in names)]


def scheme_choices(report: WeightReport) -> list[tuple[str, str]]:
    """(label, key) of every scheme in the report."""
    return [(scheme.label, scheme.scheme) for scheme in report.schemes]


def worst_scheme(report: WeightReport) -> str:
    """The scheme the headline speaks of: what the page shows first."""
    return min(report.schemes, key=_decibels).scheme


def chosen(report: WeightReport, scheme: str, layer: str) -> tuple[SchemeWeights, SchemeWeights | LayerWeights]:
    """The scheme called `scheme` (else the first), and its layer (else all of it): both come from a browser and may be stale."""
    found = next((entry for entry in report.schemes if entry.scheme == scheme), report.schemes[0])
    return found, next((entry for entry in found.layers if entry.name == layer), found)


def decibels(error: SchemeWeights | LayerWeights) -> str:
    """SQNR for people."""
    return "no error" if error.sqnr_db is None else f"{error.sqnr_db:.1f} dB"


def layers_html(report: WeightReport, scheme: str) -> str:
    """The layers of a scheme, worst first."""
    found = chosen(report, scheme, ALL_LAYERS)[0]
    ordered = sorted(found.layers, key=_decibels)
    rows = "".join(_row(layer) for layer in ordered[:MOST_ROWS])
    rest = f'<p class="hint">and {len(ordered) - MOST_ROWS} more: the CSV has all.</p>' if len(ordered) > MOST_ROWS else ""
    head = f"<tr><th>layer</th><th>{term('dB', text.TIPS['SQNR'])}</th><th>max error</th><th>weights</th></tr>"
    return f'<div class="scroll tall"><table><thead>{head}</thead><tbody>{rows}</tbody></table>{rest}</div>'


def scope_html(report: WeightReport) -> str:
    """How much was looked at: the conditions line of this tab."""
    counts = [sum(_weights(layer) for layer in scheme.layers) for scheme in report.schemes]
    kinds = [f"{escape(scheme.label)}: {scheme.kind}" for scheme in report.schemes if scheme.kind == "simulated"]
    cells = [f"{_grouped(max(counts, default=0))} weights, all of them", "embeddings, norms and head left as they were", *kinds]
    return f'<div class="cond">{"".join(f"<span>{cell}</span>" for cell in cells)}</div>'


def _row(layer: LayerWeights) -> str:
    name = f'<td title="{escape(layer.name)}">{escape(short_name(layer.name))}</td>'
    sqnr = decibels(layer).removesuffix(" dB")
    return f"<tr>{name}<td>{sqnr}</td><td>{layer.max_abs_error:.3g}</td><td>{_grouped(_weights(layer))}</td></tr>"


def _grouped(number: int) -> str:
    """Digits in threes, with the narrow space that most languages read."""
    return f"{number:,}".replace(",", "\u202f")


def _weights(layer: LayerWeights) -> int:
    total = 1
    for size in layer.shape:
        total *= size
    return total


def _decibels(error: SchemeWeights | LayerWeights) -> float:
    return float("inf") if error.sqnr_db is None else error.sqnr_db


def _summary(ranked: list[SchemeWeights]) -> str:
    figures = " · ".join(f"{scheme.label} {decibels(scheme)}" for scheme in ranked)
    return f"Signal to noise over all quantized weights: {figures}. Every 6 dB is about one bit."
