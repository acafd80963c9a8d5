"""The line below the charts: the conditions without which its numbers mean nothing."""

from html import escape

from qdash.records import Comparison
from qdash.ui import text
from qdash.ui.markup import term
from qdash.wording import share, versions


def conditions_html(comparison: Comparison) -> str:
    """Device, dtype, threads, tokens, runs, noise, mode, versions."""
    host, measurement, baseline = comparison.host, comparison.request.measurement, comparison.variants[0]
    noise = f"noise ±{share(comparison.noise_floor.relative)}" if comparison.noise_floor else "noise unknown"
    runs = text.several(measurement.runs, "run", "runs")
    warm = f" after {measurement.warmup} warm-up" if measurement.warmup else ", no warm-up"
    items = [
        _device(comparison),
        f"{baseline.dtype or 'unknown'} baseline",
        f"{measurement.max_new_tokens} tokens × {runs}{warm}, median, p10–p90",
    ]
    cells = [f"<span>{escape(item)}</span>" for item in items] + [term(noise, text.TIPS["noise"]), f"<span>{host.execution}</span>"]
    cells.append(f'<span class="versions">{escape(versions(host))}</span>')
    return f'<div class="cond">{"".join(cells)}</div>'


def _device(comparison: Comparison) -> str:
    host = comparison.host
    threads = text.several(host.threads, "thread", "threads")
    return f"{host.device_name}, {threads}" if host.device == "cpu" else host.device_name
