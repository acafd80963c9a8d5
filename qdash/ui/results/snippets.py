"""The code behind each variant: what a person would paste to get the same model without qdash."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.records import Comparison

_draw = Macros(__name__)


def snippets_html(comparison: Comparison) -> Markup:
    """One copyable block per variant that was built."""
    return _draw.snippets([result for result in comparison.variants if result.snippet])
