"""How long the same number of tokens takes: until the first token, then token by token."""

from html import escape
from textwrap import wrap

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.rows import empty, framed, missing_words, row_names, speed_of_stand_in, words
from qdash.present.formatting import ms, stand_in
from qdash.present.language import _, decimal, ngettext
from qdash.records import Comparison, Latency, VariantResult
from qdash.verdict.evidence import pace_of

WARNING_LETTERS = 38
"""As many letters of the warning fit below the axis in the narrowest chart."""

SECONDS_FROM = 10.0


def latency_bars(comparison: Comparison, *, dark: bool = False) -> go.Figure:
    """One bar a variant, in ms or, if any takes 10 s, in s: light until the first token, solid after it, whiskers p10–p90 of the total.

    A dashed line marks the baseline. A simulated variant's bar is a hatched outline: its time is that of the 16- or 32-bit stand-in. Where
    speeds cannot be told apart, bars are pale and the axis says that they cannot be compared. Without any times, the chart says why it
    is empty.
    """
    names = row_names([variant.label for variant in comparison.variants])
    longest_s = max((variant.latency.total_s.p90 for variant in comparison.variants if variant.latency), default=1.0)
    unit, per_second = ("s", 1.0) if longest_s >= SECONDS_FROM else ("ms", 1e3)
    draft, untold = Draft(), _untold(comparison)
    for name, variant in zip(names, comparison.variants, strict=True):
        if variant.latency is None:
            words(draft, name, 0, missing_words(variant), dark=dark, strong=False)
        else:
            _bar(draft, name, variant, variant.latency, per_second, dark, comparable=variant.label not in untold)
    tokens = comparison.request.measurement.max_new_tokens
    title = ngettext("{unit} for {number} tokens", "{unit} for {number} tokens", tokens, unit=unit, number=tokens)
    framed(draft, names, longest=longest_s * per_second, title="<br>".join([title, *_warning(comparison, untold)]), dark=dark)
    if not any(variant.latency for variant in comparison.variants):
        empty(draft, _("Nothing was timed: the run ended too early."), dark=dark)
    baseline = comparison.variants[0].latency
    if baseline is not None and len(names) > 1:
        line = {"color": palette(dark).soft, "dash": "3px,4px", "width": 1.2}
        draft.line_down(baseline.total_s.median * per_second, line=line)
    return draft.figure()


def _untold(comparison: Comparison) -> dict[str, str]:
    """Label → why the variant's time cannot be compared with the original's."""
    found = {variant.label: pace_of(variant, comparison).why for variant in comparison.variants[1:] if variant.latency is not None}
    return {label: why for label, why in found.items() if why}


def _warning(comparison: Comparison, untold: dict[str, str]) -> list[str]:
    """A line below the axis where bars cannot be compared; none where all can be."""
    if not untold:
        return []
    timed = sum(variant.latency is not None and variant.kind == "real" for variant in comparison.variants[1:])
    why = next(iter(untold.values()))
    warning = _("Not comparable: {reason}", reason=why) if len(untold) == timed else _("Pale bars: {reason}", reason=why)
    return [f"<b>{escape(line)}</b>" for line in wrap(warning, WARNING_LETTERS)]


def _bar(draft: Draft, name: str, variant: VariantResult, latency: Latency, per_second: float, dark: bool, *, comparable: bool) -> None:
    colour, total, first = palette(dark).of(variant.bits), latency.total_s, latency.ttft_s.median * per_second
    simulated = variant.kind == "simulated"
    hover = _hover(variant, latency)
    light = {"color": faded(colour, 0.38 if comparable and not simulated else 0.12)}
    solid: dict[str, object] = {"color": colour if comparable else faded(colour, 0.3)}
    if simulated:
        solid = {"color": faded(colour, 0.18), "line": {"color": colour, "width": 1}}
        solid["pattern"] = {"shape": "/", "fgcolor": faded(colour, 0.5), "size": 6, "solidity": 0.15}
    rest = max(total.median * per_second - first, 0.0)
    draft.bar(y=[name], x=[first], marker=light, hovertemplate=hover)
    draft.bar(
        y=[name], x=[rest], base=[first], marker=solid, hovertemplate=hover,
        error_x={
            "type": "data", "symmetric": False, "array": [(total.p90 - total.median) * per_second],
            "arrayminus": [(total.median - total.p10) * per_second], "color": palette(dark).ink, "thickness": 1.2, "width": 4,
        },
    )  # fmt: skip
    if simulated:
        words(draft, name, total.p90 * per_second, speed_of_stand_in(variant), dark=dark, strong=False)
    else:
        words(draft, name, total.p90 * per_second, ms(total.median), dark=dark, strong=comparable)


def _hover(variant: VariantResult, latency: Latency) -> str:
    total = latency.total_s
    lines = [
        f"<b>{escape(variant.label)}</b>",
        _("total {time} (p10–p90 {low} – {high})", time=ms(total.median), low=ms(total.p10), high=ms(total.p90)),
        _("first token {time}, of it preprocessing {part}", time=ms(latency.ttft_s.median), part=ms(latency.preprocess_s.median)),
        _(
            "per token {time} · {speed} tokens/s",
            time=ms(latency.tpot_s.median),
            speed=decimal(latency.tokens_per_s.median, 1, grouped=False),
        ),
        ngettext("{number} runs", "{number} runs", len(total.runs)),
    ]
    if variant.kind == "simulated":
        lines.append(_("simulated: this is the speed of the {stand_in}, not of the format", stand_in=stand_in(variant.dtype)))
    return "<br>".join(lines) + "<extra></extra>"
