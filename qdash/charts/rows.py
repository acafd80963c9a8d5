"""The frame of the bar charts: one row a variant or scheme, its name at the left, its words behind the bar or in place of one.

Rows have a fixed height and the space for words a fixed width, so that one variant or twenty look alike and no number is cut off.
"""

from collections.abc import Sequence
from html import escape
from textwrap import shorten, wrap

from qdash.catalog.schemes import known_scheme
from qdash.charts.draft import Draft
from qdash.charts.palette import palette
from qdash.charts.style import styled
from qdash.present.formatting import stand_in
from qdash.present.language import _
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


def framed(draft: Draft, names: list[str], *, longest: float, title: str, dark: bool) -> None:
    """Rows top down, an axis from zero to the end of the longest bar, room for words behind it."""
    rows = max(len(names), FEWEST_ROWS)
    styled(draft, dark=dark, height=round(rows * ROW_PX) + 46)
    draft.layout(barmode="overlay", bargap=1 - BAR_SHARE, margin={"r": WORDS_PX})
    draft.y_axis(
        type="category", categoryorder="array", categoryarray=names, range=[rows - 0.5, -0.5],
        showgrid=False, showline=False, zeroline=False, ticks="outside", ticklen=8, tickcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    draft.x_axis(range=[0, longest or 1.0], title={"text": title}, showline=False, zeroline=True, nticks=4, tickangle=0)


def words(draft: Draft, name: str, at: float, text: str, *, dark: bool, strong: bool) -> None:
    """Write `text` behind the bar of row `name` that ends at `at`."""
    colours = palette(dark)
    draft.note(
        x=at, y=name, text=f"<b>{text}</b>" if strong else text, xanchor="left", xshift=7, align="left",
        font={"size": 12 if strong else 11, "color": colours.ink if strong else colours.soft},
    )  # fmt: skip


def empty(draft: Draft, why: str, *, dark: bool) -> None:
    """Take the axis from a chart without bars, and write `why` in its place."""
    font = {"size": 12, "color": palette(dark).soft}
    draft.x_axis(showgrid=False, zeroline=False, showticklabels=False, ticks="", title={"text": why, "font": font})


def missing_words(variant: VariantResult | EvaluatedVariant) -> str:
    """What stands in place of the bar of a variant without figures."""
    if variant.status == "ok":
        return _("not timed")
    if variant.error is not None and variant.error.kind == "cancelled":
        return _("stopped")
    return f"✕ {_('failed')}" if variant.status == "failed" else _("not run")


def speed_of_stand_in(variant: VariantResult | EvaluatedVariant) -> str:
    """What stands behind the bar of a simulated variant's time, in two lines."""
    return _("speed of the{line_break}{stand_in}", line_break="<br>", stand_in=stand_in(variant.dtype))
