"""What a finished comparison looks like below its cards: charts, conditions, and the drawers Table, Export and Code.

Built wherever a comparison is shown: on the Compare page when it is fresh, on the History page when it is opened again. `prefix` keeps the
elements of one page apart from those of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from qdash.charts import comparison_trades, trade_off
from qdash.charts.on_compare import COMPARE_CHARTS
from qdash.charts.style import saved_as
from qdash.charts.tradeoff_points import AGAINST, against_of
from qdash.present.language import N_, _
from qdash.records import Comparison
from qdash.ui.components import text
from qdash.ui.components.comparison_tables import absolute_html, relative_html, tails_html
from qdash.ui.components.elements import chart, html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import sheet_head
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.tradeoff import TradeOff, build_trade_off, note_html, nothing_html, trade_table_html
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.results.conditions import conditions_html
from qdash.ui.results.export_buttons import ExportButtons, build_export_buttons
from qdash.ui.results.snippets import snippets_html

Updates = dict[Any, Any]
Drawer = Literal["table", "inside", "export", "code", "save"]
_DRAWERS: dict[Drawer, str] = {"table": N_("Table"), "inside": N_("Inside"), "export": N_("Export"), "code": N_("Code"), "save": N_("Save")}


@dataclass(frozen=True)
class Charts:
    """The row of charts; `plots` are those of COMPARE_CHARTS."""

    plots: tuple[gr.Plot, ...]
    trade: TradeOff
    relative: gr.HTML

    @property
    def figures(self) -> list[Any]:
        """What is drawn again for another theme or another cost, in the order of `redrawn`."""
        return [*self.plots, self.trade.plot, self.trade.note]


@dataclass(frozen=True)
class Drawers:
    """What opens below the charts."""

    table: gr.HTML
    code: gr.HTML
    exports: ExportButtons


@dataclass(frozen=True)
class Results:
    """All of it."""

    charts: Charts
    conditions: gr.HTML
    drawers: Drawers

    @property
    def outputs(self) -> list[Any]:
        """Every component."""
        charts = [*self.charts.figures, self.charts.trade.against, self.charts.relative]
        return [*charts, self.conditions, self.drawers.table, self.drawers.code, self.drawers.exports.problem]


def build_charts(prefix: str = "") -> Charts:
    """Create the row of charts."""
    with gr.Row(elem_id=f"{prefix}charts", elem_classes=["charts", "sheets"]):
        plots = tuple(chart(_(row.title), _(row.reading), f"{prefix}{row.key}") for row in COMPARE_CHARTS)
        trade = build_trade_off(_(text.HOW_TRADEOFF), prefix)
    with gr.Column(elem_classes=["sheet"]):
        html(sheet_head(_("Relative to the original"), _(text.HOW_RELATIVE)))
        relative = html(elem_id=f"{prefix}relative")
    return Charts(plots, trade, relative)


def build_drawer_buttons(names: Sequence[Drawer], prefix: str = "") -> None:
    """Create the words that open drawers."""
    for name in names:
        button = gr.Button(_(_DRAWERS[name]), elem_id=f"open-{prefix}{name}", elem_classes=["link"], min_width=0)
        button.click(None, js=f"() => window.qdashToggle('{prefix}{name}')", api_visibility="private")


def build_drawers(prefix: str = "") -> Drawers:
    """Create Table, Export and Code."""
    with gr.Column(elem_id=f"drawer-{prefix}table", elem_classes=["drawer", "sheet"]):
        table = html()
    with gr.Row(elem_id=f"drawer-{prefix}export", elem_classes=["drawer", "sheet"]):
        exports = build_export_buttons({"json": "JSON", "csv": "CSV", "html": N_("HTML report")}, f"{prefix}export-")
    with gr.Column(elem_id=f"drawer-{prefix}code", elem_classes=["drawer", "sheet"]):
        code = html()
    return Drawers(table, code, exports)


def results_drawn(results: Results, comparison: Comparison, dark: bool) -> Updates:
    """Everything, from the record alone."""
    return {
        **dict(zip(results.charts.figures, redrawn(dark, against_of(None), comparison), strict=True)),
        results.charts.trade.against: against_of(None),
        results.charts.relative: relative_html(comparison),
        results.conditions: conditions_html(comparison),
        results.drawers.table: absolute_html(comparison) + tails_html(comparison) + trade_table_html(comparison),
        results.drawers.code: snippets_html(comparison),
        results.drawers.exports.problem: "",
    }


def redrawn(dark: Any, against: Any, comparison: Comparison | None) -> tuple[Any, ...]:
    """What `Charts.figures` show, for a theme and a cost; nothing changes without a comparison."""
    if comparison is None:
        return (gr.update(),) * (len(COMPARE_CHARTS) + 2)
    trades = comparison_trades(comparison, against_of(against))
    model = comparison.variants[0].model
    drawn = (
        *(saved_as(row.draw(comparison, dark=bool(dark)), row.key, row.title_alone(comparison), model) for row in COMPARE_CHARTS),
        saved_as(trade_off(trades, dark=bool(dark)), "cost-vs-quality", _("Cost vs. quality"), model),
    )
    return *drawn, note_html(trades) + nothing_html(comparison_trades(comparison, one) for one in AGAINST)


def wire_charts(charts: Charts, sidebar: Sidebar, state: gr.State, comparison_of: Callable[[Any], Comparison | None]) -> None:
    """Draw the charts again when the theme changes, and the trade-off when its switch does. `state` holds what `comparison_of` takes."""

    def themed(dark: Any, against: Any, held: Any) -> tuple[Any, ...]:
        return redrawn(dark, against, comparison_of(held))

    def switched(*values: Any) -> tuple[Any, ...]:
        return themed(*values)[-2:]

    inputs = [sidebar.theme, charts.trade.against, state]
    sidebar.theme.change(themed, inputs, charts.figures, js=dark_first(3), **QUICK)
    charts.trade.against.input(
        switched, inputs, [charts.trade.plot, charts.trade.note], js=dark_first(3), trigger_mode="always_last", **QUICK
    )
