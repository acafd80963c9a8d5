"""The heat strip under an answer as markup: how far the variant is from the original at every token."""

from html import escape

from qdash.records import Agreement
from qdash.verdict.token_divergence import Cell, cells, summary


def strip_html(agreement: Agreement) -> str:
    """One cell a token, higher and stronger the further away. One stop for the keyboard; arrows move along it
    (qdash/ui/static/js/page.js).
    """
    inner = "".join(_cell(cell, place == 0) for place, cell in enumerate(cells(agreement)))
    return f'<div class="strip" role="group" aria-label="{escape(summary(agreement))}">{inner}</div>'


def _cell(cell: Cell, first: bool) -> str:
    words, percent = escape(cell.words), round(cell.strength * 100)
    kind = "token diverges" if cell.diverges else "token"
    return (
        f'<i class="{kind}" role="img" tabindex="{0 if first else -1}" style="--q:{percent}%" aria-label="{words}" data-tip="{words}"></i>'
    )
