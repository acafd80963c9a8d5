"""What a finished comparison looks like below its cards: charts, conditions, and the drawers Table, Export and Code.

Built wherever a comparison is shown: on the Compare page when it is fresh, on the History page when it is opened again. `prefix` keeps the
elements of one page apart from those of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.charts import latency_bars, memory_bars
from qdash.records import Comparison
from qdash.ui import text
from qdash.ui.blocks import chart, html
from qdash.ui.conditions import conditions_html
from qdash.ui.markup import sheet_head
from qdash.ui.relative import absolute_html, relative_html
from qdash.ui.snippets import snippets_html

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Charts:
    """The row of charts."""

    latency: gr.Plot
    memory: gr.Plot
    relative: gr.HTML

    @property
    def figures(self) -> list[gr.Plot]:
        """Those that are drawn again for another theme, in the order of `redrawn`."""
        return [self.latency, self.memory]


@dataclass(frozen=True)
class Drawers:
    """What opens below the charts."""

    table: gr.HTML
    code: gr.HTML
    exports: dict[str, gr.DownloadButton]


@dataclass(frozen=True)
class Results:
    """All of it."""

    charts: Charts
    conditions: gr.HTML
    drawers: Drawers

    @property
    def outputs(self) -> list[Any]:
        """Every component."""
        charts = [getattr(self.charts, field.name) for field in fields(self.charts)]
        return [*charts, self.conditions, self.drawers.table, self.drawers.code, *self.drawers.exports.values()]


def build_charts(prefix: str = "") -> Charts:
    """Create the row of charts."""
    with gr.Row(elem_id=f"{prefix}charts", elem_classes=["charts", "sheets"]):
        latency = chart("Time", text.HOW_LATENCY, f"{prefix}latency")
        memory = chart("Memory", text.HOW_MEMORY, f"{prefix}memory")
        with gr.Column(elem_classes=["sheet"]):
            html(sheet_head("Relative to the original", text.HOW_RELATIVE))
            relative = html(elem_id=f"{prefix}relative")
    return Charts(latency, memory, relative)


def build_drawer_buttons(names: Sequence[str], prefix: str = "") -> None:
    """Create the words that open drawers."""
    for name in names:
        button = gr.Button(name.capitalize(), elem_id=f"open-{prefix}{name}", elem_classes=["link"], min_width=0)
        button.click(None, js=f"() => window.qdashToggle('{prefix}{name}')", api_visibility="private")


def build_drawers(prefix: str = "") -> Drawers:
    """Create Table, Export and Code."""
    with gr.Column(elem_id=f"drawer-{prefix}table", elem_classes=["drawer", "sheet"]):
        table = html()
    with gr.Row(elem_id=f"drawer-{prefix}export", elem_classes=["drawer", "sheet"]):
        labels = {"json": "JSON", "csv": "CSV", "html": "HTML report"}
        exports = {suffix: gr.DownloadButton(label, elem_id=f"{prefix}export-{suffix}", min_width=0) for suffix, label in labels.items()}
    with gr.Column(elem_id=f"drawer-{prefix}code", elem_classes=["drawer", "sheet"]):
        code = html()
    return Drawers(table, code, exports)


def results_drawn(results: Results, comparison: Comparison, dark: bool) -> Updates:
    """Everything but the exports, which are files."""
    return {
        **dict(zip(results.charts.figures, redrawn(dark, comparison), strict=True)),
        results.charts.relative: relative_html(comparison),
        results.conditions: conditions_html(comparison),
        results.drawers.table: absolute_html(comparison),
        results.drawers.code: snippets_html(comparison),
    }


def redrawn(dark: Any, comparison: Comparison | None) -> tuple[Any, ...]:
    """The figures of `Charts.figures`, for a theme; nothing changes without a comparison."""
    if comparison is None:
        return gr.update(), gr.update()
    return latency_bars(comparison, dark=bool(dark)), memory_bars(comparison, dark=bool(dark))
