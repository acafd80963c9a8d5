"""What plotly's figures hold, without the declarations that leave out each kind's own attributes."""

from typing import Any

import plotly.graph_objects as go


def layout_of(figure: go.Figure) -> Any:
    """The layout of a figure."""
    return figure.layout


def traces(figure: go.Figure) -> list[Any]:
    """The traces of a figure, in the order in which it draws them."""
    return list(figure.data)
