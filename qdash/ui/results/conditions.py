"""The line below the charts: the conditions without which its numbers mean nothing."""

from html import escape

from qdash.present.formatting import device_words, no_gpu_words, share, versions
from qdash.records import Comparison, Host
from qdash.ui.components import text
from qdash.ui.components.markup import term


def conditions_html(comparison: Comparison) -> str:
    """Device, dtype, threads, tokens, rounds or runs, how busy the machine was, noise, mode, versions."""
    host, baseline = comparison.host, comparison.variants[0]
    cells = [
        _device(host),
        f"<span>{escape(baseline.dtype or 'unknown')} baseline</span>",
        *_timing(comparison),
        f"<span>{host.execution}</span>",
    ]
    cells.append(f'<span class="versions">{escape(versions(host))}</span>')
    return f'<div class="cond">{"".join(cells)}</div>'


def _timing(comparison: Comparison) -> list[str]:
    """How the times were taken; comparisons of earlier versions have runs and no rounds."""
    measurement, rounds = comparison.request.measurement, comparison.rounds
    if not any(result.latency for result in comparison.variants):
        return ["<span>not timed</span>"]
    warm = f" after {text.several(measurement.warmup, 'warm-up run', 'warm-up runs')}" if measurement.warmup else ", no warm-up"
    if rounds is None:
        taken = text.several(measurement.runs, "run", "runs")
    elif rounds.taken < measurement.runs:
        taken = f"{rounds.taken} of at most {measurement.runs} rounds"
    else:
        taken = text.several(rounds.taken, "round", "rounds")
    cells = [f"<span>{text.several(measurement.max_new_tokens, 'token', 'tokens')} × {taken}{warm}, median, p10–p90</span>"]
    if rounds is not None and rounds.repeated:
        cells.append(term(f"{text.several(rounds.repeated, 'round', 'rounds')} repeated", text.TIPS["repeated"]))
    if rounds is not None and rounds.busy is not None:
        of = "processors" if comparison.host.device == "cpu" else "GPU"
        cells.append(term(f"other programs used {share(rounds.busy)} of the {of}", text.TIPS["busy"]))
    noise = f"noise ±{share(comparison.noise_floor.relative)}" if comparison.noise_floor else "noise unknown"
    return [*cells, term(noise, text.TIPS["noise"])]


def _device(host: Host) -> str:
    why = no_gpu_words(host)
    return f"<span>{escape(device_words(host))}</span>" + (term("no GPU", why) if why else "")
