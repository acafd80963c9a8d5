"""What pressing Compare will take, said beforehand: memory, download, and what the chosen model is."""

from html import escape
from typing import Any

from qdash.catalog.models import MODELS, Task
from qdash.errors import QdashError
from qdash.planning import Plan
from qdash.ui import text
from qdash.ui.backend import Backend
from qdash.ui.form import Form, check_model, draft
from qdash.ui.run import internal_error


def estimate(form: Form, backend: Backend) -> tuple[str, str, Task]:
    """(line under the model, pre-flight line, task), as markup; never raises, problems become the line."""
    model = form.model if isinstance(form.model, str) else ""
    task: Task = "image-text-to-text"
    try:
        task = reads(form.model, backend)
        plan = backend.plan(draft(form))
        return model_line(plan), preflight_line(plan), task
    except QdashError as error:
        return _catalogue_line(model), problem_line(error), task
    except Exception:
        return _catalogue_line(model), problem_line(internal_error()), task


def reads(model: Any, backend: Backend) -> Task:
    """Whether a model sees; one that nobody knows yet is offered everything, and what is wrong with it is said elsewhere."""
    if model in MODELS:
        return MODELS[model].task
    try:
        return backend.task(check_model(model))
    except QdashError:
        return "image-text-to-text"


def model_line(plan: Plan) -> str:
    """Parameters, what it is, where it comes from."""
    known = MODELS.get(plan.model)
    parts = [f"{text.count(plan.parameters)} parameters"]
    if plan.download_bytes:
        parts.append(f"download {text.megabytes(plan.download_bytes)}")
    parts.append(known.about if known else "your own model")
    return escape(" · ".join(parts))


def preflight_line(plan: Plan) -> str:
    """“Needs about 0.2 GB of 23 GB ✓”, and what is downloaded or made first."""
    need, there = text.megabytes(plan.needed_bytes), text.megabytes(plan.available_bytes)
    first = _first(plan)
    if plan.needed_bytes <= plan.available_bytes:
        return f'Needs about {need} of {there} <span class="good">✓</span>{first}'
    if plan.fits:
        return f"Needs about {need} of {there}: versions take turns in memory{first}"
    return f'<span class="bad">✕ Needs about {need}, only {there} are free.</span> Choose fewer bits or a smaller model.{first}'


def _first(plan: Plan) -> str:
    """What happens before the first answer, where it takes a while."""
    download = f" · downloads {text.megabytes(plan.download_bytes)} first" if plan.download_bytes else ""
    making = f" · makes {text.megabytes(plan.made_bytes)} of random weights first" if plan.made_bytes else ""
    return download + making


def problem_line(error: QdashError) -> str:
    """Why there is no estimate."""
    return f'<span class="bad">✕ {escape(error.message)}</span> {escape(error.remedy)}'


def _catalogue_line(model: str) -> str:
    known = MODELS.get(model)
    return escape(f"{text.count(known.parameters)} parameters · {known.about}") if known else ""
