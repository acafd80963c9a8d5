"""Weights before and after quantization, and the difference, over every weight; the bins were counted where the weights are."""

from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.rows import colour_of
from qdash.charts.style import legend, styled
from qdash.present.formatting import percent
from qdash.present.language import _
from qdash.records import Histogram, Kind, LayerHistograms, LayerWeights, SchemeWeights

HEIGHT_PX = 250
TALLEST = 2.5
"""Where the axis ends, in heights of the original's highest bin: few levels make towers beside which everything else would lie flat."""

ERROR_BINS = 81

WeightStats = SchemeWeights | LayerWeights


class Named(Protocol):
    """Whose weights they are: a scheme's results, or a detail."""

    @property
    def scheme(self) -> str:
        """Its key."""
        ...

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    @property
    def kind(self) -> Kind:
        """“real” or “simulated”."""
        ...


def weight_histogram(
    scheme: Named,
    part: WeightStats,
    levels: Sequence[float] = (),
    *,
    beside: Sequence[WeightStats] = (),
    dark: bool = False,
    before: str = "",
) -> go.Figure | None:
    """Original weights as a grey area, dequantized ones as a line in the scheme's colour (dotted: simulated), on common bins.

    `part` is the scheme or one of its layers; `levels` become ticks below. The outermost bins also hold what lies beyond them; towers are
    cut, and the share of the tallest is written beside. The axis has room for the weights of the parts `beside`. `before` names the
    original weights, where they are those of another file. None: there is nothing to draw.
    """
    histograms = part.histograms
    if histograms is None:
        return None
    draft, colour = Draft(), colour_of(scheme.scheme, dark)
    _area(draft, histograms.original, faded(palette(dark).soft, 0.4), escape(before, quote=False) or _("original"))
    _outline(draft, histograms.dequantized, colour, escape(scheme.label, quote=False), dotted=scheme.kind == "simulated")
    _finished(draft, _("weight"), dark)
    if beside:
        bins = [one.histograms.original for one in (part, *beside) if one.histograms is not None]
        draft.x_axis(range=[min(each.low for each in bins), max(each.high for each in bins)])
    draft.layout(showlegend=True, legend=legend(dark), margin={"t": 28})
    _cut(draft, histograms, dark)
    if levels:
        _ticks(draft, histograms.original, levels, colour)
    return draft.figure()


def error_histogram(scheme: Named, part: WeightStats, *, beside: Sequence[WeightStats] = (), dark: bool = False) -> go.Figure | None:
    """The error Ŵ − W of `part`, on bins around zero, on an axis with room for those of the parts `beside`. None: nothing to draw."""
    if part.histograms is None:
        return None
    draft, colour, errors = Draft(), colour_of(scheme.scheme, dark), coarser(part.histograms.error, ERROR_BINS)
    if scheme.kind == "simulated":
        _area(draft, errors, faded(colour, 0.25), _("error"), {"width": 1.4, "color": colour, "dash": "dot"})
    else:
        _area(draft, errors, colour, _("error"))
    _finished(draft, _("error: new weight minus old"), dark)
    if beside:
        reach = max(one.histograms.error.high for one in (part, *beside) if one.histograms is not None)
        draft.x_axis(range=[-reach, reach])
    return draft.figure()


def coarser(histogram: Histogram, most: int) -> Histogram:
    """The same counts in at most `most` (odd) bins or as they are, zero still in the middle of the middle one.

    Errors of weights that have few digits lie on a grid of their own; bins as fine as that grid would look like a comb.
    """
    count = len(histogram.counts)
    if count <= most:
        return histogram
    merged = -(-count // most) | 1
    beside = -(-(count - merged) // (2 * merged))
    padding = (merged * (2 * beside + 1) - count) // 2
    counts = (0,) * padding + histogram.counts + (0,) * padding
    width = (histogram.high - histogram.low) / count
    sums = tuple(sum(counts[at : at + merged]) for at in range(0, len(counts), merged))
    return Histogram(low=histogram.low - padding * width, high=histogram.high + padding * width, counts=sums)


def _area(draft: Draft, histogram: Histogram, colour: str, name: str, line: dict[str, object] | None = None) -> None:
    draft.scatter(**_steps(histogram, name), line={"shape": "hv", "width": 0, **(line or {})}, fill="tozeroy", fillcolor=colour)


def _outline(draft: Draft, histogram: Histogram, colour: str, name: str, *, dotted: bool) -> None:
    line = {"shape": "hv", "width": 1.6, "color": colour, "dash": "dot" if dotted else "solid"}
    draft.scatter(**_steps(histogram, name), line=line)


def _steps(histogram: Histogram, name: str) -> dict[str, Any]:
    """Each step begins at a bin's left edge; the last one ends at the right edge."""
    count = len(histogram.counts)
    width = (histogram.high - histogram.low) / count
    hover = _(
        "{name}: {count} weights in the bin of width {width} from {low}",
        name=name, count="%{y:,}", width=f"{width:.3g}", low="%{x:.4g}",
    )  # fmt: skip
    return {
        "x": [float(f"{histogram.low + index * width:.6g}") for index in range(count + 1)],
        "y": [*histogram.counts, histogram.counts[-1]],
        "mode": "lines",
        "name": name,
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _cut(draft: Draft, histograms: LayerHistograms, dark: bool) -> None:
    """End the axis at a height where the body keeps its shape; say how tall the tallest tower that is cut would be."""
    counts = histograms.dequantized.counts
    top, tallest = TALLEST * max(histograms.original.counts), max(counts)
    if not 0 < top < tallest:
        return
    bins = histograms.dequantized
    width = (bins.high - bins.low) / len(counts)
    middle = (counts.index(tallest) - len(counts) // 2) * width  # zero lies in the middle of the middle bin
    at = f"{middle:.2g}".replace("-", "−")
    draft.y_axis(range=[0, top])
    draft.note(
        x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="top", bgcolor=palette(dark).panel,
        text=f"▲ {_('cut: {share} are at {value}', share=percent(tallest / sum(counts)), value=at)}",
        font={"size": 11, "color": palette(dark).soft},
    )  # fmt: skip


def _ticks(draft: Draft, bins: Histogram, levels: Sequence[float], colour: str) -> None:
    """A short stroke for each level below the axis; those beyond the bins stay outside the picture."""
    shown = [float(f"{level:.6g}") for level in levels if bins.low <= level <= bins.high]
    draft.scatter(
        x=shown, y=[0] * len(shown), yaxis="y2", mode="markers", showlegend=False, name="level",
        marker={"symbol": "line-ns", "size": 9, "line": {"color": colour, "width": 2 if len(levels) <= 32 else 1}},
        hovertemplate="a level: %{x:.4g}<extra></extra>",
    )  # fmt: skip
    draft.layout(
        yaxis={"domain": [0.08, 1]},
        yaxis2={"domain": [0, 0.06], "anchor": "x", "range": [-1, 1], "visible": False, "fixedrange": True},
        xaxis={"anchor": "y2"},
    )


def _finished(draft: Draft, title: str, dark: bool) -> None:
    styled(draft, dark=dark, height=HEIGHT_PX)
    draft.x_axis(title={"text": title}, showgrid=False, tickformat="~g")
    draft.y_axis(title={"text": _("weights")}, nticks=5, tickformat="~s", zeroline=False)
