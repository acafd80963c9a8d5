"""A comparison: the verdict, the figures, the answers, and then the errors."""

from collections.abc import Iterator

from qdash.catalog.recipes import is_recipe
from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.conditions import busy_words, device_words, no_gpu_words, timing_conditions
from qdash.present.coverage import cache_words, covered, covered_briefly, covered_by_part, left_unusual, left_words, pruned_words
from qdash.present.formatting import ANSWERS_HIDDEN, mib, ms, nats
from qdash.present.language import _
from qdash.records import Comparison, Coverage, VariantResult
from qdash.verdict import judge, verdict
from qdash.verdict.close_calls import flips_told
from qdash.verdict.evidence import told_time
from qdash.verdict.marks import mark_of
from qdash.verdict.tails import HEADINGS, tail_rows, tail_words

_HEADINGS = ("scheme", "kind", "first token", "per token", "total", "÷ original", "weights", "÷ original", "peak", "quantized", "KL")


def busy_hint(busy: float | None) -> str | None:
    """What to tell before a comparison if other programs keep this machine busy. The conditions always show it."""
    words = busy_words(busy)
    return (
        f"This machine is busy: {words} just now. Answers are not affected; timings will be less certain and take longer."
        if words
        else None
    )


def comparison_blocks(comparison: Comparison) -> Iterator[Block]:
    """Everything that is said of a comparison, in the order in which it is read."""
    said = verdict(comparison)
    yield Paragraph(said.plain.strip(), "headline")
    yield Paragraph(f"{said.why}\n")
    yield Table(_HEADINGS, tuple(_figures(result, comparison) for result in comparison.variants), numbers_from=2)
    yield from map(Paragraph, _sentences(comparison))
    tails = tail_rows(comparison)
    if tails:
        yield Paragraph()
        yield Table(tuple(_(heading) for heading in HEADINGS), tails, numbers_from=1)
        yield Paragraph(f"{tail_words()}\n", "remark")
    yield Paragraph(_conditions(comparison), "remark")


def _sentences(comparison: Comparison) -> Iterator[str]:
    baseline = comparison.variants[0]
    for result in comparison.variants:
        yield from _answer(result, comparison)
    yield from dict.fromkeys(note for result in comparison.variants for note in result.notes)
    for result in comparison.variants:
        if result.coverage is not None:
            yield from (f"{result.label}: {line}" for line in _coverage_lines(result.scheme, result.coverage))
    yield from (f"The picture: {note}" for note in (comparison.request.picture.notes if comparison.request.picture else ()))
    if baseline.status == "ok" and baseline.answer is None:
        yield ANSWERS_HIDDEN


def _answer(result: VariantResult, comparison: Comparison) -> Iterator[str]:
    """The answer with its grade and, where that is known, whether it is right, or why there is none."""
    graded, baseline = f"{_graded(result, comparison)}{_marked(result, comparison)}", comparison.variants[0]
    if result.answer is not None:
        yield f"{result.label}: {result.answer}{graded}"
    elif graded and baseline.answer is not None:
        yield f"{result.label}: no answer{graded}"
    along = ((result.agreement, "", True), (result.agreement_text, " on the text", False))
    told = ((where, flips_told(agreement, own_answer=own)) for agreement, where, own in along if agreement is not None)
    yield from (f"{result.label}{where}: {flips}" for where, flips in told if flips)
    if result.agreement_problem is not None and (result is baseline or result.agreement_problem not in (baseline.agreement_problem or "")):
        yield f"{result.label}: not compared token by token. {result.agreement_problem}"
    if result.error is not None:
        status = "not timed" if result.status == "ok" else result.status
        yield f"{result.label}: {status}. {result.error.message} {result.error.remedy}"


def _coverage_lines(scheme: str, coverage: Coverage) -> Iterator[str]:
    """How much a recipe quantized, part by part, and what it left, if that is more than people expect; how it keeps the KV cache."""
    if coverage.cache is not None:
        yield cache_words(coverage.cache)
    if coverage.pruned is not None:
        yield pruned_words(coverage.pruned)
    if is_recipe(scheme) and (coverage.cache is None or coverage.quantized):
        yield f"quantized: {covered_by_part(coverage)}"
    if coverage.skipped and left_unusual(coverage):
        left = left_words(coverage)
        done = covered(coverage) if coverage.quantized_parameters else "nothing in this model"
        said, unlike = (done, "left as they are") if coverage.pruned_alone else (f"quantizes {done}", "not quantized")
        yield f"{said}{f'; {unlike}: {left}' if left else ''}"


def _graded(result: VariantResult, comparison: Comparison) -> str:
    """The grade behind an answer; none for the original."""
    judgement = None if result is comparison.variants[0] else judge(result, comparison.variants[0], comparison)
    return f"  [{judgement.icon} {judgement.words}]" if judgement else ""


def _marked(result: VariantResult, comparison: Comparison) -> str:
    mark = mark_of(result, comparison.request)
    return f"  {mark.icon} {mark.words}" if mark else ""


def _figures(result: VariantResult, comparison: Comparison) -> tuple[str, ...]:
    latency, memory, relative, coverage = result.latency, result.memory, result.relative, result.coverage
    if memory is None:
        return (result.label, result.kind, result.status)
    times = (latency.ttft_s, latency.tpot_s, latency.total_s) if latency is not None else ()
    weights = mib(memory.weights_bytes)
    if memory.projected_bytes is not None:
        weights = f"{mib(memory.projected_bytes)} proj."
    return (
        result.label,
        result.kind,
        *([ms(timing.median) for timing in times] or ["not timed", "", ""]),
        told_time(result, comparison) or "–",
        weights,
        _ratio(relative.memory if relative else None),
        "–" if memory.peak_bytes is None else mib(memory.peak_bytes),
        covered_briefly(coverage) if coverage else "",
        nats(result.agreement.kl_mean_nats) if result.agreement else "–",
    )


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _conditions(comparison: Comparison) -> str:
    host = comparison.host
    baseline = f"{comparison.variants[0].dtype or 'unknown'} baseline"
    timing = (condition.words for condition in timing_conditions(comparison, spread=False))
    said = (device_words(host), no_gpu_words(host), baseline, *timing, host.execution)
    return " · ".join(filter(None, said))
