"""The heat strip under an answer as markup: how far the variant is from the original at every token, and what flipped."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.language import _
from qdash.records import Agreement
from qdash.ui.components import text
from qdash.verdict.close_calls import flips_briefly, flips_told
from qdash.verdict.token_divergence import cells, summary

_draw = Macros(__name__)


def strip_html(agreement: Agreement) -> Markup:
    """One cell a token, higher and stronger the further away. One stop for the keyboard; arrows move along it
    (qdash/ui/static/js/page.js). Below it, how many tokens flipped; how close those were is one hover, tap or
    stop of the keyboard away.
    """
    tip = f"{flips_told(agreement)} {_(text.TIPS['Close calls'])}"
    return _draw.strip(summary(agreement), cells(agreement), flips_briefly(agreement), tip)
