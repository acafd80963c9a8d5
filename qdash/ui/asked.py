"""What a comparison asked, beside its answers: the question, the picture, and whether the form still asks the same."""

from base64 import b64encode
from html import escape

from qdash.errors import QdashError
from qdash.history.pictures import small_picture
from qdash.records import Comparison
from qdash.ui import text
from qdash.ui.backend import Backend
from qdash.ui.form import Form, check_model, checked


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


def earlier_html(comparison: Comparison | None, form: Form, backend: Backend) -> str:
    """A line where the form asks something else than the results on the page answer; empty where it asks the same."""
    if comparison is None or _asks(form, backend, comparison):
        return ""
    return f'<p class="earlier" aria-live="polite"><span aria-hidden="true">↺</span> {text.EARLIER}</p>'


def _asks(form: Form, backend: Backend, comparison: Comparison) -> bool:
    try:
        request, _ = checked(form, backend.task(check_model(form.model)))
    except QdashError:
        return False
    return request == comparison.request
