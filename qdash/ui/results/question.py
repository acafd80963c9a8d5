"""What a comparison asked, beside its answers: the question and the picture."""

from base64 import b64encode

from markupsafe import Markup

from qdash.history.pictures import small_picture
from qdash.markup import Macros
from qdash.records import Comparison
from qdash.ui.components import text

_draw = Macros(__name__)


def asked_html(comparison: Comparison, picture: bytes | None) -> Markup:
    """The question and the picture, a small WebP; a run shown to strangers may come without either."""
    asked = comparison.request.picture
    shown = f"data:image/webp;base64,{b64encode(picture).decode()}" if picture else ""
    return _draw.asked(comparison.request.prompt, shown, asked.notes if asked else (), text.SHARED_WITHOUT_QUESTION)


def asked_just_now(comparison: Comparison, png: bytes | None) -> Markup:
    """The same from the picture as the model saw it, an RGB PNG."""
    return asked_html(comparison, small_picture(png) if png else None)
