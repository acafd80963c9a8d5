"""Comparison tables as HTML: absolute figures, and the same divided by the baseline's, as the first tutorial shows them."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from qdash.markup import Macros, parts
from qdash.present.coverage import covered, covered_briefly, covered_by_part, left_words
from qdash.present.formatting import mib, ms, percent, stand_in
from qdash.present.language import _
from qdash.records import Comparison, Coverage, VariantResult
from qdash.verdict.evidence import pace_of, told_time
from qdash.verdict.judging import mean_words
from qdash.verdict.tails import HEADINGS, tail_rows, tail_words

_draw = Macros(__name__)

Value = Callable[[VariantResult], str | None]


def relative_html(comparison: Comparison) -> Markup:
    """Total time, weights memory and tokens per second, each ÷ the baseline's.

    Both speeds follow from the total time, and say what may be said of it; simulated speed and memory are left out.
    """
    columns: list[tuple[str, Value]] = [
        (_("time"), lambda result: _told(result, comparison)),
        (_("memory"), lambda result: _times(result.relative and result.relative.memory)),
        (_("tokens/s"), lambda result: _told(result, comparison, inverse=True)),
    ]
    return _table(comparison, columns)


def absolute_html(comparison: Comparison) -> Markup:
    """The figures themselves, medians over the runs."""
    columns: list[tuple[str, Value]] = [
        (_("total"), lambda result: _unless_simulated(result, result.latency and ms(result.latency.total_s.median))),
        (_("first token"), lambda result: _unless_simulated(result, result.latency and ms(result.latency.ttft_s.median))),
        (_("per token"), lambda result: _unless_simulated(result, result.latency and ms(result.latency.tpot_s.median))),
        (_("tokens/s"), lambda result: _unless_simulated(result, result.latency and f"{result.latency.tokens_per_s.median:.0f}")),
        (_("loading"), lambda result: result.latency and f"{result.latency.load_s:.1f} s"),
        (_("weights"), _weights),
        (_("peak"), lambda result: _unless_simulated(result, _peak(result))),
        (_("on disk"), lambda result: result.memory and mib(result.memory.saved_bytes)),
        (_("same word"), lambda result: result.agreement and percent(result.agreement.top1)),
        (_("KL, nats"), lambda result: result.agreement and mean_words(result.agreement)),
        (_("perplexity"), lambda result: f"{result.agreement.ppl:.3g}" if result.agreement and result.agreement.ppl else None),
        (_("weights quantized"), lambda result: result.coverage and _layers(result.coverage)),
    ]
    return _table(comparison, columns)


def tails_html(comparison: Comparison) -> Markup:
    """How far the worst tokens are, and which choices flipped; nothing for records of earlier versions."""
    rows = tail_rows(comparison)
    return _draw.tails([_(heading) for heading in HEADINGS], rows, tail_words()) if rows else Markup()


def _table(comparison: Comparison, columns: Sequence[tuple[str, Value]]) -> Markup:
    rows = [(result, _cells(result, columns)) for result in comparison.variants]
    return _draw.figures([name for name, _ in columns], rows)


def _cells(result: VariantResult, columns: Sequence[tuple[str, Value]]) -> list[str | None]:
    """None where nothing was measured; no cells for what did not run."""
    return [cell(result) for _, cell in columns] if result.status == "ok" else []


def _layers(coverage: Coverage) -> Markup:
    """How much, the parts in small; what was left, one hover away."""
    left = left_words(coverage)
    whole = covered(coverage)
    title = _("{share}. Not quantized: {layers}", share=whole, layers=left) if left else whole
    return _draw.coverage(covered_briefly(coverage), title, covered_by_part(coverage) if len(coverage.parts) > 1 else "")


def _times(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:.2f}×"


def _told(result: VariantResult, comparison: Comparison, *, inverse: bool = False) -> str:
    """A ratio where it is larger than the noise; else words, with the reason one hover away."""
    words = told_time(result, comparison, inverse=inverse)
    why = pace_of(result, comparison).why
    return parts.quiet(words, why) if why else words


def _unless_simulated(result: VariantResult, words: str | None) -> str | None:
    """Speed and memory of a simulated variant are those of a stand-in: shown greyed, as nothing a person should compare."""
    if words is None or result.kind == "real":
        return words
    return parts.quiet(f"({words})", _("simulated: measured on the {stand_in}", stand_in=stand_in(result.dtype)))


def _peak(result: VariantResult) -> str | None:
    return None if result.memory is None or result.memory.peak_bytes is None else mib(result.memory.peak_bytes)


def _weights(result: VariantResult) -> str | None:
    if result.memory is None:
        return None
    if result.kind == "simulated" and result.memory.projected_bytes:
        return parts.projected(mib(result.memory.projected_bytes))
    return mib(result.memory.weights_bytes)
