"""Weights before and after quantization, and the difference, over every weight; the bins were counted where the weights are."""

from html import escape
from typing import Any

import plotly.graph_objects as go

from qdash.charts.palette import faded, palette
from qdash.charts.rows import colour_of
from qdash.charts.style import legend, styled
from qdash.records import Histogram, LayerWeights, SchemeWeights

HEIGHT_PX = 250
Part = SchemeWeights | LayerWeights


def weight_histogram(scheme: SchemeWeights, part: Part, *, dark: bool = False) -> go.Figure:
    """Original weights as a grey area, dequantized ones as a line in the scheme's colour, on common bins.

    `part` is the scheme or one of its layers. The outermost bins also hold what lies beyond them.
    """
    figure = go.Figure()
    histograms = part.histograms
    if histograms is not None:
        _area(figure, histograms.original, faded(palette(dark).soft, 0.4), "original")
        _outline(figure, histograms.dequantized, colour_of(scheme.scheme, dark), escape(scheme.label, quote=False))
    return _finished(figure, "weight", dark, named=True)


def error_histogram(scheme: SchemeWeights, part: Part, *, dark: bool = False) -> go.Figure:
    """The error Ŵ − W of `part`, on bins around zero."""
    figure = go.Figure()
    if part.histograms is not None:
        _area(figure, part.histograms.error, colour_of(scheme.scheme, dark), "error")
    return _finished(figure, "error: new weight minus old", dark, named=False)


def _area(figure: go.Figure, histogram: Histogram, colour: str, name: str) -> None:
    figure.add_scatter(**_steps(histogram, name), line={"shape": "hv", "width": 0}, fill="tozeroy", fillcolor=colour)


def _outline(figure: go.Figure, histogram: Histogram, colour: str, name: str) -> None:
    figure.add_scatter(**_steps(histogram, name), line={"shape": "hv", "width": 1.6, "color": colour})


def _steps(histogram: Histogram, name: str) -> dict[str, Any]:
    """Each step begins at a bin's left edge; the last one ends at the right edge."""
    count = len(histogram.counts)
    width = (histogram.high - histogram.low) / count
    return {
        "x": [histogram.low + index * width for index in range(count + 1)],
        "y": [*histogram.counts, histogram.counts[-1]],
        "mode": "lines",
        "name": name,
        "hovertemplate": f"{name}: %{{y:,}} weights in the bin of width {width:.3g} from %{{x:.4g}}<extra></extra>",
    }


def _finished(figure: go.Figure, title: str, dark: bool, *, named: bool) -> go.Figure:
    styled(figure, dark=dark, height=HEIGHT_PX)
    if named:
        figure.update_layout(showlegend=True, legend=legend(dark), margin_t=28)
    figure.update_xaxes(title_text=title, showgrid=False)
    figure.update_yaxes(title_text="weights", nticks=5, tickformat="~s", zeroline=False)
    return figure
