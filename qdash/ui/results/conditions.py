"""The line below the charts: the conditions without which its numbers mean nothing."""

from collections.abc import Sequence

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.conditions import device_words, no_gpu_words, timing_conditions, versions
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
        *((words, text.TIPS[tip] if tip else "") for words, tip in timing_conditions(comparison)),
        (host.execution, ""),
    ]
    return cells_html(cells, versions(host))


def cells_html(cells: Sequence[Cell], packages: str) -> Markup:
    """Conditions and versions of `packages`, in a line."""
    return _draw.conditions(cells, packages)
