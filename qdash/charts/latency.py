"""How long the same number of tokens takes: until the first token, then token by token."""

from html import escape

import plotly.graph_objects as go

from qdash.charts.palette import faded, palette
from qdash.charts.rows import framed, missing_words, row_names, words
from qdash.records import Comparison, Latency, VariantResult
from qdash.wording import ms

SECONDS_FROM = 10.0


def latency_bars(comparison: Comparison, *, dark: bool = False) -> go.Figure:
    """One bar a variant, in ms or, if any takes 10 s, in s: light until the first token, solid after it, whiskers p10–p90 of the total.

    A dashed line marks the baseline. A simulated variant's bar is a hatched outline: its time is its carrier's.
    """
    names = row_names([variant.label for variant in comparison.variants])
    longest_s = max((variant.latency.total_s.p90 for variant in comparison.variants if variant.latency), default=1.0)
    unit, per_second = ("s", 1.0) if longest_s >= SECONDS_FROM else ("ms", 1e3)
    figure = go.Figure()
    for name, variant in zip(names, comparison.variants, strict=True):
        if variant.latency is None:
            words(figure, name, 0, missing_words(variant), dark=dark, strong=False)
        else:
            _bar(figure, name, variant, variant.latency, per_second, dark)
    title = f"{unit} for {comparison.request.measurement.max_new_tokens} tokens"
    framed(figure, names, longest=longest_s * per_second, title=title, dark=dark)
    baseline = comparison.variants[0].latency
    if baseline is not None and len(names) > 1:
        line = {"color": palette(dark).soft, "dash": "3px,4px", "width": 1.2}
        figure.add_vline(x=baseline.total_s.median * per_second, line=line)
    return figure


def _bar(figure: go.Figure, name: str, variant: VariantResult, latency: Latency, per_second: float, dark: bool) -> None:
    colour, total, first = palette(dark).of(variant.bits), latency.total_s, latency.ttft_s.median * per_second
    simulated = variant.kind == "simulated"
    hover = _hover(variant, latency)
    light = {"color": faded(colour, 0.12 if simulated else 0.38)}
    solid: dict[str, object] = {"color": faded(colour, 0.18), "line": {"color": colour, "width": 1}} if simulated else {"color": colour}
    if simulated:
        solid["pattern"] = {"shape": "/", "fgcolor": faded(colour, 0.5), "size": 6, "solidity": 0.15}
    rest = max(total.median * per_second - first, 0.0)
    figure.add_bar(y=[name], x=[first], orientation="h", marker=light, hovertemplate=hover)
    figure.add_bar(
        y=[name], x=[rest], base=[first], orientation="h", marker=solid, hovertemplate=hover,
        error_x={
            "type": "data", "symmetric": False, "array": [(total.p90 - total.median) * per_second],
            "arrayminus": [(total.median - total.p10) * per_second], "color": palette(dark).ink, "thickness": 1.2, "width": 4,
        },
    )  # fmt: skip
    if simulated:
        words(figure, name, total.p90 * per_second, "simulated:<br>carrier's speed", dark=dark, strong=False)
    else:
        words(figure, name, total.p90 * per_second, ms(total.median), dark=dark, strong=True)


def _hover(variant: VariantResult, latency: Latency) -> str:
    total = latency.total_s
    lines = [
        f"<b>{escape(variant.label)}</b>",
        f"total {ms(total.median)} (p10–p90 {ms(total.p10)} – {ms(total.p90)})",
        f"first token {ms(latency.ttft_s.median)}, of it preprocessing {ms(latency.preprocess_s.median)}",
        f"per token {ms(latency.tpot_s.median)} · {latency.tokens_per_s.median:.1f} tokens/s",
        f"{len(total.runs)} runs",
    ]
    if variant.kind == "simulated":
        lines.append("simulated: this is the carrier's speed, not the format's")
    return "<br>".join(lines) + "<extra></extra>"
