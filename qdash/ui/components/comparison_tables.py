"""Comparison tables as HTML: absolute figures, and the same divided by the baseline's, as the first tutorial shows them."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from qdash.markup import Macros, parts
from qdash.present.coverage import covered, covered_briefly, covered_by_part, left_words
from qdash.present.formatting import mib, ms, percent, stand_in
from qdash.records import Comparison, Coverage, VariantResult
from qdash.verdict.evidence import pace_of, told_time
from qdash.verdict.judging import mean_words

_draw = Macros(__name__)

Cell = Callable[[VariantResult], str | None]


def relative_html(comparison: Comparison) -> Markup:
    """Total time, weights memory and tokens per second, each ÷ the baseline's.

    Both speeds follow from the total time, and say what may be said of it; simulated speed and memory are left out.
    """
    columns: list[tuple[str, Cell]] = [
        ("time", lambda result: _told(result, comparison)),
        ("memory", lambda result: _times(result.relative and result.relative.memory)),
        ("tokens/s", lambda result: _told(result, comparison, inverse=True)),
    ]
    return _table(comparison, columns)


def absolute_html(comparison: Comparison) -> Markup:
    """The figures themselves, medians over the runs."""
    columns: list[tuple[str, Cell]] = [
        ("total", lambda result: _unless_simulated(result, result.latency and ms(result.latency.total_s.median))),
        ("first token", lambda result: _unless_simulated(result, result.latency and ms(result.latency.ttft_s.median))),
        ("per token", lambda result: _unless_simulated(result, result.latency and ms(result.latency.tpot_s.median))),
        ("tokens/s", lambda result: _unless_simulated(result, result.latency and f"{result.latency.tokens_per_s.median:.0f}")),
        ("loading", lambda result: result.latency and f"{result.latency.load_s:.1f} s"),
        ("weights", _weights),
        ("peak", lambda result: _unless_simulated(result, _peak(result))),
        ("on disk", lambda result: result.memory and mib(result.memory.saved_bytes)),
        ("same word", lambda result: result.agreement and percent(result.agreement.top1)),
        ("KL, nats", lambda result: result.agreement and mean_words(result.agreement)),
        ("perplexity", lambda result: f"{result.agreement.ppl:.3g}" if result.agreement and result.agreement.ppl else None),
        ("weights quantized", lambda result: result.coverage and _layers(result.coverage)),
    ]
    return _table(comparison, columns)


def _table(comparison: Comparison, columns: Sequence[tuple[str, Cell]]) -> Markup:
    rows = [(result, _cells(result, columns)) for result in comparison.variants]
    return _draw.figures([name for name, _ in columns], rows)


def _cells(result: VariantResult, columns: Sequence[tuple[str, Cell]]) -> list[str | None]:
    """None where nothing was measured; no cells for what did not run."""
    return [cell(result) for _, cell in columns] if result.status == "ok" else []


def _layers(coverage: Coverage) -> Markup:
    """How much, the parts in small; what was left, one hover away."""
    left = left_words(coverage)
    title = f"{covered(coverage)}{f'. Not quantized: {left}' if left else ''}"
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
    return parts.quiet(f"({words})", f"simulated: measured on the {stand_in(result.dtype)}")


def _peak(result: VariantResult) -> str | None:
    return None if result.memory is None or result.memory.peak_bytes is None else mib(result.memory.peak_bytes)


def _weights(result: VariantResult) -> str | None:
    if result.memory is None:
        return None
    if result.kind == "simulated" and result.memory.projected_bytes:
        return parts.projected(mib(result.memory.projected_bytes))
    return mib(result.memory.weights_bytes)
