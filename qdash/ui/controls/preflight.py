"""Estimates before a run: the memory and download that Compare will need, and what the chosen model is."""

from typing import Any

from markupsafe import Markup

from qdash.catalog.models import MODELS, ModelTask
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.runs.plan import Plan
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.components.markup import problem
from qdash.ui.controls.form import Form, check_model, draft
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import internal_error

_draw = Macros(__name__)


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
    parts = [f"{text.count(plan.parameters)} parameters"]
    if plan.download_bytes:
        parts.append(f"download {text.megabytes(plan.download_bytes)}")
    parts.append(known.about if known else "your own model")
    return _draw.model(" · ".join(parts))


def preflight_line(plan: Plan) -> Markup:
    """“Needs about 0.2 GB of 23 GB ✓”, what is downloaded or made first, and which versions will be the original again."""
    need, there = text.megabytes(plan.needed_bytes), text.megabytes(plan.available_bytes)
    rest, about = _draw.rest(_first(plan), _nothing(plan)), "roughly" if plan.rough else "about"
    if plan.needed_bytes <= plan.available_bytes:
        return _draw.fits(f"Needs {about} {need} of {there}", rest)
    if plan.fits:
        return _draw.fits_one_by_one(f"Needs {about} {need} of {there}", rest)
    largest = text.megabytes(plan.largest_bytes)
    return _draw.too_large(f"The largest version needs {about} {largest}, only {there} may be used.", _less(plan), rest)


def _less(plan: Plan) -> str:
    """What would fit. The original is always among the versions, so fewer bits help only if it is not the largest itself."""
    original = plan.variants[0]
    if any(variant.loading_bytes > original.loading_bytes for variant in plan.variants if variant.unavailable is None):
        ways = ["Choose fewer bits", "a smaller model"]
    elif original.estimated_bytes > 3 * plan.parameters:
        ways = ["Choose a smaller model", "16 bits as baseline data type under Measurement"]
    else:
        ways = ["Choose a smaller model"]
    if not settings().public:
        ways.append("close other programs")
    return f"{', '.join(ways[:-1])}{' or ' if ways[:-1] else ''}{ways[-1]}."


def _first(plan: Plan) -> str:
    """What happens before the first answer, where it takes a while."""
    download = f" · downloads {text.megabytes(plan.download_bytes)} first" if plan.download_bytes else ""
    making = f" · makes {text.megabytes(plan.made_bytes)} of random weights first" if plan.made_bytes else ""
    return download + making


def _nothing(plan: Plan) -> str:
    """The schemes that quantize nothing of the model, so that there is nothing to compare."""
    labels = dict.fromkeys(find_scheme(variant.scheme).label for variant in plan.variants if variant.takes_nothing)
    if not labels:
        return ""
    verb = "quantizes" if len(labels) == 1 else "quantize"
    return f"{', '.join(labels)} {verb} nothing in this model"


def problem_line(error: QdashError) -> Markup:
    """Why there is no estimate."""
    return problem(error)


def _catalogue_line(model: str) -> Markup:
    known = MODELS.get(model)
    return _draw.model(f"{text.count(known.parameters)} parameters · {known.about}" if known else "")
