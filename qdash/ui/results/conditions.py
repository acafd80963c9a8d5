"""The line below the charts: the conditions without which its numbers mean nothing."""

from html import escape

from qdash.present.conditions import device_words, no_gpu_words, timing_conditions, versions
from qdash.records import Comparison, Host
from qdash.ui.components import text
from qdash.ui.components.markup import term


def conditions_html(comparison: Comparison) -> str:
    """Device, dtype, threads, tokens, rounds or runs, how busy the machine was, noise, mode, versions."""
    host, baseline = comparison.host, comparison.variants[0]
    cells = [
        _device(host),
        f"<span>{escape(baseline.dtype or 'unknown')} baseline</span>",
        *(term(words, text.TIPS[tip]) if tip else f"<span>{words}</span>" for words, tip in timing_conditions(comparison)),
        "<span>median, p10–p90</span>",
        f"<span>{host.execution}</span>",
    ]
    cells.append(f'<span class="versions">{escape(versions(host))}</span>')
    return f'<div class="cond">{"".join(cells)}</div>'


def _device(host: Host) -> str:
    why = no_gpu_words(host)
    return f"<span>{escape(device_words(host))}</span>" + (term("no GPU", why) if why else "")
