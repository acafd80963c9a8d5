"""The frame of the bar charts: one row a variant or scheme, its name at the left, its words behind the bar or in place of one.

Rows have a fixed height and the space for words a fixed width, so that one variant or twenty look alike and no number is cut off.
"""

from collections.abc import Sequence
from html import escape
from textwrap import shorten, wrap

import plotly.graph_objects as go

from qdash.catalog.schemes import known_scheme
from qdash.charts.palette import palette
from qdash.charts.style import styled
from qdash.records import EvaluatedVariant, VariantResult

ROW_PX = 40
BAR_SHARE = 0.58  # of a row; the rest is air
FEWEST_ROWS = 3.5  # the height of a chart with fewer: beside others, it would look broken
WORDS_PX = 94  # "9,999 MiB", "32-bit stand-in"
LABEL_LETTERS = 20


def row_names(labels: Sequence[str]) -> list[str]:
    """What stands at the left of each row: the label in at most two lines, escaped, and distinct, as plotly merges equal names."""
    names: list[str] = []
    for label in labels:
        name = "<br>".join(escape(line, quote=False) for line in _two_lines(label))
        # A zero-width space keeps the row of a repeated name its own without showing.
        while name in names:
            name += "\u200b"
        names.append(name)
    return names


def _two_lines(label: str) -> list[str]:
    first, *rest = wrap(label, LABEL_LETTERS) or [""]
    return [first, shorten(" ".join(rest), LABEL_LETTERS, placeholder="…")] if rest else [first]


def colour_of(scheme: str, dark: bool) -> str:
    """The colour of a scheme's or a recipe's bits; slate for a key that this version does not know."""
    known = known_scheme(scheme)
    return palette(dark).of(known.bits if known else None)


def framed(figure: go.Figure, names: list[str], *, longest: float, title: str, dark: bool) -> go.Figure:
    """Rows top down, an axis from zero to the end of the longest bar, room for words behind it."""
    rows = max(len(names), FEWEST_ROWS)
    styled(figure, dark=dark, height=round(rows * ROW_PX) + 46)
    figure.update_layout(barmode="overlay", bargap=1 - BAR_SHARE, margin_r=WORDS_PX)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=names, range=[rows - 0.5, -0.5],
        showgrid=False, showline=False, zeroline=False, ticks="outside", ticklen=8, tickcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    figure.update_xaxes(range=[0, longest or 1.0], title_text=title, showline=False, zeroline=True, nticks=4, tickangle=0)
    return figure


def words(figure: go.Figure, name: str, at: float, text: str, *, dark: bool, strong: bool) -> None:
    """Write `text` behind the bar of row `name` that ends at `at`."""
    colours = palette(dark)
    figure.add_annotation(
        x=at, y=name, text=f"<b>{text}</b>" if strong else text, showarrow=False, xanchor="left", xshift=7, align="left",
        font={"size": 12 if strong else 11, "color": colours.ink if strong else colours.soft},
    )  # fmt: skip


def empty(figure: go.Figure, why: str, *, dark: bool) -> None:
    """Take the axis from a chart without bars, and write `why` in its place."""
    figure.update_xaxes(showgrid=False, zeroline=False, showticklabels=False, ticks="", title_text=why)
    figure.update_xaxes(title_font={"size": 12, "color": palette(dark).soft})


def missing_words(variant: VariantResult | EvaluatedVariant) -> str:
    """What stands in place of the bar of a variant without figures."""
    if variant.status == "ok":
        return "not timed"
    if variant.error is not None and variant.error.kind == "cancelled":
        return "stopped"
    return "✕ failed" if variant.status == "failed" else "not run"
