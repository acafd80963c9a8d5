"""The few pieces of HTML that every part of the page uses. Everything that is not a literal goes through `html.escape`."""

from html import escape

from qdash.catalog.schemes import Scheme
from qdash.errors import QdashError
from qdash.records import ErrorRecord, EvaluatedVariant, VariantResult


def bits_class(bits: int | None) -> str:
    """CSS class that sets the colour of a scheme: colour means bits, everywhere on the page."""
    if bits is None or bits >= 16:
        return "b16"
    return "b8" if bits >= 8 else "b6" if bits >= 6 else "b4" if bits >= 4 else "b2"


def colour_classes(of: Scheme | VariantResult | EvaluatedVariant) -> str:
    """Colour class of a scheme or a variant, and `sim` (dashed outlines) if it is simulated."""
    return f"{bits_class(of.bits)} sim" if of.kind == "simulated" else bits_class(of.bits)


def term(word: str, tip: str) -> str:
    """A word that explains itself on hover and on keyboard focus."""
    return f'<span class="term" tabindex="0" data-tip="{escape(tip)}">{escape(word)}</span>'


def sheet_head(title: str, how_to_read: str) -> str:
    """Title of a panel and one line on how to read it."""
    return f'<div class="sheet-head"><h3>{escape(title)}</h3><p>{escape(how_to_read)}</p></div>'


def banner(error: QdashError | ErrorRecord | None) -> str:
    """What happened and what to try; empty for no error."""
    if error is None:
        return ""
    message, remedy = escape(error.message), escape(error.remedy)
    icon = "■" if error.kind == "cancelled" else "✕"
    return f'<div class="banner {error.kind}" role="alert"><span aria-hidden="true">{icon}</span><p><b>{message}</b> {remedy}</p></div>'
