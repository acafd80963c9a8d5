"""What a comparison asked, beside its answers: the question and the picture."""

from base64 import b64encode
from html import escape

from qdash.history.pictures import small_picture
from qdash.records import Comparison
from qdash.ui.components import text


def asked_html(comparison: Comparison, picture: bytes | None) -> str:
    """The question and the picture, a small WebP; a run shown to strangers may come without either."""
    shown = ""
    if picture:
        shown = f'<img src="data:image/webp;base64,{b64encode(picture).decode()}" alt="The picture the question was about">'
    question, asked = comparison.request.prompt, comparison.request.picture
    notes = "".join(f'<p class="hint">{escape(note)}</p>' for note in asked.notes) if asked else ""
    words = f'<p dir="auto">{escape(question)}</p>' if question else f'<p class="quiet">{text.SHARED_WITHOUT_QUESTION}</p>'
    return f'<div class="asked">{shown}<div><h3>Question</h3>{words}{notes}</div></div>'


def asked_just_now(comparison: Comparison, png: bytes | None) -> str:
    """The same from the picture as the model saw it, an RGB PNG."""
    return asked_html(comparison, small_picture(png) if png else None)
