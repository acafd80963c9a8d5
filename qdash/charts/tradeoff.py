"""What a variant costs against how good it is: every variant a dot, a line of steps along the best trades.

The line has steps because there is nothing in between: for so much memory, this is the best there is. Divergences span many powers of
ten, so they are drawn by their logarithm, with a place of its own at the bottom for none at all. Plotly's logarithmic axes want shapes
and labels in other units than dots, so logarithms are taken here and the axis only gets its words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from textwrap import shorten

import plotly.graph_objects as go

from qdash.charts.dots import dot
from qdash.charts.draft import Draft
from qdash.charts.label_placement import FONT_PX, Dot, Spot, place_labels, share_numbers
from qdash.charts.palette import palette
from qdash.charts.style import styled
from qdash.charts.tradeoff_points import Against, Trade, Trades
from qdash.present.language import N_, _
from qdash.records.agreement import SAME_NATS

LEAST_PX, MOST_PX, PER_VARIANT_PX = 206, 620, 20
TOP_PX, BOTTOM_PX = 24, 40
LABEL_LETTERS = 18
LOG_FROM = 20.0
"""Costs that differ by more than this factor are drawn by their logarithm too."""

MIB = 2**20
_COST_TITLES: dict[Against, str] = {
    "size": N_("smaller ← weights, {unit}"),
    "peak": N_("smaller ← peak memory, {unit}"),
    "time": N_("faster ← time, {unit} a question"),
}
_TOKEN_TIME = N_("faster ← time, {unit} a token")


@dataclass(frozen=True)
class AxisScale:
    """An axis: what it says, its ends, and where a value is on it. Ticks are (place, words); None leaves them to plotly."""

    title: str
    low: float
    high: float
    per_unit: float
    logarithmic: bool
    zero: float = 0.0
    ticks: tuple[tuple[float, str], ...] | None = None

    def at(self, value: float) -> float:
        """The place of a value of the record."""
        value = value / self.per_unit
        return log10(max(value, self.zero)) if self.logarithmic else value

    def share(self, value: float) -> float:
        """The same from 0 at one end of the axis to 1 at the other."""
        return (self.at(value) - self.low) / (self.high - self.low)


def trade_off(trades: Trades, *, dark: bool = False) -> go.Figure:
    """The chart. A dot carries its variant's place in the record as customdata, for what a click on it opens; open dots are simulated."""
    draft = Draft()
    styled(draft, dark=dark, height=_height(len(trades.points)))
    draft.layout(margin={"t": TOP_PX, "b": BOTTOM_PX}, hovermode="closest")
    if not trades.points:
        return _without(draft, trades, dark)
    across, up = _cost_scale(trades), _quality_scale(trades)
    front = trades.front
    _steps(draft, front, across, up, dark)
    for point in trades.points:
        _dot(draft, point, point in front, across, up, dark)
    _labels(draft, trades, across, up, dark)
    _axis(draft.x_axis, across, title=across.title)
    _axis(draft.y_axis, up, title=None)
    draft.note(
        xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", yshift=6, text=up.title,
        font={"size": 11, "color": palette(dark).soft},
    )  # fmt: skip
    return draft.figure()


def _height(count: int) -> int:
    return min(MOST_PX, LEAST_PX + PER_VARIANT_PX * max(0, count - 4))


def _plot_px(count: int) -> int:
    """How high the plot itself is, without its margins."""
    return _height(count) - TOP_PX - BOTTOM_PX


def _without(draft: Draft, trades: Trades, dark: bool) -> go.Figure:
    """Words instead of dots."""
    reasons = dict.fromkeys(why for _, why in trades.left_out)
    said = "<br>".join([_("There is nothing to plot."), *(escape(reason, quote=False) for reason in list(reasons)[:3])])
    draft.x_axis(visible=False)
    draft.y_axis(visible=False)
    draft.note(xref="paper", yref="paper", x=0.5, y=0.5, text=said, font={"size": 12, "color": palette(dark).soft})
    return draft.figure()


def _steps(draft: Draft, front: Sequence[Trade], across: AxisScale, up: AxisScale, dark: bool) -> None:
    draft.scatter(
        x=[across.at(point.cost.value) for point in front], y=[up.at(point.quality) for point in front], mode="lines",
        line={"color": palette(dark).soft, "width": 1.3, "shape": "hv"}, hoverinfo="skip",
    )  # fmt: skip


def _dot(draft: Draft, point: Trade, best: bool, across: AxisScale, up: AxisScale, dark: bool) -> None:
    x, y = across.at(point.cost.value), up.at(point.quality)
    colour = palette(dark).of(point.bits)
    whiskers = {"type": "data", "symmetric": False, "color": colour, "thickness": 1.2, "width": 3}
    dot(
        draft, x, y, colour=colour, simulated=point.simulated, customdata=[point.place],
        name=escape(point.label, quote=False), hovertemplate=_hover(point, best),
        error_y={**whiskers, "array": [up.at(point.high) - y], "arrayminus": [y - up.at(point.low)], "visible": point.high > point.low},
        error_x={
            **whiskers, "array": [across.at(point.cost.high) - x], "arrayminus": [x - across.at(point.cost.low)],
            "visible": point.cost.high > point.cost.low,
        },
    )  # fmt: skip


def numbered(trades: Trades) -> tuple[tuple[Trade, ...], ...]:
    """The dots whose name finds no room, by the number they have instead: that of the first, counted from 1 in the record's order."""
    if not trades.points:
        return ()
    across, up = _cost_scale(trades), _quality_scale(trades)
    named = _spots(trades, across, up)
    unnamed = [point for at, point in enumerate(trades.points) if at not in named]
    groups = share_numbers(_dots(unnamed, across, up), _plot_px(len(trades.points)))
    return tuple(tuple(unnamed[at] for at in group) for group in groups)


def numbers_words(trades: Trades) -> str:
    """What the numbers stand for: “4 NF4 4-bit · 7 INT3, INT2”; empty where every dot has its name."""
    groups = numbered(trades)
    words = " · ".join(f"{group[0].place + 1} {', '.join(point.label for point in group)}" for group in groups)
    if any(len(group) > 1 for group in groups):
        return _("{numbers}. Dots too close together share a number.", numbers=words)
    return words


def _names(points: Sequence[Trade]) -> list[str]:
    return [shorten(point.label, LABEL_LETTERS, placeholder="…") for point in points]


def _spots(trades: Trades, across: AxisScale, up: AxisScale) -> dict[int, Spot]:
    """Where the names of as many dots as have room go, those of the best trade-offs and of the original first."""
    points, front = trades.points, trades.front
    weights = [3 if point in front or point.place == 0 else 1 for point in points]
    return place_labels(_dots(points, across, up), _names(points), weights, _plot_px(len(points)), _strokes(front, across, up))


def _dots(points: Sequence[Trade], across: AxisScale, up: AxisScale) -> list[Dot]:
    return [Dot(across.share(point.cost.value), *map(up.share, (point.quality, point.low, point.high))) for point in points]


def _labels(draft: Draft, trades: Trades, across: AxisScale, up: AxisScale, dark: bool) -> None:
    """Names beside the dots that have room for one, numbers in the others."""
    front, names, spots = trades.front, _names(trades.points), _spots(trades, across, up)
    numbers = {group[0] for group in numbered(trades)}
    for at, point in enumerate(trades.points):
        where = {"x": across.at(point.cost.value), "y": up.at(point.quality), "borderpad": 0}
        if at in spots:
            spot, colour = spots[at], palette(dark).ink if point in front else palette(dark).soft
            draft.note(
                **where, text=escape(names[at], quote=False), name="label", font={"size": FONT_PX, "color": colour},
                xanchor=spot.xanchor, yanchor=spot.yanchor, xshift=spot.xshift, yshift=spot.yshift,
            )  # fmt: skip
        elif point in numbers:
            colour = palette(dark).ink if point.simulated else palette(dark).panel
            draft.note(**where, text=f"<b>{point.place + 1}</b>", name="number", font={"size": 8, "color": colour}, captureevents=False)


def _strokes(front: Sequence[Trade], across: AxisScale, up: AxisScale) -> list[tuple[float, float, float, float]]:
    """The steps as lines, in shares of the plot."""
    corners = [(across.share(point.cost.value), up.share(point.quality)) for point in front]
    lines = []
    for (x, y), (right, above) in pairwise(corners):
        lines += [(x, right, y, y), (right, right, min(y, above), max(y, above))]
    return lines


def _hover(point: Trade, best: bool) -> str:
    lines = [f"<b>{escape(point.label)}</b>", escape(point.cost.said), escape(point.said)]
    lines += (
        [_("simulated: when it runs here, it has neither this size nor this speed")] * point.simulated
        + [_("one of the best trade-offs")] * best
        + [_("click: go to its card")]
    )
    return "<br>".join(lines) + "<extra></extra>"


def _cost_scale(trades: Trades) -> AxisScale:
    values = [point.cost.value for point in trades.points]
    most = max(point.cost.high for point in trades.points)
    name, per_unit = _unit(trades.against, most)
    per_token = trades.against == "time" and trades.better == "less"
    title = _(_TOKEN_TIME if per_token else _COST_TITLES[trades.against], unit=name)
    if min(values) > 0 and max(values) / min(values) > LOG_FROM:
        low, high = (log10(value / per_unit) for value in (min(point.cost.low for point in trades.points), most))
        return AxisScale(title, low - 0.12, high + 0.12, per_unit, True, zero=1e-300, ticks=_decades(low, high))
    return AxisScale(title, 0.0, most / per_unit * 1.08 or 1.0, per_unit, False)


def _unit(against: str, most: float) -> tuple[str, float]:
    if against == "time":
        return ("s", 1.0) if most >= 10 else ("ms", 1e-3)
    return ("GiB", 2**30) if most >= 10_000 * MIB else ("MiB", MIB)


def _quality_scale(trades: Trades) -> AxisScale:
    if trades.better == "more":
        low = min(point.low for point in trades.points)
        high = max(point.high for point in trades.points)
        air = max(0.02, (high - low) * 0.2)  # names have room above and below the whiskers
        return AxisScale(_("right answers"), (low - air) * 100, (high + air) * 100, 0.01, False, ticks=_percents(low - air, high + air))
    least = min((max(point.low, point.quality / 10) for point in trades.points if point.quality > 0), default=SAME_NATS)
    decade = max(floor(log10(least)), -6)
    top = max((log10(point.high) for point in trades.points if point.high > 0), default=decade + 1)
    top = max(top, decade + 0.7)
    ticks = ((decade - 1.0, _("none")), *(_decades(decade, top) or ()))
    # Room for a name above the highest dot.
    return AxisScale(
        _("distance from the original (KL), nats"),
        decade - 1.25,
        top + 0.13 * (top - decade + 1.25),
        1.0,
        True,
        zero=10.0 ** (decade - 1),
        ticks=ticks,
    )


def _percents(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Round percentages that exist, three to six of them where there is room."""
    low, high = max(low, 0.0) * 100, min(high, 1.0) * 100
    step = next((step for step in (0.5, 1, 2, 5, 10) if (high - low) / step <= 5), 20)
    return tuple((step * count, f"{step * count:g}%") for count in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1))


def _decades(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Powers of ten between two exponents, with 2 and 5 between them where there are few, at most six in all."""
    exponents = range(ceil(low - 1e-9), floor(high + 1e-9) + 1)
    if len(exponents) < 2:
        marks = [(floor(low) + step, times) for step in range(ceil(high) - floor(low) + 1) for times in (1, 2, 5)]
        values = [times * 10.0**exponent for exponent, times in marks]
        return tuple((log10(value), f"{value:g}") for value in values if low - 0.12 <= log10(value) <= high + 0.12)
    every = max(1, ceil(len(exponents) / 6))
    return tuple((float(exponent), _power(exponent)) for exponent in exponents[::every])


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if exponent > -5 else f"10<sup>{exponent}</sup>"


def _axis(update: Callable[..., object], scale: AxisScale, *, title: str | None) -> None:
    ticks = {} if scale.ticks is None else {"tickvals": [at for at, _ in scale.ticks], "ticktext": [words for _, words in scale.ticks]}
    update(range=[scale.low, scale.high], title={"text": title}, zeroline=False, **({"nticks": 5} if scale.ticks is None else ticks))
