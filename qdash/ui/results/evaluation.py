"""What a finished evaluation looks like: charts, tables, single answers, conditions and files; and what happens when they are touched.

Built wherever an evaluation is shown; `prefix` keeps the elements of one page apart from those of another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from qdash.charts import accuracy_bars, evaluation_trades, speedup_bars, trade_off
from qdash.charts.style import saved_as
from qdash.charts.tradeoff_points import AGAINST, against_of
from qdash.present.language import N_, _, recorded
from qdash.records import Evaluation
from qdash.ui.components import text
from qdash.ui.components.elements import chart, html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import sheet_head
from qdash.ui.components.static import script
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.tradeoff import TradeOff, build_trade_off, note_html, nothing_html
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.results.answers import Browse, Pictures, browsed, items_html
from qdash.ui.results.evaluation_view import conditions_html, kinds_html, rows_html
from qdash.ui.results.export_buttons import ExportButtons, build_export_buttons
from qdash.ui.server.event_values import said_by

Updates = dict[Any, Any]
_EXPORTS = {"csv": "CSV", "items.csv": N_("CSV of all answers"), "json": "JSON", "html": N_("HTML report")}


@dataclass(frozen=True)
class QualityResults:
    """The components. `browse` is which questions are looked at, `pictures` those of a person's own questions: states, the tab's own."""

    accuracy: gr.Plot
    speed: gr.Plot
    trade: TradeOff
    rows: gr.HTML
    kinds: gr.HTML
    items: gr.HTML
    conditions: gr.HTML
    exports: ExportButtons
    browse: gr.State
    pictures: gr.State

    @property
    def figures(self) -> list[Any]:
        """What is drawn again for another theme or another cost, in the order of `evaluation_redrawn`."""
        return [self.accuracy, self.speed, self.trade.plot, self.trade.note]

    @property
    def outputs(self) -> list[Any]:
        """Every component."""
        single = [self.trade.against, self.rows, self.kinds, self.items, self.conditions, self.browse, self.pictures]
        return [*self.figures, *single, self.exports.problem]


def build_quality_results(prefix: str = "quality-") -> QualityResults:
    """Create them inside the current column."""
    with gr.Row(elem_id=f"{prefix}charts", elem_classes=["charts", "sheets"]):
        accuracy = chart(_("Right answers"), _(text.HOW_ACCURACY), f"{prefix}accuracy")
        speed = chart(_("Speed-up"), _(text.HOW_SPEEDUP), f"{prefix}speed")
        trade = build_trade_off(_(text.HOW_TRADEOFF_RIGHT), prefix)
    with gr.Column(elem_classes=["sheet", "marks-sheet"]):
        rows = html(elem_id=f"{prefix}cards")
    with gr.Row(elem_classes=["below"]):
        conditions = html(elem_id=f"{prefix}conditions")
        exports = build_export_buttons(_EXPORTS, prefix, elem_classes=["link"])
    with gr.Column(elem_classes=["sheet", "kinds-sheet"]):
        html(sheet_head(_("By kind of question"), _(text.HOW_KINDS)))
        kinds = html(elem_id=f"{prefix}kinds")
    with gr.Column(elem_classes=["sheet", "items-sheet"]):
        html(sheet_head(_("Question by question"), _(text.HOW_ITEMS)))
        items = gr.HTML("", js_on_load=script("quality_items"), elem_id=f"{prefix}items", apply_default_css=False)
    return QualityResults(accuracy, speed, trade, rows, kinds, items, conditions, exports, gr.State(Browse()), gr.State({}))


def evaluation_drawn(results: QualityResults, evaluation: Evaluation, dark: bool, pictures: Pictures) -> Updates:
    """Everything, from the record alone but for pictures of one's own."""
    return {
        **dict(zip(results.figures, evaluation_redrawn(dark, against_of(None), evaluation), strict=True)),
        results.trade.against: against_of(None),
        results.rows: rows_html(evaluation),
        results.kinds: kinds_html(evaluation),
        results.items: items_html(evaluation, Browse(), pictures),
        results.conditions: conditions_html(evaluation),
        results.browse: Browse(),
        results.pictures: pictures,
        results.exports.problem: "",
    }


def evaluation_redrawn(dark: Any, against: Any, evaluation: Evaluation | None) -> tuple[Any, ...]:
    """What `QualityResults.figures` show, for a theme and a cost; nothing changes without an evaluation."""
    if evaluation is None:
        return (gr.update(),) * 4
    trades = evaluation_trades(evaluation, against_of(against))
    model, task = evaluation.variants[0].model, recorded(evaluation.task_label)
    return (
        saved_as(accuracy_bars(evaluation, dark=bool(dark)), "right-answers", _("Right answers: {task}", task=task), model),
        saved_as(speedup_bars(evaluation, dark=bool(dark)), "speed-up", _("Speed-up: {task}", task=task), model),
        saved_as(trade_off(trades, dark=bool(dark)), "cost-vs-quality", _("Cost vs. quality: {task}", task=task), model),
        note_html(trades) + nothing_html(evaluation_trades(evaluation, one) for one in AGAINST),
    )


def wire_quality_results(results: QualityResults, sidebar: Sidebar, state: gr.State, evaluation_of: Callable[[Any], Any]) -> None:
    """Connect theme, switch and the browsing of answers. `state` holds what `evaluation_of` takes: an evaluation, or None."""

    def themed(dark: Any, against: Any, held: Any) -> tuple[Any, ...]:
        return evaluation_redrawn(dark, against, evaluation_of(held))

    def switched(*values: Any) -> tuple[Any, ...]:
        return themed(*values)[2:]

    def picked(event: gr.EventData, held: Any, browse: Browse, pictures: Any) -> tuple[Any, Any]:
        evaluation = evaluation_of(held)
        if evaluation is None:
            return gr.skip(), gr.skip()
        said = said_by(event)
        after = browsed(browse, said.text("only"), said.text("kind"), said.number("page"))
        return items_html(evaluation, after, pictures), after

    inputs = [sidebar.theme, results.trade.against, state]
    sidebar.theme.change(themed, inputs, results.figures, js=dark_first(3), **QUICK)
    results.trade.against.input(
        switched, inputs, [results.trade.plot, results.trade.note], js=dark_first(3), trigger_mode="always_last", **QUICK
    )
    results.items.select(
        picked, [state, results.browse, results.pictures], [results.items, results.browse], trigger_mode="multiple", **QUICK
    )
