"""A figure while it is drawn: plain data that plotly checks once, at the end.

A figure of plotly's checks each change against its schema and against everything that it has already. That takes several times as long, and
a server draws the charts of all visitors.
"""

from typing import Any

import plotly.graph_objects as go


class Draft:
    """Traces, notes and shapes in their order, and the layout; what is said of it later replaces what was said before."""

    def __init__(self) -> None:
        self._traces: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._layout: dict[str, Any] = {}

    def bar(self, **trace: Any) -> None:
        """Add bars that lie along their rows."""
        self._traces.append({"type": "bar", "orientation": "h", **trace})

    def scatter(self, **trace: Any) -> None:
        """Add dots or a line."""
        self._traces.append({"type": "scatter", **trace})

    def note(self, **annotation: Any) -> None:
        """Add words without an arrow."""
        self._notes.append({"showarrow": False, **annotation})

    def shape(self, **shape: Any) -> None:
        """Add a shape."""
        self._shapes.append(shape)

    def line_down(self, x: float, line: dict[str, Any]) -> None:
        """Add a line over the whole height of the plot."""
        self.shape(type="line", x0=x, x1=x, xref="x", y0=0, y1=1, yref="y domain", line=line)

    def line_across(self, y: float, line: dict[str, Any]) -> None:
        """Add a line over the whole width of the plot."""
        self.shape(type="line", x0=0, x1=1, xref="x domain", y0=y, y1=y, yref="y", line=line)

    def layout(self, **properties: Any) -> None:
        """Set properties of the layout; of those that have parts, only the parts that are named."""
        _merge(self._layout, properties)

    def x_axis(self, **properties: Any) -> None:
        """The same for the axis from left to right."""
        self.layout(xaxis=properties)

    def y_axis(self, **properties: Any) -> None:
        """The same for the axis from bottom to top."""
        self.layout(yaxis=properties)

    def figure(self) -> go.Figure:
        """The finished figure."""
        return go.Figure(self._traces, {**self._layout, "annotations": self._notes, "shapes": self._shapes})


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value
