"""The verdict as markup for the top of a page."""

from html import escape

from qdash.verdict import Verdict


def verdict_html(verdict: Verdict) -> str:
    """The verdict as markup."""
    headline = "".join(f"<em>{escape(span)}</em>" if strong else escape(span) for span, strong in verdict.headline)
    return sentence_html(headline, verdict.why)


def sentence_html(headline: str, why: str) -> str:
    """A headline (markup) over a plain line."""
    return f'<h2 class="verdict">{headline}</h2><p class="sub">{escape(why)}</p>'
