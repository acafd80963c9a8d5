"""The charts of a comparison, in the order in which the page and reports show them. The trade-off, which has a switch, follows them."""

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from qdash.charts.latency import latency_bars
from qdash.charts.memory import memory_bars
from qdash.present.language import N_, _
from qdash.records import Comparison


@dataclass(frozen=True)
class CompareChart:
    """One row. `draw` takes a comparison and the keyword `dark`; `reading` says in a line how to read what it draws.

    `long_title` and `long_reading` are for places where the chart stands alone, a saved picture or a report; empty: the same.
    """

    key: str
    title: str
    reading: str
    draw: Callable[..., go.Figure]
    long_title: str = ""
    long_reading: str = ""

    def title_alone(self, comparison: Comparison) -> str:
        """The title of a picture or of a report's chart."""
        return _(self.long_title or self.title, tokens=comparison.request.measurement.max_new_tokens)

    def reading_alone(self) -> str:
        """How to read it in a report."""
        return _(self.long_reading or self.reading)


COMPARE_CHARTS = [
    CompareChart(
        "latency",
        N_("Time"),
        N_("Shorter is faster. Light: until the first token."),
        latency_bars,
        long_title=N_("Time for {tokens} tokens"),
    ),
    CompareChart(
        "memory",
        N_("Memory"),
        N_("Solid: weights. Light: peak. Tick: estimated in advance."),
        memory_bars,
        long_reading=N_("Solid: weights. Light: peak while answering. Tick: estimated in advance. Dashes: projected."),
    ),
]
