"""Whether the form still asks what the results on the page answer."""

from markupsafe import Markup

from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.present.language import _
from qdash.records import Comparison
from qdash.ui.components import text
from qdash.ui.controls.form import Form, check_model, checked
from qdash.ui.server.backend import Backend

_draw = Macros(__name__)


def earlier_html(comparison: Comparison | None, form: Form, backend: Backend) -> Markup:
    """A line where the form asks something else than the results on the page answer; empty where it asks the same."""
    if comparison is None or _asks(form, backend, comparison):
        return Markup()
    return _draw.earlier(_(text.EARLIER))


def _asks(form: Form, backend: Backend, comparison: Comparison) -> bool:
    try:
        request, _png = checked(form, backend.task(check_model(form.model)))
    except QdashError:
        return False
    return request == comparison.request
