"""Estimates before a run: the memory and download that Compare will need, and what the chosen model is."""

from typing import Any

from markupsafe import Markup

from qdash.catalog.models import MODELS
from qdash.catalog.schemes import find_scheme
from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.present.language import N_, _, ngettext, recorded
from qdash.runs.plan import Plan
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.components.markup import problem
from qdash.ui.controls.form import Form, check_model, draft
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import internal_error

_draw = Macros(__name__)

# By whether the estimate is a rough one.
_NEEDS = {False: N_("Needs about {size} of {available}"), True: N_("Needs roughly {size} of {available}")}
_ONE_BY_ONE = {
    False: N_("Needs about {size} of {available}: versions are loaded one at a time"),
    True: N_("Needs roughly {size} of {available}: versions are loaded one at a time"),
}
_TOO_LARGE = {
    False: N_("The largest version needs about {size}, only {available} may be used."),
    True: N_("The largest version needs roughly {size}, only {available} may be used."),
}
# By whether the server is public: strangers cannot close its programs.
_FEWER_BITS = {
    False: N_("Choose fewer bits, a smaller model or close other programs."),
    True: N_("Choose fewer bits or a smaller model."),
}
_FEWER_BYTES = {
    False: N_("Choose a smaller model, 16 bits as baseline data type under Measurement or close other programs."),
    True: N_("Choose a smaller model or 16 bits as baseline data type under Measurement."),
}
_SMALLER = {False: N_("Choose a smaller model or close other programs."), True: N_("Choose a smaller model.")}


def estimate(form: Form, backend: Backend) -> tuple[Markup, Markup, ModelTask]:
    """(line under the model, pre-flight line, task), the lines as markup; never raises, problems become the line."""
    model = form.model if isinstance(form.model, str) else ""
    task: ModelTask = "image-text-to-text"
    try:
        task = reads(form.model, backend)
        plan = backend.plan(draft(form))
        return model_line(plan), preflight_line(plan), task
    except QdashError as error:
        return _catalogue_line(model), problem_line(error), task
    except Exception:
        return _catalogue_line(model), problem_line(internal_error()), task


def reads(model: Any, backend: Backend) -> ModelTask:
    """Whether a model takes pictures; an unknown model is offered everything, and its faults are shown elsewhere."""
    try:
        name = check_model(model)
        return MODELS[name].task if name in MODELS else backend.task(name)
    except QdashError:
        return "image-text-to-text"


def model_line(plan: Plan) -> Markup:
    """Parameters, what it is, where it comes from."""
    known = MODELS.get(plan.model)
    parts = [_parameters(plan.parameters)]
    if plan.download_bytes:
        parts.append(_("download {size}", size=text.megabytes(plan.download_bytes)))
    parts.append(recorded(known.about) if known else _("your own model"))
    return _draw.model(" · ".join(parts))


def preflight_line(plan: Plan) -> Markup:
    """“Needs about 0.2 GB of 23 GB ✓”, what is downloaded or made first, and which versions will be the original again."""
    needed, there = text.megabytes(plan.needed_bytes), text.megabytes(plan.available_bytes)
    rest = _draw.rest(_first(plan), _nothing(plan))
    if plan.needed_bytes <= plan.available_bytes:
        return _draw.fits(_(_NEEDS[plan.rough], size=needed, available=there), rest)
    if plan.fits:
        return _draw.fits_one_by_one(_(_ONE_BY_ONE[plan.rough], size=needed, available=there), rest)
    return _draw.too_large(_(_TOO_LARGE[plan.rough], size=text.megabytes(plan.largest_bytes), available=there), _less(plan), rest)


def _less(plan: Plan) -> str:
    """What would fit. The original is always among the versions, so fewer bits help only if it is not the largest itself."""
    original = plan.variants[0]
    if any(variant.loading_bytes > original.loading_bytes for variant in plan.variants if variant.unavailable is None):
        ways = _FEWER_BITS
    elif original.estimated_bytes > 3 * plan.parameters:
        ways = _FEWER_BYTES
    else:
        ways = _SMALLER
    return _(ways[settings().public])


def _first(plan: Plan) -> str:
    """What happens before the first answer, where it takes a while."""
    steps = []
    if plan.download_bytes:
        steps.append(_("downloads {size} first", size=text.megabytes(plan.download_bytes)))
    if plan.made_bytes:
        steps.append(_("makes {size} of random weights first", size=text.megabytes(plan.made_bytes)))
    if plan.unpacked_bytes:
        steps.append(_("unpacks {size} first", size=text.megabytes(plan.unpacked_bytes)))
    return "".join(f" · {step}" for step in steps)


def _nothing(plan: Plan) -> str:
    """The schemes that quantize nothing of the model, so that there is nothing to compare."""
    labels = dict.fromkeys(find_scheme(variant.scheme).label for variant in plan.variants if variant.takes_nothing)
    if not labels:
        return ""
    schemes = ", ".join(map(recorded, labels))
    return ngettext("{schemes} quantizes nothing in this model", "{schemes} quantize nothing in this model", len(labels), schemes=schemes)


def problem_line(error: QdashError) -> Markup:
    """Why there is no estimate."""
    return problem(error)


def _catalogue_line(model: str) -> Markup:
    known = MODELS.get(model)
    return _draw.model(f"{_parameters(known.parameters)} · {recorded(known.about)}" if known else "")


def _parameters(number: int) -> str:
    return _("{number} parameters", number=text.count(number))
