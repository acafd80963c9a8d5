"""The line below the charts: the conditions without which its numbers mean nothing."""

from collections.abc import Sequence

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.formatting import device_words, no_gpu_words, share, versions
from qdash.records import Comparison
from qdash.ui.components import text

_draw = Macros(__name__)

Cell = tuple[str, str]
"""Words and what explains them, "" if nothing does."""


def conditions_html(comparison: Comparison) -> Markup:
    """Device, dtype, threads, tokens, rounds or runs, how busy the machine was, noise, mode, versions."""
    host, baseline = comparison.host, comparison.variants[0]
    why_no_gpu = no_gpu_words(host)
    cells = [
        (device_words(host), ""),
        *([("no GPU", why_no_gpu)] if why_no_gpu else []),
        (f"{baseline.dtype or 'unknown'} baseline", ""),
        *_timing(comparison),
        (host.execution, ""),
    ]
    return cells_html(cells, versions(host))


def cells_html(cells: Sequence[Cell], packages: str) -> Markup:
    """Conditions and versions of `packages`, in a line."""
    return _draw.conditions(cells, packages)


def _timing(comparison: Comparison) -> list[Cell]:
    """How the times were taken; comparisons of earlier versions have runs and no rounds."""
    measurement, rounds = comparison.request.measurement, comparison.rounds
    if not any(result.latency for result in comparison.variants):
        return [("not timed", "")]
    warm = f" after {text.several(measurement.warmup, 'warm-up run', 'warm-up runs')}" if measurement.warmup else ", no warm-up"
    if rounds is None:
        taken = text.several(measurement.runs, "run", "runs")
    elif rounds.taken < measurement.runs:
        taken = f"{rounds.taken} of at most {measurement.runs} rounds"
    else:
        taken = text.several(rounds.taken, "round", "rounds")
    cells = [(f"{text.several(measurement.max_new_tokens, 'token', 'tokens')} × {taken}{warm}, median, p10–p90", "")]
    if rounds is not None and rounds.repeated:
        cells.append((f"{text.several(rounds.repeated, 'round', 'rounds')} repeated", text.TIPS["repeated"]))
    if rounds is not None and rounds.busy is not None:
        of = "processors" if comparison.host.device == "cpu" else "GPU"
        cells.append((f"other programs used {share(rounds.busy)} of the {of}", text.TIPS["busy"]))
    noise = f"noise ±{share(comparison.noise_floor.relative)}" if comparison.noise_floor else "noise unknown"
    return [*cells, (noise, text.TIPS["noise"])]
