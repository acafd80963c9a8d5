"""The layer chosen on the Weights tab: histograms, rows, the scale of a group, and a picture of single weights.

A report has enough for the first drawing, at once; the detail, which is read from the checkpoint again, refines it when it comes.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from qdash.catalog.schemes import known_scheme
from qdash.charts import error_histogram, row_errors, weight_histogram
from qdash.charts.style import saved_as
from qdash.markup import Macros, bits_class, parts
from qdash.present.formatting import percent
from qdash.present.language import N_, _, recorded
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import decibels
from qdash.present.weight_files import coloured_words, stored_words
from qdash.records import LayerDetail, LayerWeights, SchemeWeights, StoredModel, WeightReport
from qdash.ui.components import text
from qdash.ui.components.elements import html
from qdash.ui.components.markup import explained, sheet_head
from qdash.ui.components.static import script
from qdash.ui.weights.selection import Choice, chosen

_draw = Macros(__name__)

_SHARED = {"row": N_("this row"), "group": N_("this group"), "block": N_("this block"), "tensor": N_("the whole layer")}


@dataclass(frozen=True)
class LayerSheets:
    """The components of a layer."""

    head: gr.HTML
    weights: gr.Plot
    errors: gr.Plot
    rows: gr.Plot
    scale: gr.HTML
    patch: gr.HTML

    @property
    def all(self) -> list[Any]:
        """In the order of `layer_drawn`."""
        return [self.head, self.weights, self.errors, self.rows, self.scale, self.patch]


def build_layer() -> tuple[gr.HTML, gr.Plot, gr.Plot]:
    """The tall sheet: what the layer is, its weights, its error."""
    with gr.Column(elem_classes=["sheet"], elem_id="layer-sheet"):
        head = html(elem_id="layer-head")
        weights = _plot("weights-plot")
        html(sheet_head(_("The error itself"), _(text.HOW_ERROR), "errors-plot"))
        return head, weights, _plot("errors-plot")


def build_rows() -> tuple[gr.Plot, gr.HTML]:
    """The sheet of rows, and of the scale that a row or a part of it has."""
    with gr.Column(elem_classes=["sheet"], elem_id="rows-sheet"):
        html(sheet_head(_("Row by row"), _(text.HOW_ROWS), "rows-plot"))
        return _plot("rows-plot"), html(elem_id="scale")


def build_patch() -> gr.HTML:
    """The sheet of single weights. It triggers `select` with the row and column picked."""
    with gr.Column(elem_classes=["sheet"], elem_id="patch-sheet"):
        html(sheet_head(_("64 × 64 weights"), _(text.HOW_PATCH)))
        return gr.HTML(
            value=None, html_template=_draw.patch(), js_on_load=script("weights_patch"), elem_id="patch", apply_default_css=False,
        )  # fmt: skip


def layer_drawn(dark: Any, report: WeightReport, choice: Choice, detail: LayerDetail | None, status: str = "") -> list[Any]:
    """(head, weights, errors, rows, scale, patch) for a choice. `detail` is used if it is of the layer chosen."""
    scheme, layer = chosen(report, choice)
    near = (
        detail if detail is not None and layer is not None and (detail.scheme, detail.layer.name) == (scheme.scheme, layer.name) else None
    )
    part = near.layer if near else layer or scheme
    levels, shown = near.levels if near else (), bool(dark)
    layers = [] if choice.own_scale or layer is None else _same_layer(report, layer.name)
    beside: list[LayerWeights] | list[SchemeWeights] = layers if layer or choice.own_scale else list(report.schemes)
    rows = row_errors(scheme, near.layer if near else layer, near.row if near else None, beside=layers, dark=shown) if layer else None
    named = partial(_named, report, scheme, layer)
    own = report.stored.label if report.stored else ""
    return [
        head_html(scheme, layer, near, status, report.stored),
        named("weights", _("Weights"), weight_histogram(scheme, part, levels, beside=beside, dark=shown, before=own)),
        named(
            "errors", _("Difference") if report.stored else _("Rounding error"), error_histogram(scheme, part, beside=beside, dark=shown)
        ),
        named("rows", _("Row by row"), rows),
        scale_html(near),
        patch_value(near, choice.column, max((one.max_abs_error for one in layers), default=None)),
    ]


def _same_layer(report: WeightReport, name: str) -> list[LayerWeights]:
    """The layer as every scheme has it, for scales that are common to all."""
    return [layer for scheme in report.schemes for layer in scheme.layers if layer.name == name]


def _named(
    report: WeightReport, scheme: SchemeWeights, layer: LayerWeights | None, what: str, title: str, figure: go.Figure | None
) -> go.Figure | None:
    of = f"{recorded(scheme.label)}, {spoken_name(layer) if layer else _('all layers')}"
    return None if figure is None else saved_as(figure, f"{what} {scheme.scheme}", f"{title}: {of}", report.model)


def head_html(
    scheme: SchemeWeights, layer: LayerWeights | None, detail: LayerDetail | None, status: str, own: StoredModel | None = None
) -> Markup:
    """Which layer under which scheme, its figures, and what is being read. The class `whole` hides what only a layer has.

    `own`: the first of two files, where these are compared.
    """
    error = layer or scheme
    name = spoken_name(layer) if layer else _("All layers together")
    facts = [
        (explained("SQNR"), decibels(error)),
        (explained("max error"), f"{error.max_abs_error:.3g}"),
        *(_file_facts(layer) if scheme.other else _scheme_facts(error)),
        *([(_("shape"), " × ".join(map(str, layer.shape)))] if layer else []),
    ]
    return _draw.head(name, scheme.label, layer.name if layer else "", facts, status, _how_to_read(coloured_words(scheme, own), detail))


def _scheme_facts(error: LayerWeights | SchemeWeights) -> list[tuple[Any, str]]:
    return [
        (parts.term(_("to zero"), _(text.TIPS["zeroed"])), percent(error.zeroed, 1)),
        (parts.term(_("cut off"), _(text.TIPS["clipped"])), percent(error.clipped, 1)),
    ]


def _file_facts(layer: LayerWeights | None) -> list[tuple[Any, str]]:
    """How both files store a layer."""
    return [] if layer is None else [(_("type"), f"{stored_words(layer.stored)} → {stored_words(layer.other)}")]


def scale_html(detail: LayerDetail | None) -> Markup:
    """The scale and zero point of the row, group or block chosen, with the formula filled in."""
    if detail is None:
        return Markup()
    where = _("Row {row}, columns {first}–{last}", row=detail.row, first=detail.first, last=detail.last - 1)
    if detail.scale is None:
        return _draw.no_scale(where)
    zero = f" − {detail.zero_point:g}" if detail.zero_point else ""
    code = f"(code{zero})" if zero else "code"
    scale = f"{detail.scale:.4g}"
    return _draw.scale(_scale_words(where, _(_SHARED[detail.shares]), scale, detail), scale, code)


def _scale_words(where: str, weights: str, scale: str, detail: LayerDetail) -> str:
    values = {"place": where, "weights": weights, "scale": _draw.strong(scale), "zero_point": _draw.strong(f"{detail.zero_point or 0:g}")}
    if not detail.codes:
        return _("{place}. One scale for {weights}: {scale}, zero point {zero_point}.", **values)
    lowest, highest = (f"{code:g}".replace("-", "−") for code in (detail.codes[0], detail.codes[-1]))
    return _(
        "{place}. One scale for {weights}: {scale}, zero point {zero_point}, {number} codes from {lowest} to {highest}.",
        number=len(detail.codes),
        lowest=lowest,
        highest=highest,
        **values,
    )


def patch_value(detail: LayerDetail | None, column: int = 0, error_most: float | None = None) -> dict[str, Any] | None:
    """What the picture is drawn from; `column` is the one picked, `error_most` the error of full colour (None: the largest shown)."""
    if detail is None:
        return None
    known = known_scheme(detail.scheme)
    rows, columns = detail.layer.shape[0], math.prod(detail.layer.shape[1:])
    return {
        "original": detail.original, "dequantized": detail.dequantized, "error": detail.error, "top": detail.patch_row,
        "left": detail.patch_column, "row": detail.row, "column": min(max(column, detail.first), detail.last - 1), "first": detail.first,
        "last": detail.last, "rows": rows, "columns": columns, "error_most": error_most,
        "colour": bits_class(known.bits if known else None),
    }  # fmt: skip


def _how_to_read(colours: str, detail: LayerDetail | None) -> str:
    if detail is None or not detail.levels:
        return colours
    ticks = _("Ticks: the {number} values that {weights} can take.", number=len(detail.levels), weights=_(_SHARED[detail.shares]))
    return f"{colours} {ticks}"


def _plot(elem_id: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, elem_id=elem_id, buttons=[])
