"""The second tutorial's two charts, with the doubt it leaves out: how many answers are right, and how much faster they come."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from qdash.charts.palette import faded, palette
from qdash.charts.rows import framed, missing_words, row_names, words
from qdash.present.formatting import between, ms, percent, stand_in
from qdash.records import EvaluatedVariant, Evaluation, Proportion
from qdash.verdict.evaluations import evaluation_pace
from qdash.verdict.pace import Pace


def accuracy_bars(evaluation: Evaluation, *, dark: bool = False) -> go.Figure:
    """One bar a variant: right answers in percent, whiskers the 95% Wilson interval, a dashed line at the original's.

    A simulated variant's bar is hatched: its answers are real, and count. One that was stopped says over how many questions it counts.
    """
    names = row_names([variant.label for variant in evaluation.variants])
    figure = go.Figure()
    for name, variant in zip(names, evaluation.variants, strict=True):
        if variant.accuracy is None:
            words(figure, name, 0, missing_words(variant), dark=dark, strong=False)
        else:
            _bar(figure, name, variant, variant.accuracy, dark)
    framed(figure, names, longest=100.0, title="right answers", dark=dark)
    figure.update_xaxes(ticksuffix="%")
    first = evaluation.variants[0].accuracy
    if first is not None and len(names) > 1:
        _line(figure, first.value * 100, dark)
    return figure


def speedup_bars(evaluation: Evaluation, *, dark: bool = False) -> go.Figure:
    """One bar a variant: the original's time divided by its own, whiskers by the noise floor, a dashed line at 1×.

    Simulated variants have none, as their speed is that of a 16- or 32-bit stand-in; neither have those that were stopped.
    """
    names = row_names([variant.label for variant in evaluation.variants])
    noise = evaluation.noise_floor.relative if evaluation.noise_floor else None
    figure = go.Figure()
    for place, (name, variant) in enumerate(zip(names, evaluation.variants, strict=True)):
        speedup = speedup_of(evaluation, place)
        if speedup is None:
            words(figure, name, 0, _why_none(variant), dark=dark, strong=False)
        else:
            _speed(figure, name, place, evaluation, speedup, dark)
    longest = max((value * (1 + (noise or 0.0)) for value in _speedups(evaluation)), default=1.0)
    framed(figure, names, longest=max(longest, 1.0), title="times as fast as the original", dark=dark)
    if len(names) > 1:
        _line(figure, 1.0, dark)
    return figure


def speedup_of(evaluation: Evaluation, place: int) -> float | None:
    """A variant's speed-up; the original's own is 1 if it answered everything."""
    variant = evaluation.variants[place]
    return variant.speedup if place else 1.0 if variant.status == "ok" and variant.total_s else None


def _speedups(evaluation: Evaluation) -> list[float]:
    found = (speedup_of(evaluation, place) for place in range(len(evaluation.variants)))
    return [value for value in found if value is not None]


def _bar(figure: go.Figure, name: str, variant: EvaluatedVariant, share: Proportion, dark: bool) -> None:
    figure.add_bar(
        y=[name], x=[share.value * 100], orientation="h", marker=_marker(variant, dark), hovertemplate=_accuracy_hover(variant, share),
        error_x=_whiskers([(share.high - share.value) * 100], [(share.value - share.low) * 100], dark),
    )  # fmt: skip
    of = f"<br>of {share.total}: stopped" if variant.status != "ok" else ""
    words(figure, name, 100.0, f"{percent(share.value, 1)}{of}", dark=dark, strong=not of)


def _speed(figure: go.Figure, name: str, place: int, evaluation: Evaluation, speedup: float, dark: bool) -> None:
    variant, noise = evaluation.variants[place], evaluation.noise_floor.relative if evaluation.noise_floor else None
    pace, spread = evaluation_pace(variant, evaluation), noise or 0.0 if place else 0.0
    figure.add_bar(
        y=[name], x=[speedup], orientation="h", marker=_marker(variant, dark), hovertemplate=_speed_hover(variant, speedup, noise, pace),
        error_x=_whiskers([speedup * spread], [speedup - speedup / (1 + spread)], dark),
    )  # fmt: skip
    said = "1×" if place == 0 else f"{speedup:.2f}×" if pace.told in ("faster", "slower") else pace.words or "not compared"
    words(figure, name, max(speedup * (1 + spread), 1.0), said, dark=dark, strong=said != "not compared")


def _marker(variant: EvaluatedVariant, dark: bool) -> dict[str, object]:
    colour = palette(dark).of(variant.bits)
    if variant.kind == "real":
        return {"color": colour}
    pattern = {"shape": "/", "fgcolor": faded(colour, 0.5), "size": 6, "solidity": 0.15}
    return {"color": faded(colour, 0.18), "line": {"color": colour, "width": 1}, "pattern": pattern}


def _whiskers(up: Sequence[float], down: Sequence[float], dark: bool) -> dict[str, object]:
    ends = {"array": list(up), "arrayminus": list(down)}
    return {"type": "data", "symmetric": False, **ends, "color": palette(dark).ink, "thickness": 1.2, "width": 4}


def _line(figure: go.Figure, at: float, dark: bool) -> None:
    figure.add_vline(x=at, line={"color": palette(dark).soft, "dash": "3px,4px", "width": 1.2})


def _why_none(variant: EvaluatedVariant) -> str:
    if variant.accuracy is not None and variant.kind == "simulated":
        return f"speed of the<br>{stand_in(variant.dtype)}"
    return "not all questions" if variant.accuracy is not None else missing_words(variant)


def _accuracy_hover(variant: EvaluatedVariant, share: Proportion) -> str:
    lines = [
        f"<b>{escape(variant.label)}</b>",
        f"{share.successes} of {share.total} right: {percent(share.value, 1)}",
        f"95% confidence: {between(share.low, share.high)}",
    ]
    if variant.paired is not None:
        lost, won = variant.paired.only_original, variant.paired.only_variant
        lines.append(f"only the original right: {lost}, only this version right: {won}, McNemar p = {variant.paired.p_value:.2g}")
    return "<br>".join(lines) + "<extra></extra>"


def _speed_hover(variant: EvaluatedVariant, speedup: float, noise: float | None, pace: Pace) -> str:
    lines = [f"<b>{escape(variant.label)}</b>", f"time of the original ÷ its own: {speedup:.3f}"]
    lines += [escape(pace.words_or_why)] if pace.words_or_why else []
    lines += [] if variant.per_item_s is None else [f"{ms(variant.per_item_s)} a question"]
    lines.append("noise unknown" if noise is None else f"noise ±{percent(noise)}: smaller differences are noise")
    return "<br>".join(lines) + "<extra></extra>"
