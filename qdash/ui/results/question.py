"""What a comparison asked, beside its answers: the question and the picture."""

from base64 import b64encode

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.language import _
from qdash.records import Comparison
from qdash.ui.components import text

_draw = Macros(__name__)


def asked_html(comparison: Comparison, picture: bytes | None) -> Markup:
    """The question and the picture, a small WebP; a run shown to strangers may come without either."""
    asked = comparison.request.picture
    shown = f"data:image/webp;base64,{b64encode(picture).decode()}" if picture else ""
    return _draw.asked(comparison.request.prompt, shown, asked.notes if asked else (), _(text.SHARED_WITHOUT_QUESTION))
