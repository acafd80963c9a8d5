"""How much memory a variant takes: its weights, the peak while it answers, and what was estimated before it was loaded."""

from html import escape

import plotly.graph_objects as go

from qdash.charts.palette import faded, palette
from qdash.charts.rows import BAR_SHARE, framed, missing_words, row_names, words
from qdash.present.formatting import mib, stand_in
from qdash.records import Comparison, Memory, VariantResult

MIB = 2**20


def memory_bars(comparison: Comparison, *, dark: bool = False) -> go.Figure:
    """One bar a variant in MiB: solid the weights, light behind it the peak while answering, a dashed mark the estimate.

    A simulated variant shows a dashed outline, the size its weights would have in the format; what its stand-in takes is
    the hover's.
    """
    names = row_names([variant.label for variant in comparison.variants])
    figure = go.Figure()
    for row, (name, variant) in enumerate(zip(names, comparison.variants, strict=True)):
        if variant.memory is None:
            words(figure, name, 0, missing_words(variant), dark=dark, strong=False)
        elif variant.kind == "simulated":
            _projected(figure, row, name, variant, variant.memory, dark)
        else:
            _measured(figure, name, variant, variant.memory, dark)
    longest = max((_reach(variant, variant.memory) for variant in comparison.variants if variant.memory), default=1.0)
    framed(figure, names, longest=longest, title="MiB", dark=dark)
    _mark_estimates(figure, names, comparison.variants, dark)
    return figure


def _reach(variant: VariantResult, memory: Memory) -> float:
    if variant.kind == "simulated":
        return (memory.projected_bytes or 0) / MIB
    return max(memory.weights_bytes, memory.peak_bytes or 0) / MIB


def _measured(figure: go.Figure, name: str, variant: VariantResult, memory: Memory, dark: bool) -> None:
    colour, hover = palette(dark).of(variant.bits), _hover(variant, memory)
    peak = _reach(variant, memory)
    figure.add_bar(y=[name], x=[peak], orientation="h", marker={"color": faded(colour, 0.28)}, hovertemplate=hover)
    figure.add_bar(y=[name], x=[memory.weights_bytes / MIB], orientation="h", marker={"color": colour}, hovertemplate=hover)
    words(figure, name, peak, mib(memory.weights_bytes), dark=dark, strong=True)


def _projected(figure: go.Figure, row: int, name: str, variant: VariantResult, memory: Memory, dark: bool) -> None:
    colour, size = palette(dark).of(variant.bits), (memory.projected_bytes or 0) / MIB
    figure.add_bar(y=[name], x=[size], orientation="h", marker={"color": faded(colour, 0.1)}, hovertemplate=_hover(variant, memory))
    # Plotly cannot dash a bar's outline; a shape can. On an axis of names its heights count in rows.
    figure.add_shape(
        type="rect", x0=0, x1=size, y0=row - BAR_SHARE / 2, y1=row + BAR_SHARE / 2, line={"color": colour, "width": 1.3, "dash": "4px,3px"}
    )
    words(figure, name, size, f"{mib(memory.projected_bytes or 0)}<br>projected", dark=dark, strong=False)


def _mark_estimates(figure: go.Figure, names: list[str], variants: tuple[VariantResult, ...], dark: bool) -> None:
    rows = [
        (name, variant.memory.estimated_bytes)
        for name, variant in zip(names, variants, strict=True)
        if variant.memory and variant.memory.estimated_bytes and variant.kind == "real"
    ]
    figure.add_scatter(
        y=[name for name, _ in rows], x=[size / MIB for _, size in rows], mode="markers",
        marker={"symbol": "line-ns", "size": 24, "line": {"color": palette(dark).ink, "width": 1.4}},
        hovertemplate="%{x:.1f} MiB of weights were estimated before loading<extra></extra>",
    )  # fmt: skip


def _hover(variant: VariantResult, memory: Memory) -> str:
    lines = [
        f"<b>{escape(variant.label)}</b>",
        f"weights {mib(memory.weights_bytes)}",
        f"peak while answering {mib(memory.peak_bytes)}" if memory.peak_bytes is not None else "peak not known: it was not timed",
        f"peak while loading {mib(memory.load_peak_bytes)}",
        f"saved {mib(memory.saved_bytes)}",
    ]
    if memory.estimated_bytes is not None:
        lines.append(f"estimated before loading {mib(memory.estimated_bytes)} of weights")
    if variant.kind == "simulated":
        lines[1:1] = [
            f"projected weights {mib(memory.projected_bytes or 0)}",
            f"below: memory of the {stand_in(variant.dtype)}, not of the format",
        ]
    return "<br>".join(lines) + "<extra></extra>"
