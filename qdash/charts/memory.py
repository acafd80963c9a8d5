"""How much memory a variant takes: its weights, the peak while it answers, and what was estimated before it was loaded."""

from html import escape

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.rows import BAR_SHARE, framed, missing_words, row_names, words
from qdash.present.formatting import mib, stand_in
from qdash.present.language import _
from qdash.records import Comparison, Memory, VariantResult

MIB = 2**20


def memory_bars(comparison: Comparison, *, dark: bool = False) -> go.Figure:
    """One bar a variant in MiB: solid the weights, light behind it the peak while answering, a dashed mark the estimate.

    A simulated variant shows a dashed outline, the size its weights would have in the format; what its stand-in takes is
    the hover's.
    """
    names = row_names([variant.label for variant in comparison.variants])
    draft = Draft()
    for row, (name, variant) in enumerate(zip(names, comparison.variants, strict=True)):
        if variant.memory is None:
            words(draft, name, 0, missing_words(variant), dark=dark, strong=False)
        elif variant.kind == "simulated":
            _projected(draft, row, name, variant, variant.memory, dark)
        else:
            _measured(draft, name, variant, variant.memory, dark)
    longest = max((_reach(variant, variant.memory) for variant in comparison.variants if variant.memory), default=1.0)
    framed(draft, names, longest=longest, title="MiB", dark=dark)
    _mark_estimates(draft, names, comparison.variants, dark)
    return draft.figure()


def _reach(variant: VariantResult, memory: Memory) -> float:
    if variant.kind == "simulated":
        return (memory.projected_bytes or 0) / MIB
    return max(memory.weights_bytes, memory.peak_bytes or 0) / MIB


def _measured(draft: Draft, name: str, variant: VariantResult, memory: Memory, dark: bool) -> None:
    colour, hover = palette(dark).of(variant.bits), _hover(variant, memory)
    peak = _reach(variant, memory)
    draft.bar(y=[name], x=[peak], marker={"color": faded(colour, 0.28)}, hovertemplate=hover)
    draft.bar(y=[name], x=[memory.weights_bytes / MIB], marker={"color": colour}, hovertemplate=hover)
    words(draft, name, peak, mib(memory.weights_bytes), dark=dark, strong=True)


def _projected(draft: Draft, row: int, name: str, variant: VariantResult, memory: Memory, dark: bool) -> None:
    colour, size = palette(dark).of(variant.bits), (memory.projected_bytes or 0) / MIB
    draft.bar(y=[name], x=[size], marker={"color": faded(colour, 0.1)}, hovertemplate=_hover(variant, memory))
    # Plotly cannot dash a bar's outline; a shape can. On an axis of names its heights count in rows.
    draft.shape(
        type="rect", x0=0, x1=size, y0=row - BAR_SHARE / 2, y1=row + BAR_SHARE / 2, line={"color": colour, "width": 1.3, "dash": "4px,3px"}
    )
    words(draft, name, size, f"{mib(memory.projected_bytes or 0)}<br>{_('projected')}", dark=dark, strong=False)


def _mark_estimates(draft: Draft, names: list[str], variants: tuple[VariantResult, ...], dark: bool) -> None:
    rows = [
        (name, variant.memory.estimated_bytes)
        for name, variant in zip(names, variants, strict=True)
        if variant.memory and variant.memory.estimated_bytes and variant.kind == "real"
    ]
    draft.scatter(
        y=[name for name, _ in rows], x=[size / MIB for _, size in rows], mode="markers",
        marker={"symbol": "line-ns", "size": 24, "line": {"color": palette(dark).ink, "width": 1.4}},
        hovertemplate=_("{size} of weights were estimated before loading", size="%{x:.1f} MiB") + "<extra></extra>",
    )  # fmt: skip


def _hover(variant: VariantResult, memory: Memory) -> str:
    lines = [
        f"<b>{escape(variant.label)}</b>",
        _("weights {size}", size=mib(memory.weights_bytes)),
        _("peak while answering {size}", size=mib(memory.peak_bytes))
        if memory.peak_bytes is not None
        else _("peak not known: it was not timed"),
        _("peak while loading {size}", size=mib(memory.load_peak_bytes)),
        _("saved {size}", size=mib(memory.saved_bytes)),
    ]
    if memory.estimated_bytes is not None:
        lines.append(_("estimated before loading {size} of weights", size=mib(memory.estimated_bytes)))
    if variant.kind == "simulated":
        lines[1:1] = [
            _("projected weights {size}", size=mib(memory.projected_bytes or 0)),
            _("below: memory of the {stand_in}, not of the format", stand_in=stand_in(variant.dtype)),
        ]
    return "<br>".join(lines) + "<extra></extra>"
