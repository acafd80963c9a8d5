"""What a person at a terminal sees: a progress bar on standard error while it runs, tables on standard output when it is done.

Nothing moves where standard error is no terminal. Model output is untrusted: characters that could command a terminal are replaced.
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
from qdash.planning import labels_of
from qdash.records import Comparison, Event, Histogram, Request, Step, VariantDone, VariantResult, WeighedLayer, WeightError, WeightReport
from qdash.records import Progress as ProgressEvent
from qdash.verdict import judge, verdict
from qdash.wording import ANSWERS_HIDDEN, layers_by_part, mib, ms, nats

_HEIGHTS = " ▁▂▃▄▅▆▇█"
_WIDE = 160  # for a file or a pipe, which have no width of their own

# Where each stage begins and ends within a variant's share of the bar; a guess that keeps it moving evenly.
_STAGES = {
    "queued": (0.0, 0.0),
    "downloading": (0.0, 0.0),
    "making": (0.0, 0.0),
    "loading": (0.0, 0.3),
    "answering": (0.3, 0.45),
    "warming up": (0.45, 0.5),
    "timing": (0.5, 0.95),
    "scoring": (0.95, 1.0),
    "re-timing": (0.0, 1.0),
}


@contextmanager
def progress(request: Request) -> Iterator[Callable[[Event], None]]:
    """A bar over all variants and the second timing of the baseline; feed it the comparison's events."""
    count, labels = len(request.variants), labels_of(request.variants)
    with moving_bar() as bar:
        task = bar.add_task("starting", total=count + 1)

        def show(event: Event) -> None:
            if isinstance(event, ProgressEvent):
                begin, end = _STAGES[event.stage]
                base = count if event.stage == "re-timing" else event.index
                label = labels[event.index]
                text = " · ".join(filter(None, (label, event.stage, event.detail)))
                bar.update(task, completed=base + begin + (end - begin) * (event.fraction or 0), description=harmless(text))
            elif isinstance(event, VariantDone):
                bar.update(task, completed=event.index + 1)

        yield show


@contextmanager
def working() -> Iterator[Callable[[Generator[Step | WeighedLayer, None, Any]], Any]]:
    """A bar for `weighing.weigh` or `inspection.inspect`; give it the generator and get the report."""
    with moving_bar() as bar:
        task = bar.add_task("starting", total=1)

        def show(steps: Generator[Step | WeighedLayer, None, Any]) -> Any:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                if isinstance(step, Step):
                    bar.update(task, completed=step.fraction or 0, description=harmless(step.detail))

        yield show


def print_comparison(comparison: Comparison) -> None:
    """The verdict, the figures, then the answers, then what went wrong."""
    table = _table("scheme", "kind", "first token", "per token", "total", "÷ original", "weights", "÷ original", "peak", "layers", "KL")
    for result in comparison.variants:
        table.add_row(*_figures(result))
    console, said = output(), verdict(comparison)
    console.print(Text(harmless(said.plain.strip()), style="bold"))
    console.print(Text(f"{harmless(said.why)}\n"))
    console.print(table)
    for result in comparison.variants:
        if result.answer is not None:
            console.print(Text(f"{result.label}: {harmless(result.answer)}{_graded(result, comparison)}"))
        if result.error is not None:
            console.print(Text(f"{result.label}: {result.status}. {harmless(result.error.message)} {harmless(result.error.remedy)}"))
    for result in comparison.variants:
        if result.coverage is not None and is_recipe(result.scheme):
            console.print(Text(f"{result.label}: layers quantized: {harmless(layers_by_part(result.coverage))}"))
    if any(result.status == "ok" and result.answer is None for result in comparison.variants):
        console.print(Text(ANSWERS_HIDDEN))
    console.print(Text(_conditions(comparison), style="dim"))


def _graded(result: VariantResult, comparison: Comparison) -> str:
    """The grade behind an answer; none for the original."""
    judgement = None if result is comparison.variants[0] else judge(result, comparison.variants[0], comparison.noise_floor)
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
        if scheme.nonfinite:
            console.print(Text(f"{scheme.label}: {scheme.nonfinite:,} weights are NaN or infinite and are left out of every figure."))
        if histograms and scheme.histograms is not None:
            shown = scheme.histograms
            console.print(Text(f"{scheme.label}, weights from {shown.original.low:.3g} to {shown.original.high:.3g}"))
            console.print(Text(f"  before {_blocks(shown.original)}\n  after  {_blocks(shown.dequantized)}"))
    how = "opened again" if report.cached else f"computed in {report.seconds:.1f} s on {report.device}"
    console.print(Text(f"every weight of every layer that is quantized · {how}", style="dim"))


def print_layers(report: WeightReport) -> None:
    """One line a layer and scheme, worst first."""
    table = _table("layer", "scheme", "SQNR", "MSE", "max |error|", "cosine", "clipped", "zeroed", "weights")
    lines = [(layer, scheme) for scheme in report.schemes for layer in scheme.layers]
    for layer, scheme in sorted(lines, key=lambda line: math.inf if line[0].sqnr_db is None else line[0].sqnr_db):
        table.add_row(Text(harmless(layer.name)), scheme.label, *_error_figures(layer), f"{layer.parameters:,}")
    output().print(table)


def _error_figures(error: WeightError) -> tuple[str, ...]:
    sqnr = "exact" if error.sqnr_db is None else f"{error.sqnr_db:.1f} dB"
    shares = (f"{share:.2%}" for share in (error.clipped, error.zeroed))
    return (sqnr, f"{error.mse:.3g}", f"{error.max_abs_error:.3g}", f"{error.cosine:.6f}", *shares)


def _blocks(histogram: Histogram) -> str:
    """Counts as heights of blocks, one a bin; any count can be seen."""
    highest = max(max(histogram.counts), 1)
    return "".join(_HEIGHTS[-(-count * (len(_HEIGHTS) - 1) // highest)] for count in histogram.counts)


def print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Text in columns; where the line is too short for all, the last column wraps."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading != headings[-1])
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    output().print(table)


def _figures(result: VariantResult) -> tuple[str, ...]:
    latency, memory, relative, coverage = result.latency, result.memory, result.relative, result.coverage
    if latency is None or memory is None:
        return (result.label, result.kind, result.status)
    weights = mib(memory.weights_bytes)
    if memory.projected_bytes is not None:
        weights = f"{mib(memory.projected_bytes)} proj."
    return (
        result.label,
        result.kind,
        ms(latency.ttft_s.median),
        ms(latency.tpot_s.median),
        ms(latency.total_s.median),
        _ratio(relative.latency if relative else None),
        weights,
        _ratio(relative.memory if relative else None),
        mib(memory.peak_bytes),
        f"{coverage.quantized} of {coverage.total}" if coverage else "",
        nats(result.agreement.kl_mean_nats) if result.agreement else "–",
    )


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _conditions(comparison: Comparison) -> str:
    host, measurement = comparison.host, comparison.request.measurement
    noise = f"noise ±{comparison.noise_floor.relative:.0%}" if comparison.noise_floor else "noise unknown"
    timing = f"{measurement.max_new_tokens} tokens × {measurement.runs} runs after {measurement.warmup} warm-up, medians"
    baseline = f"{comparison.variants[0].dtype or 'unknown'} baseline"
    return " · ".join((f"{host.device_name}, {host.threads} threads", baseline, timing, noise, host.execution))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="left" if position < 2 else "right", no_wrap=True)
    return table


def output() -> Console:
    """Standard output; a file or a pipe gets whole lines."""
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
