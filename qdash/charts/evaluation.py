"""The second tutorial's two charts, with the doubt it leaves out: how many answers are right, and how much faster they come."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.rows import framed, missing_words, row_names, speed_of_stand_in, words
from qdash.present.formatting import between, ms, percent
from qdash.present.language import _, decimal
from qdash.records import EvaluatedVariant, Evaluation, Proportion
from qdash.verdict.evaluations import evaluation_pace
from qdash.verdict.pace import Pace


def accuracy_bars(evaluation: Evaluation, *, dark: bool = False) -> go.Figure:
    """One bar a variant: right answers in percent, whiskers the 95% Wilson interval, a dashed line at the original's.

    A simulated variant's bar is hatched: its answers are real, and count. One that was stopped says over how many questions it counts.
    """
    names = row_names([variant.label for variant in evaluation.variants])
    draft = Draft()
    for name, variant in zip(names, evaluation.variants, strict=True):
        if variant.accuracy is None:
            words(draft, name, 0, missing_words(variant), dark=dark, strong=False)
        else:
            _bar(draft, name, variant, variant.accuracy, dark)
    framed(draft, names, longest=100.0, title=_("right answers"), dark=dark)
    draft.x_axis(ticksuffix="%")
    first = evaluation.variants[0].accuracy
    if first is not None and len(names) > 1:
        _line(draft, first.value * 100, dark)
    return draft.figure()


def speedup_bars(evaluation: Evaluation, *, dark: bool = False) -> go.Figure:
    """One bar a variant: the original's time divided by its own, whiskers by the noise floor, a dashed line at 1×.

    Simulated variants have none, as their speed is that of a 16- or 32-bit stand-in; neither have those that were stopped.
    """
    names = row_names([variant.label for variant in evaluation.variants])
    noise = evaluation.noise_floor.relative if evaluation.noise_floor else None
    draft = Draft()
    for place, (name, variant) in enumerate(zip(names, evaluation.variants, strict=True)):
        speedup = speedup_of(evaluation, place)
        if speedup is None:
            words(draft, name, 0, _why_none(variant), dark=dark, strong=False)
        else:
            _speed(draft, name, place, evaluation, speedup, dark)
    longest = max((value * (1 + (noise or 0.0)) for value in _speedups(evaluation)), default=1.0)
    framed(draft, names, longest=max(longest, 1.0), title=_("times as fast as the original"), dark=dark)
    if len(names) > 1:
        _line(draft, 1.0, dark)
    return draft.figure()


def speedup_of(evaluation: Evaluation, place: int) -> float | None:
    """A variant's speed-up; the original's own is 1 if it answered everything."""
    variant = evaluation.variants[place]
    return variant.speedup if place else 1.0 if variant.status == "ok" and variant.total_s else None


def _speedups(evaluation: Evaluation) -> list[float]:
    found = (speedup_of(evaluation, place) for place in range(len(evaluation.variants)))
    return [value for value in found if value is not None]


def _bar(draft: Draft, name: str, variant: EvaluatedVariant, share: Proportion, dark: bool) -> None:
    draft.bar(
        y=[name], x=[share.value * 100], marker=_marker(variant, dark), hovertemplate=_accuracy_hover(variant, share),
        error_x=_whiskers([(share.high - share.value) * 100], [(share.value - share.low) * 100], dark),
    )  # fmt: skip
    said, whole = percent(share.value, 1), variant.status == "ok"
    if not whole:
        said = f"{said}<br>{_('of {total}: stopped', total=share.total)}"
    words(draft, name, 100.0, said, dark=dark, strong=whole)


def _speed(draft: Draft, name: str, place: int, evaluation: Evaluation, speedup: float, dark: bool) -> None:
    variant, noise = evaluation.variants[place], evaluation.noise_floor.relative if evaluation.noise_floor else None
    pace, spread = evaluation_pace(variant, evaluation), noise or 0.0 if place else 0.0
    draft.bar(
        y=[name], x=[speedup], marker=_marker(variant, dark), hovertemplate=_speed_hover(variant, speedup, noise, pace),
        error_x=_whiskers([speedup * spread], [speedup - speedup / (1 + spread)], dark),
    )  # fmt: skip
    compared = place == 0 or bool(pace.words)
    factor = f"{decimal(speedup, 2, grouped=False)}×"
    said = "1×" if place == 0 else factor if pace.told in ("faster", "slower") else pace.words or _("not compared")
    words(draft, name, max(speedup * (1 + spread), 1.0), said, dark=dark, strong=compared)


def _marker(variant: EvaluatedVariant, dark: bool) -> dict[str, object]:
    colour = palette(dark).of(variant.bits)
    if variant.kind == "real":
        return {"color": colour}
    pattern = {"shape": "/", "fgcolor": faded(colour, 0.5), "size": 6, "solidity": 0.15}
    return {"color": faded(colour, 0.18), "line": {"color": colour, "width": 1}, "pattern": pattern}


def _whiskers(up: Sequence[float], down: Sequence[float], dark: bool) -> dict[str, object]:
    ends = {"array": list(up), "arrayminus": list(down)}
    return {"type": "data", "symmetric": False, **ends, "color": palette(dark).ink, "thickness": 1.2, "width": 4}


def _line(draft: Draft, at: float, dark: bool) -> None:
    draft.line_down(at, line={"color": palette(dark).soft, "dash": "3px,4px", "width": 1.2})


def _why_none(variant: EvaluatedVariant) -> str:
    if variant.accuracy is not None and variant.kind == "simulated":
        return speed_of_stand_in(variant)
    return _("not all questions") if variant.accuracy is not None else missing_words(variant)


def _accuracy_hover(variant: EvaluatedVariant, share: Proportion) -> str:
    lines = [
        f"<b>{escape(variant.label)}</b>",
        _("{right} of {total} right: {share}", right=share.successes, total=share.total, share=percent(share.value, 1)),
        _("95% confidence: {interval}", interval=between(share.low, share.high)),
    ]
    if variant.paired is not None:
        lost, won, p_value = variant.paired.only_original, variant.paired.only_variant, f"{variant.paired.p_value:.2g}"
        lines.append(_("only the original right: {lost}, only this version right: {won}, McNemar p = {p}", lost=lost, won=won, p=p_value))
    return "<br>".join(lines) + "<extra></extra>"


def _speed_hover(variant: EvaluatedVariant, speedup: float, noise: float | None, pace: Pace) -> str:
    lines = [f"<b>{escape(variant.label)}</b>", _("time of the original ÷ its own: {ratio}", ratio=decimal(speedup, 3, grouped=False))]
    lines += [escape(pace.words_or_why)] if pace.words_or_why else []
    lines += [] if variant.per_item_s is None else [_("{time} a question", time=ms(variant.per_item_s))]
    lines.append(_("noise unknown") if noise is None else _("noise ±{share}: smaller differences are noise", share=percent(noise)))
    return "<br>".join(lines) + "<extra></extra>"
