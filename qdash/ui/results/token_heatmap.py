"""The heat strip under an answer as markup: how far the variant is from the original at every token."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.records import Agreement
from qdash.verdict.token_divergence import cells, summary

_draw = Macros(__name__)


def strip_html(agreement: Agreement) -> Markup:
    """One cell a token, higher and stronger the further away. One stop for the keyboard; arrows move along it
    (qdash/ui/static/js/page.js).
    """
    return _draw.strip(summary(agreement), cells(agreement))
