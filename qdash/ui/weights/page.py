"""The Weights tab: what each scheme does to the numbers themselves, from the whole model down to a single weight."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.present.language import N_, _
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.components.elements import chart, html
from qdash.ui.components.markup import sheet_head
from qdash.ui.components.sketches import weights_sketch_html
from qdash.ui.components.static import script
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.results.export_buttons import ExportButtons, build_export_buttons
from qdash.ui.weights.layer import LayerSheets, build_layer, build_patch, build_rows
from qdash.ui.weights.selection import DAMAGE, ERROR, Choice

_LABELS = {"csv": "CSV", "json": "JSON", "html": N_("HTML report")}


@dataclass(frozen=True)
class DamagePanel:
    """The switch above the map, and what measures the damage to the answer. `report` is the tab's own: what was measured."""

    quantity: gr.Radio
    phase: gr.HTML
    banner: gr.HTML
    measure: gr.Button
    stop: gr.Button
    told: gr.HTML
    report: gr.State


@dataclass(frozen=True)
class DriftPanel:
    """What measures how closely two files' models agree along a text. `report` is the tab's own: that of the files, with their drift."""

    phase: gr.HTML
    told: gr.HTML
    banner: gr.HTML
    text: gr.Textbox
    measure: gr.Button
    stop: gr.Button
    report: gr.State


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
    damage: DamagePanel
    ranking: gr.HTML
    types: gr.HTML
    drift: DriftPanel
    layer: LayerSheets
    sqnr: gr.Plot
    scope: gr.HTML
    table: gr.HTML
    exports: ExportButtons
    report: gr.State
    choice: gr.State
    detail: gr.State
    other: gr.Textbox
    compare_files: gr.Button

    @property
    def chosen(self) -> list[Any]:
        """What changes with a pick."""
        return [self.heat, self.damage.told, self.ranking, *self.layer.all, self.choice, self.detail, self.banner]

    @property
    def outputs(self) -> list[Any]:
        """Everything a look inside may change on this page."""
        apart = ("exports", "layer", "damage", "drift", "other", "compare_files")
        single = [getattr(self, field.name) for field in fields(self) if field.name not in apart]
        return [*single, self.damage.quantity, self.damage.told, self.drift.told, *self.layer.all, self.exports.problem]


def build_weights_page() -> WeightsPage:
    """Create the components inside the current tab."""
    phase = html(phase_html("weights", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="weights-banner")
    verdict = html(empty_html(), elem_id="weights-verdict")
    with gr.Row(elem_id="weights-bar"):
        scheme = gr.Radio([], label=_("Scheme"), show_label=False, elem_id="weights-scheme", elem_classes=["pills"], min_width=0)
        look = gr.Button(_("Look inside"), variant="primary", elem_id="look", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="look-stop", min_width=0)
    other, compare_files = _other_file()
    html(weights_sketch_html(), elem_id="weights-sketch")
    with gr.Column(elem_id="weights-results"):
        with gr.Row(elem_id="weights-top"):
            heat, damage, ranking = _maps()
            with gr.Column(elem_id="weights-layer"):
                head, weights, errors = build_layer()
                rows, scale = build_rows()
        with gr.Column(elem_classes=["sheet"], elem_id="types-sheet"):
            html(sheet_head(_("Types by layer"), _(text.HOW_TYPES)))
            types = html(elem_id="types")
        drift = _drift()
        with gr.Row(elem_id="weights-rest"):
            patch = build_patch()
            sqnr = chart(_("Error by bits"), _(text.HOW_SQNR), "sqnr-plot")
        scope, table, exports = _foot()
    return WeightsPage(
        phase=phase, banner=message, verdict=verdict, look=look, stop=stop, scheme=scheme, heat=heat, damage=damage, ranking=ranking,
        types=types, drift=drift, other=other, compare_files=compare_files,
        layer=LayerSheets(head, weights, errors, rows, scale, patch), sqnr=sqnr, scope=scope, table=table, exports=exports,
        report=gr.State(None), choice=gr.State(Choice()), detail=gr.State(None),
    )  # fmt: skip


def empty_html() -> str:
    """Headline before the first look."""
    return sentence_html(_(text.WEIGHTS_HEADLINE), _(text.WEIGHTS_WHY))


def _other_file() -> tuple[gr.Textbox, gr.Button]:
    """The other file of the model to compare weights with. A public server has one version of each of its models, so it hides the field."""
    about = _("Its weights are compared with those of the model chosen at the left, layer by layer.")
    panel = gr.Accordion(_("Against another file of this model"), open=False, elem_id="weights-files", visible=not settings().public)
    with panel, gr.Row(elem_classes=["other-file"]):
        other = gr.Textbox(
            label=_("Another file"), placeholder=_("a GGUF file, a folder or a hub id"), info=about, max_lines=1, elem_id="other-file"
        )
        return other, gr.Button(_("Compare files"), elem_id="compare-files", min_width=0)


def _maps() -> tuple[gr.HTML, DamagePanel, gr.HTML]:
    """The map and the ranking; both trigger `select` with the scheme and the place of the layer picked."""
    with gr.Column(elem_id="weights-maps"):
        with gr.Column(elem_classes=["sheet"], elem_id="heat-sheet"):
            html(sheet_head(_("Error by layer"), _(text.HOW_HEAT)), elem_id="error-head")
            html(sheet_head(_("Damage by layer"), _(text.HOW_DAMAGE)), elem_id="damage-head")
            choices = [(_("Error in the weights"), ERROR), (_("Damage to the answer"), DAMAGE)]
            quantity = gr.Radio(
                choices, value=ERROR, label=_("What the map shows"), show_label=False, elem_id="quantity", elem_classes=["pills"],
                min_width=0,
            )  # fmt: skip
            heat = gr.HTML("", js_on_load=script("weights_pick"), elem_id="heat", apply_default_css=False)
            damage = _damage(quantity)
        with gr.Column(elem_classes=["sheet"], elem_id="ranking-sheet"):
            html(sheet_head(_("Worst layers"), _(text.HOW_WORST)))
            ranking = gr.HTML("", js_on_load=script("weights_pick"), elem_id="ranking", apply_default_css=False)
    return heat, damage, ranking


def _damage(quantity: gr.Radio) -> DamagePanel:
    """Below the map: what is known of the damage, and what measures it."""
    with gr.Column(elem_id="damage"):
        phase = html(phase_html("damage", running=False, results=False), elem_classes=["phases"])
        told = html(elem_id="damage-told")
        message = html(elem_id="damage-banner")
        with gr.Row(elem_id="damage-bar"):
            measure = gr.Button(_("Measure damage"), variant="primary", elem_id="measure-damage", min_width=0)
            stop = gr.Button(_("Stop"), elem_id="damage-stop", min_width=0)
    return DamagePanel(quantity, phase, message, measure, stop, told, gr.State(None))


def _drift() -> DriftPanel:
    """Below the types of two files: how closely their models agree along a text."""
    with gr.Column(elem_classes=["sheet"], elem_id="drift-sheet"):
        html(sheet_head(_("Drift along a text"), _(text.HOW_DRIFT)))
        phase = html(phase_html("drift", running=False, results=False), elem_classes=["phases"])
        told, message = html(elem_id="drift-told"), html(elem_id="drift-banner")
        with gr.Row(elem_id="drift-bar"):
            read = gr.Textbox(
                label=_("Text"), placeholder=_("empty: English prose that comes with qdash"), lines=1, max_lines=6, elem_id="drift-text",
                min_width=0,
            )  # fmt: skip
            measure = gr.Button(_("Measure drift"), variant="primary", elem_id="measure-drift", min_width=0)
            stop = gr.Button(_("Stop"), elem_id="drift-stop", min_width=0)
    return DriftPanel(phase, told, message, read, measure, stop, gr.State(None))


def _foot() -> tuple[gr.HTML, gr.HTML, ExportButtons]:
    with gr.Row(elem_classes=["below"]):
        scope = html()
        button = gr.Button(_("Table"), elem_id="open-weights-table", elem_classes=["link"], min_width=0)
        button.click(None, js="() => window.qdashToggle('weights-table')", api_visibility="private")
        exports = build_export_buttons(_LABELS, "weights-", elem_classes=["link"])
    with gr.Column(elem_id="drawer-weights-table", elem_classes=["drawer", "sheet"]):
        table = html()
    return scope, table, exports
