"""Signal to quantization noise of every scheme: one number for how well the weights survived."""

from html import escape

import plotly.graph_objects as go

from qdash.charts.palette import faded
from qdash.charts.rows import colour_of, framed, row_names, words
from qdash.records import SchemeWeights, WeightReport

LONGEST_DB = 60.0
"""Where the axis ends: ten bits' worth. A cast to 16 bits can reach 160 dB, and would make the quantized schemes' bars look alike."""


def sqnr_bars(report: WeightReport, *, dark: bool = False) -> go.Figure:
    """One bar a scheme in dB over all its quantized weights, longer is closer to the original; hatched if simulated.

    A bar above `LONGEST_DB` is cut there, its number is not; a scheme that changed no weight has words instead of a bar.
    """
    names = row_names([scheme.label for scheme in report.schemes])
    figure = go.Figure()
    for name, scheme in zip(names, report.schemes, strict=True):
        if scheme.sqnr_db is None:
            words(figure, name, 0, "no error" if scheme.layers else "no layer quantized", dark=dark, strong=False)
        else:
            _bar(figure, name, scheme, scheme.sqnr_db, dark)
    longest = max((scheme.sqnr_db or 0.0 for scheme in report.schemes), default=1.0)
    return framed(figure, names, longest=min(longest, LONGEST_DB), title="SQNR, dB · about 6 dB a bit", dark=dark)


def _bar(figure: go.Figure, name: str, scheme: SchemeWeights, sqnr_db: float, dark: bool) -> None:
    colour = colour_of(scheme.scheme, dark)
    marker: dict[str, object] = {"color": colour}
    if scheme.kind == "simulated":
        pattern = {"shape": "/", "fgcolor": colour, "size": 6, "solidity": 0.2}
        marker = {"color": faded(colour, 0.25), "line": {"color": colour, "width": 1}, "pattern": pattern}
    length = min(max(sqnr_db, 0.0), LONGEST_DB)
    figure.add_bar(y=[name], x=[length], orientation="h", marker=marker, hovertemplate=_hover(scheme, sqnr_db))
    words(figure, name, length, f"{sqnr_db:.1f} dB", dark=dark, strong=True)


def _hover(scheme: SchemeWeights, sqnr_db: float) -> str:
    lines = [
        f"<b>{escape(scheme.label)}</b>",
        f"SQNR {sqnr_db:.2f} dB over {len(scheme.layers)} layers",
        f"largest error {scheme.max_abs_error:.4g}",
        f"MSE {scheme.mse:.3g}",
        f"cosine {scheme.cosine:.6f}",
    ]
    return "<br>".join(lines) + "<extra></extra>"
