"""Whether the form still asks what the results on the page answer."""

from qdash.errors import QdashError
from qdash.records import Comparison
from qdash.ui.components import text
from qdash.ui.controls.form import Form, check_model, checked
from qdash.ui.server.backend import Backend


def earlier_html(comparison: Comparison | None, form: Form, backend: Backend) -> str:
    """The note that the results are from before, if the form asks something else; else empty."""
    if comparison is None or _asks(form, backend, comparison):
        return ""
    return f'<p class="earlier" aria-live="polite"><span aria-hidden="true">↺</span> {text.EARLIER}</p>'


def _asks(form: Form, backend: Backend, comparison: Comparison) -> bool:
    try:
        request, _ = checked(form, backend.task(check_model(form.model)))
    except QdashError:
        return False
    return request == comparison.request
