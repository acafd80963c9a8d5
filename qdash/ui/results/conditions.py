"""The line below the charts: the conditions without which its numbers mean nothing."""

from collections.abc import Sequence

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.conditions import baseline_words, device_words, no_gpu_words, timing_conditions, versions
from qdash.present.language import _, recorded
from qdash.records import Comparison
from qdash.ui.components import text

_draw = Macros(__name__)

Worded = tuple[str, str]
"""Words and what explains them, "" if nothing does."""


def conditions_html(comparison: Comparison) -> Markup:
    """Device, dtype, threads, tokens, rounds or runs, how busy the machine was, noise, mode, versions."""
    host, baseline = comparison.host, comparison.variants[0]
    why_no_gpu = no_gpu_words(host)
    conditions = [
        (device_words(host), ""),
        *([(_("no GPU"), why_no_gpu)] if why_no_gpu else []),
        (baseline_words(baseline.dtype), ""),
        *((words, _(text.TIPS[tip]) if tip else "") for words, tip in timing_conditions(comparison)),
        (recorded(host.execution), ""),
    ]
    return conditions_line(conditions, versions(host))


def conditions_line(conditions: Sequence[Worded], packages: str) -> Markup:
    """Conditions and versions of `packages`, in a line."""
    return _draw.conditions(conditions, packages)
