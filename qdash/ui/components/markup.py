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


def sheet_head(title: str, how_to_read: str, saves: str = "") -> str:
    """Title of a panel and one line on how to read it; `saves`: the figure in it that can be saved as a picture, by its id."""
    button = save_button(title, saves) if saves else ""
    return f'<div class="sheet-head"><h3>{escape(title)}</h3>{button}<p>{escape(how_to_read)}</p></div>'


def save_button(title: str, figure: str) -> str:
    """Saves the figure with this id as a picture (qdash/ui/static/js/save_picture.js)."""
    return (
        f'<button type="button" class="save-picture" data-saves="{escape(figure)}" aria-label="Save “{escape(title)}” as a picture" '
        f'title="Save as a picture">{_ARROW}</button>'
    )


_ARROW = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 2v8M4.5 6.8 8 10.3l3.5-3.5M3 13.5h10"/></svg>'


def banner(error: QdashError | ErrorRecord | None) -> str:
    """What happened and what to try; empty for no error."""
    if error is None:
        return ""
    message, remedy = escape(error.message), escape(error.remedy)
    icon = "■" if error.kind == "cancelled" else "✕"
    return f'<div class="banner {error.kind}" role="alert"><span aria-hidden="true">{icon}</span><p><b>{message}</b> {remedy}</p></div>'
