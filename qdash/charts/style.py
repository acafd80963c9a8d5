"""The common style of all charts: type, colours and margins that suit the page's panels, and no superfluous buttons."""

import re
from html import escape
from pathlib import PurePath
from typing import Any

import plotly.graph_objects as go

from qdash.catalog.models import model_name
from qdash.charts.draft import Draft
from qdash.charts.palette import Palette, palette
from qdash.present.language import recorded

FONT = 'Inter, system-ui, "Noto Sans CJK SC", sans-serif'


def styled(draft: Draft, *, dark: bool, height: int) -> None:
    """Give `draft` the house style: transparent, in the theme's colours, `height` pixels high."""
    colours = palette(dark)
    draft.layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 16, "t": 6, "b": 34},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": colours.soft},
        showlegend=False,
        hoverlabel={"bgcolor": colours.panel, "bordercolor": colours.line, "font": {"color": colours.ink, "family": FONT, "size": 12}},
        dragmode=False,
    )
    draft.x_axis(automargin=True, fixedrange=True, **_axis(colours))
    draft.y_axis(automargin=True, fixedrange=True, **_axis(colours))


def saved_as(figure: go.Figure, what: str, title: str, model: str) -> go.Figure:
    """Say what the picture of `figure` is called once it is saved, and what stands above it (see qdash/markup/save_picture.js)."""
    name = re.sub(r"(?:[^\w.]|\.{2,})+", "-", f"qdash {what} {PurePath(model).name}".lower()).strip("-.")
    figure.update_layout(meta={"file": name[:100], "title": escape(title), "model": escape(recorded(model_name(model)))})
    return figure


def legend(dark: bool) -> dict[str, object]:
    """A legend in one line above the plot."""
    return {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": palette(dark).soft, "size": 11}}


def _axis(colours: Palette) -> dict[str, Any]:
    return {
        "gridcolor": colours.line, "zerolinecolor": colours.line, "linecolor": colours.line, "tickcolor": colours.line,
        "title": {"font": {"size": 11, "color": colours.soft}, "standoff": 6},
    }  # fmt: skip
