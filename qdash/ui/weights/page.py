"""The Weights tab: what each scheme does to the numbers themselves, from the whole model down to a single weight."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.ui.components import text
from qdash.ui.components.elements import chart, html
from qdash.ui.components.markup import sheet_head
from qdash.ui.components.sketches import weights_sketch_html
from qdash.ui.components.static import script
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.weights.layer import LayerSheets, build_layer, build_patch, build_rows
from qdash.ui.weights.selection import Choice

_LABELS = {"csv": "CSV", "json": "JSON", "html": "HTML report"}


@dataclass(frozen=True)
class WeightsPage:
    """Its components. `report`, `choice` and `detail` are the tab's own: what was measured, what is looked at, and that from near."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    look: gr.Button
    stop: gr.Button
    scheme: gr.Radio
    heat: gr.HTML
    ranking: gr.HTML
    layer: LayerSheets
    sqnr: gr.Plot
    scope: gr.HTML
    table: gr.HTML
    exports: dict[str, gr.DownloadButton]
    report: gr.State
    choice: gr.State
    detail: gr.State

    @property
    def chosen(self) -> list[Any]:
        """What changes with a pick."""
        return [self.heat, self.ranking, *self.layer.all, self.choice, self.detail, self.banner]

    @property
    def outputs(self) -> list[Any]:
        """Everything a look inside may change on this page."""
        single = [getattr(self, field.name) for field in fields(self) if field.name not in ("exports", "layer")]
        return [*single, *self.layer.all, *self.exports.values()]


def build_weights_page() -> WeightsPage:
    """Create the components inside the current tab."""
    phase = html(phase_html("weights", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="weights-banner")
    verdict = html(empty_html(), elem_id="weights-verdict")
    with gr.Row(elem_id="weights-bar"):
        scheme = gr.Radio([], label="Scheme", show_label=False, elem_id="weights-scheme", elem_classes=["pills"], min_width=0)
        look = gr.Button("Look inside", variant="primary", elem_id="look", min_width=0)
        stop = gr.Button("Stop", elem_id="look-stop", min_width=0)
    html(weights_sketch_html(), elem_id="weights-sketch")
    with gr.Column(elem_id="weights-results"):
        with gr.Row(elem_id="weights-top"):
            heat, ranking = _maps()
            with gr.Column(elem_id="weights-layer"):
                head, weights, errors = build_layer()
                rows, scale = build_rows()
        with gr.Row(elem_id="weights-rest"):
            patch = build_patch()
            sqnr = chart("Error by bits", text.HOW_SQNR, "sqnr-plot")
        scope, table, exports = _foot()
    return WeightsPage(
        phase=phase, banner=message, verdict=verdict, look=look, stop=stop, scheme=scheme, heat=heat, ranking=ranking,
        layer=LayerSheets(head, weights, errors, rows, scale, patch), sqnr=sqnr, scope=scope, table=table, exports=exports,
        report=gr.State(None), choice=gr.State(Choice()), detail=gr.State(None),
    )  # fmt: skip


def empty_html() -> str:
    """Headline before the first look."""
    return sentence_html(text.WEIGHTS_HEADLINE, text.WEIGHTS_WHY)


def _maps() -> tuple[gr.HTML, gr.HTML]:
    """The map and the ranking; both trigger `select` with the scheme and the place of the layer picked."""
    with gr.Column(elem_id="weights-maps"):
        with gr.Column(elem_classes=["sheet"], elem_id="heat-sheet"):
            html(sheet_head("Error by layer", text.HOW_HEAT))
            heat = gr.HTML("", js_on_load=script("weights_pick"), elem_id="heat", apply_default_css=False)
        with gr.Column(elem_classes=["sheet"], elem_id="ranking-sheet"):
            html(sheet_head("Worst layers", text.HOW_WORST))
            ranking = gr.HTML("", js_on_load=script("weights_pick"), elem_id="ranking", apply_default_css=False)
    return heat, ranking


def _foot() -> tuple[gr.HTML, gr.HTML, dict[str, gr.DownloadButton]]:
    with gr.Row(elem_classes=["below"]):
        scope = html()
        button = gr.Button("Table", elem_id="open-weights-table", elem_classes=["link"], min_width=0)
        button.click(None, js="() => window.qdashToggle('weights-table')", api_visibility="private")
        exports = {
            suffix: gr.DownloadButton(label, elem_id=f"weights-{suffix}", elem_classes=["link"], min_width=0)
            for suffix, label in _LABELS.items()
        }
    with gr.Column(elem_id="drawer-weights-table", elem_classes=["drawer", "sheet"]):
        table = html()
    return scope, table, exports
