"""Output in a terminal: a progress bar on standard error during a run, tables on standard output at its end.

No bar is drawn if standard error is no terminal. Model output is untrusted: characters that could control a terminal are replaced.
"""

import math
import unicodedata
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from qdash.catalog.recipes import is_recipe
from qdash.execution.forward import result_of
from qdash.present.conditions import busy_words, device_words, no_gpu_words, timing_conditions
from qdash.present.coverage import covered, covered_briefly, covered_by_part, left_unusual, left_words
from qdash.present.formatting import ANSWERS_HIDDEN, mib, ms, nats, percent
from qdash.present.weight_error import decibels, left_out
from qdash.records import (
    Comparison,
    Coverage,
    Event,
    Histogram,
    LayerWeights,
    MeasuredLayer,
    Request,
    SchemeWeights,
    Step,
    VariantResult,
    WeightReport,
)
from qdash.records import Progress as ProgressEvent
from qdash.runs.plan import labels_of
from qdash.verdict import judge, verdict
from qdash.verdict.evidence import told_time

_HEIGHTS = " ▁▂▃▄▅▆▇█"
_WIDE = 160  # for a file or a pipe, which have no width of their own

# Where each stage begins and ends within a variant's share of the bar, and, once all have answered, of a second one that all share: a guess
# that keeps it moving evenly.
_ANSWERING = {
    "queued": (0.0, 0.0),
    "locating": (0.0, 0.0),
    "downloading": (0.0, 0.0),
    "making": (0.0, 0.0),
    "loading": (0.0, 0.6),
    "answering": (0.6, 0.9),
    "scoring": (0.9, 1.0),
}
_TIMING = {"warming up": (0.0, 0.2), "timing": (0.2, 1.0)}


@contextmanager
def progress(request: Request) -> Iterator[Callable[[Event], None]]:
    """A progress bar over all answers and timings; feed it the comparison's events."""
    count, labels = len(request.variants), labels_of(request.variants)
    with moving_bar() as bar:
        task = bar.add_task("starting", total=2 * count)

        def show(event: Event) -> None:
            if isinstance(event, ProgressEvent):
                text = " · ".join(filter(None, (labels[event.index], event.stage, event.detail)))
                bar.update(task, completed=_completed(event, count), description=harmless(text))

        yield show


def _completed(event: ProgressEvent, count: int) -> float:
    """The progress, out of twice `count`: answers come one after the other, timings side by side."""
    if event.stage in _TIMING:
        begin, end = _TIMING[event.stage]
        fraction = (event.index + (event.fraction or 0)) / count if event.stage == "warming up" else event.fraction or 0
        return count * (1 + begin + (end - begin) * fraction)
    begin, end = _ANSWERING[event.stage]
    return event.index + begin + (end - begin) * (event.fraction or 0)


@contextmanager
def working() -> Iterator[Callable[[Generator[Step | MeasuredLayer, None, Any]], Any]]:
    """A bar for `weight_error.measure_weight_error` or `model_report.report_model`; give it the generator and get the report."""
    with moving_bar() as bar:
        task = bar.add_task("starting", total=1)

        def moved(step: Step | MeasuredLayer) -> None:
            if isinstance(step, Step):
                bar.update(task, completed=step.fraction or 0, description=harmless(step.detail))

        def show(steps: Generator[Step | MeasuredLayer, None, Any]) -> Any:
            return result_of(steps, moved)

        yield show


def warn_if_busy(busy: float | None) -> None:
    """Warn in a terminal if other programs keep this machine busy. The conditions always show it."""
    console, words = Console(stderr=True, highlight=False, soft_wrap=True), busy_words(busy)
    if words and console.is_terminal:
        said = f"This machine is busy: {words} just now. Answers are not affected; timings will be less certain and take longer."
        console.print(Text(said))


def print_comparison(comparison: Comparison) -> None:
    """Prints the verdict, the figures, the answers, and then the errors."""
    table = _table("scheme", "kind", "first token", "per token", "total", "÷ original", "weights", "÷ original", "peak", "quantized", "KL")
    for result in comparison.variants:
        table.add_row(*_figures(result, comparison))
    console, said, baseline = output(), verdict(comparison), comparison.variants[0]
    console.print(Text(harmless(said.plain.strip()), style="bold"))
    console.print(Text(f"{harmless(said.why)}\n"))
    console.print(table)
    for result in comparison.variants:
        graded = _graded(result, comparison)
        if result.answer is not None:
            console.print(Text(f"{result.label}: {harmless(result.answer)}{graded}"))
        elif graded and baseline.answer is not None:
            console.print(Text(f"{result.label}: no answer{graded}"))
        if result.agreement_problem is not None and (
            result is baseline or result.agreement_problem not in (baseline.agreement_problem or "")
        ):
            console.print(Text(f"{result.label}: not compared token by token. {harmless(result.agreement_problem)}"))
        if result.error is not None:
            status = "not timed" if result.status == "ok" else result.status
            console.print(Text(f"{result.label}: {status}. {harmless(result.error.message)} {harmless(result.error.remedy)}"))
    for note in dict.fromkeys(note for result in comparison.variants for note in result.notes):
        console.print(Text(harmless(note)))
    for result in comparison.variants:
        if result.coverage is not None:
            for line in _coverage_lines(result.scheme, result.coverage):
                console.print(Text(f"{result.label}: {harmless(line)}"))
    for note in comparison.request.picture.notes if comparison.request.picture else ():
        console.print(Text(f"The picture: {harmless(note)}"))
    if baseline.status == "ok" and baseline.answer is None:
        console.print(Text(ANSWERS_HIDDEN))
    console.print(Text(_conditions(comparison), style="dim"))


def _coverage_lines(scheme: str, coverage: Coverage) -> Iterator[str]:
    """How much a recipe quantized, part by part, and what it left, if that is more than people expect."""
    if is_recipe(scheme):
        yield f"quantized: {covered_by_part(coverage)}"
    if coverage.skipped and left_unusual(coverage):
        left = left_words(coverage)
        done = covered(coverage) if coverage.quantized_parameters else "nothing in this model"
        yield f"quantizes {done}{f'; not quantized: {left}' if left else ''}"


def _graded(result: VariantResult, comparison: Comparison) -> str:
    """The grade behind an answer; none for the original."""
    judgement = None if result is comparison.variants[0] else judge(result, comparison.variants[0], comparison)
    return f"  [{judgement.icon} {judgement.words}]" if judgement else ""


def print_weights(report: WeightReport, *, histograms: bool = False) -> None:
    """One line a scheme; with `histograms` the weights before and after as lines of blocks."""
    table = _table("scheme", "kind", "SQNR", "MSE", "max |error|", "cosine", "clipped", "zeroed", "bits", "layers")
    for scheme in report.schemes:
        bits = "" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}"
        table.add_row(scheme.label, scheme.kind, *_error_figures(scheme), bits, str(len(scheme.layers)))
    console = output()
    console.print(table)
    for scheme in report.schemes:
        if not scheme.layers:
            console.print(Text(f"{scheme.label}: quantizes nothing in this model."))
        if scheme.coverage is not None and left_unusual(scheme.coverage):
            left = left_words(scheme.coverage)
            console.print(Text(f"{scheme.label}: measured {covered(scheme.coverage)}{f'; not measured: {left}' if left else ''}"))
        if scheme.nonfinite:
            console.print(Text(f"{scheme.label}: {left_out(scheme.nonfinite)}."))
        if histograms and scheme.histograms is not None:
            shown = scheme.histograms
            console.print(Text(f"{scheme.label}, weights from {shown.original.low:.3g} to {shown.original.high:.3g}"))
            console.print(Text(f"  before {_blocks(shown.original)}\n  after  {_blocks(shown.dequantized)}"))
    how = "computed earlier" if report.cached else f"computed in {report.seconds:.1f} s on {report.device}"
    console.print(Text(f"every weight of every layer that is quantized · {how}", style="dim"))


def print_layers(report: WeightReport) -> None:
    """One line a layer and scheme, worst first."""
    table = _table("layer", "scheme", "SQNR", "MSE", "max |error|", "cosine", "clipped", "zeroed", "weights")
    lines = [(layer, scheme) for scheme in report.schemes for layer in scheme.layers]
    for layer, scheme in sorted(lines, key=lambda line: math.inf if line[0].sqnr_db is None else line[0].sqnr_db):
        table.add_row(Text(harmless(layer.name)), scheme.label, *_error_figures(layer), f"{layer.parameters:,}")
    output().print(table)


def _error_figures(error: SchemeWeights | LayerWeights) -> tuple[str, ...]:
    shares = (percent(part, 2) for part in (error.clipped, error.zeroed))
    return (decibels(error), f"{error.mse:.3g}", f"{error.max_abs_error:.3g}", f"{error.cosine:.6f}", *shares)


def _blocks(histogram: Histogram) -> str:
    """Counts as heights of blocks, one a bin; any count can be seen."""
    highest = max(max(histogram.counts), 1)
    return "".join(_HEIGHTS[-(-count * (len(_HEIGHTS) - 1) // highest)] for count in histogram.counts)


def print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Text in columns; the last column wraps if a line is too short."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading != headings[-1])
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    output().print(table)


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


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="left" if position < 2 else "right", no_wrap=True)
    return table


def output() -> Console:
    """A console on standard output; a file or a pipe gets whole lines."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)


def moving_bar() -> Progress:
    """A progress bar on standard error; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def harmless(text: str) -> str:
    """Without control characters: an answer must not move the cursor or set a window's title."""
    return "".join("\ufffd" if unicodedata.category(character) == "Cc" and character not in "\n\t" else character for character in text)
