"""The verdict as markup for the top of a page."""

from markupsafe import Markup

from qdash.markup import Macros, parts
from qdash.verdict import Verdict

_draw = Macros(__name__)


def verdict_html(verdict: Verdict) -> Markup:
    """The verdict, with what stands out in it."""
    return _draw.sentence(parts.emphasized(verdict.headline), verdict.why)


def sentence_html(headline: str | Markup, why: str) -> Markup:
    """A headline over a plain line."""
    return _draw.sentence(headline, why)
