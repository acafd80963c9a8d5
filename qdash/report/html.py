"""A comparison as one HTML page that can be kept, sent and opened anywhere, offline.

Style, charts and the code that draws them are inside the file; a content security policy forbids it to fetch or send anything. All text
passes through the template's escaping, and chart data is JSON in which no tag can be closed: model output is untrusted.
"""

import base64
from dataclasses import dataclass

import plotly.graph_objects as go

from qdash.catalog.schemes import known_scheme
from qdash.charts import comparison_trades, trade_off
from qdash.charts.on_compare import COMPARE_CHARTS
from qdash.charts.tradeoff import numbers_words
from qdash.present.conditions import baseline_words, device_words, no_gpu_words, timing_conditions, versions
from qdash.present.coverage import covered_briefly
from qdash.present.formatting import ANSWERS_HIDDEN, mib, ms, nats, percent
from qdash.present.kinds import spoken_scheme_kind
from qdash.present.language import N_, _, decimal, recorded
from qdash.present.text_diff import differing_spans
from qdash.records import Comparison, VariantResult
from qdash.report.page import chart, page
from qdash.verdict import judge, verdict
from qdash.verdict.close_calls import flips_told
from qdash.verdict.evidence import told_time
from qdash.verdict.judging import divergence_words, reference_words
from qdash.verdict.marks import Mark, mark_of
from qdash.verdict.tails import HEADINGS as TAIL_HEADINGS
from qdash.verdict.tails import tail_rows, tail_words
from qdash.verdict.token_divergence import TokenCell, cells, summary


def to_html(comparison: Comparison, picture: bytes | None = None) -> str:
    """The page; `picture` is a PNG, or the WebP that a history keeps, of our own making; left out if None."""
    model, numbers = comparison.variants[0].model, numbers_words(comparison_trades(comparison))
    charts = (
        *(chart(row.key, row.title_alone(comparison), row.reading_alone(), row.draw, comparison, model=model) for row in COMPARE_CHARTS),
        chart(
            "tradeoff",
            _("Size vs. quality"),
            f"{_('Lower left is better. The line joins the best trade-offs. Open: simulated.')} {numbers}",
            _trade_off,
            comparison,
            model=model,
        ),
    )
    return page(
        "comparison",
        comparison=comparison,
        verdict=verdict(comparison),
        model=model,
        created_at=comparison.created_at,
        picture=_data_uri(picture) if picture else None,
        headings=[_(heading) for heading in HEADINGS],
        cards=[_card(result, comparison) for result in comparison.variants],
        rows=[_row(result, comparison) for result in comparison.variants],
        tails=tail_rows(comparison),
        tail_headings=[_(heading) for heading in TAIL_HEADINGS],
        tail_words=tail_words(),
        charts=[drawn for drawn in charts if drawn],
        conditions=_conditions(comparison),
    )


def _data_uri(picture: bytes) -> str:
    kind = "webp" if picture[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _trade_off(comparison: Comparison, *, dark: bool) -> go.Figure | None:
    trades = comparison_trades(comparison)
    return trade_off(trades, dark=dark) if trades.compares else None


@dataclass(frozen=True)
class ReportCard:
    """One variant as the template draws it; `spans` are (text, differs from the original), `silence` what is said where there are none.

    `mark`: whether the answer is right, where that is known.
    """

    result: VariantResult
    badge: str
    spans: tuple[tuple[str, bool], ...]
    mark: Mark | None
    silence: str
    tone: str
    outcome: str
    because: str
    facts: tuple[tuple[str, str], ...]
    strips: tuple["Strip", ...]


@dataclass(frozen=True)
class Strip:
    """The distance from the original at each token of a text, and what flipped."""

    name: str
    summary: str
    flips: str
    cells: tuple[TokenCell, ...]


def _card(result: VariantResult, comparison: Comparison) -> ReportCard:
    baseline = comparison.variants[0]
    reference = None if result is baseline else baseline.answer
    answer = (result.answer or "").lstrip()
    spans = differing_spans(reference.lstrip(), answer) if reference is not None else [(answer, False)]
    tone, outcome, because = _outcome(result, comparison)
    scheme = known_scheme(result.scheme)
    hidden = result.answer is None and baseline.answer is None and result.status == "ok"
    float_scheme = scheme is not None and scheme.is_baseline
    return ReportCard(
        result=result,
        badge=result.dtype if float_scheme and result.dtype else spoken_scheme_kind(result.kind),
        spans=tuple(spans) if answer else (),
        mark=mark_of(result, comparison.request),
        silence=_(ANSWERS_HIDDEN) if hidden else _("no answer"),
        tone=tone,
        outcome=outcome,
        because=because,
        facts=_facts(result),
        strips=_strips(result),
    )


def _outcome(result: VariantResult, comparison: Comparison) -> tuple[str, str, str]:
    """Tone, words, and what they rest on."""
    baseline = comparison.variants[0]
    if result.status != "ok":
        return ("bad", f"✕ {_('Failed')}", "") if result.status == "failed" else ("warn", f"– {_('Not run')}", "")
    judgement = None if result is baseline else judge(result, baseline, comparison)
    if judgement is None:
        return *reference_words(baseline, comparison), recorded(baseline.agreement_problem or "")
    return judgement.tone, f"{judgement.icon} {judgement.words}", f"{judgement.because} {judgement.evidence}"


def _strips(result: VariantResult) -> tuple[Strip, ...]:
    found = ((_("Along the original's answer"), result.agreement, True), (_("Along the reference text"), result.agreement_text, False))
    return tuple(
        Strip(name, summary(one), flips_told(one, own_answer=own), cells(one))
        for name, one, own in found
        if one is not None and one.per_token
    )


def _facts(result: VariantResult) -> tuple[tuple[str, str], ...]:
    if result.memory is None:
        return ()
    simulated = result.memory.projected_bytes is not None
    weights = _("{size} projected", size=mib(result.memory.projected_bytes or 0)) if simulated else mib(result.memory.weights_bytes)
    latency = result.latency
    speed = (ms(latency.ttft_s.median), ms(latency.tpot_s.median)) if latency else ("–", "–")
    if simulated:
        speed = (_("not measured (simulated)"), "–")
    return ((_("First token"), speed[0]), (_("Per token"), speed[1]), (_("Weights"), weights), *_agreements(result))


def _agreements(result: VariantResult) -> tuple[tuple[str, str], ...]:
    found = ((_("Agreement"), result.agreement), (_("On the text"), result.agreement_text))
    told = tuple((name, f"{percent(one.top1)} · {divergence_words(one)}") for name, one in found if one is not None)
    return (*told, (_("Not compared"), recorded(result.agreement_problem))) if result.agreement_problem else told


HEADINGS = (
    N_("Variant"), N_("First token"), N_("Per token"), N_("Total"), N_("Weights"), N_("Peak"), N_("Saved"), N_("Time ÷"),
    N_("Weights ÷"), N_("KL, nats"), N_("Same word"), N_("Weights quantized"),
)  # fmt: skip


def _row(result: VariantResult, comparison: Comparison) -> tuple[str, ...]:
    """One line of the table, under HEADINGS; units in every cell so that it can be read alone."""
    latency, memory, relative, coverage = result.latency, result.memory, result.relative, result.coverage
    agreement = result.agreement
    if memory is None:
        return (result.label, *("–",) * (len(HEADINGS) - 1))
    times = (latency.ttft_s, latency.tpot_s, latency.total_s) if latency else ()
    return (
        result.label,
        *([f"{ms(timing.median)} ({ms(timing.p10)}–{ms(timing.p90)})" for timing in times] or ["–"] * 3),
        *("–" if size is None else mib(size) for size in (memory.weights_bytes, memory.peak_bytes, memory.saved_bytes)),
        told_time(result, comparison) or "–",
        _ratio(relative.memory if relative else None),
        nats(agreement.kl_mean_nats) if agreement else "–",
        percent(agreement.top1) if agreement else "–",
        covered_briefly(coverage) if coverage else "–",
    )


def _ratio(value: float | None) -> str:
    return "–" if value is None else decimal(value, 2, grouped=False)


def _conditions(comparison: Comparison) -> tuple[str, ...]:
    host = comparison.host
    why_cpu = no_gpu_words(host)
    return (
        device_words(host),
        *([why_cpu] if why_cpu else []),
        baseline_words(comparison.variants[0].dtype),
        *(condition.words for condition in timing_conditions(comparison)),
        host.execution,
        versions(host),
        f"qdash {comparison.qdash_version}",
    )
