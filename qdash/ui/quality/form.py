"""What a person asks for on the Quality tab, and its way to a checked request: which task, how many questions, whose.

Values arrive unchecked from the browser, so all are checked here.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from qdash.catalog.models import MODELS, is_random
from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.records import EvaluationRequest
from qdash.records.evaluation import MAX_ITEMS
from qdash.tasks import TASKS, Task, bundled_items, find_task
from qdash.ui.controls.form import FormValues, check_model, check_variants, whole_number
from qdash.ui.controls.uploaded_files import Content, handed_in
from qdash.ui.quality.question_file import WITH_FILE


@dataclass(frozen=True)
class QualityForm(FormValues):
    """The values, unchecked."""

    model: Any
    schemes: Any
    baseline_dtype: Any
    device: Any
    task: Any
    limit: Any
    file: Any


def tasks_for(model: str, reads: ModelTask) -> list[Task]:
    """The tasks that fit a model, the one it was made for first; none for random weights.

    A bundled model knows nothing but what it was taught, so of the bundled tasks it is offered its own.
    """
    if is_random(model):
        return []
    bundled = model in MODELS and MODELS[model].kind == "bundled"
    fitting = [task for task in TASKS.values() if not task.sees or reads == "image-text-to-text"]
    if bundled:
        fitting = [task for task in fitting if task.made_for == model or task.key == "own"]
    return sorted(fitting, key=lambda task: task.made_for != model)


def questions_of(task: Task) -> int | None:
    """How many questions a task has; None if only its file knows."""
    found = bundled_items(task.key)
    return len(found) if found is not None else None


def asked_at_first(task: Task) -> int | None:
    """The field's initial value; None: all."""
    return task.limit or questions_of(task)


def requested(form: QualityForm) -> tuple[EvaluationRequest, Task, Content | None]:
    """The request, its task, and the files of questions if there are any. Raises QdashError."""
    task = _task(form.task)
    name, content = handed_in(form.file) if task.key in WITH_FILE else (None, None)
    if task.key == "own" and content is None:
        remedy = "Choose a CSV or JSON-lines file with the columns prompt and answer, or a ZIP file with one in it."
        raise QdashError("There is no file of questions yet.", remedy)
    try:
        request = EvaluationRequest(
            variants=check_variants(check_model(form.model), form.schemes), task=task.key, limit=_limit(form.limit), source=name,
            device=form.device, baseline_dtype=form.baseline_dtype or None,
        )  # fmt: skip
    except ValidationError as error:
        field = error.errors()[0]["loc"][0]
        raise QdashError(f"“{field}” has a value that does not exist.", "Open Measurement and choose it again.") from None
    return request, task, content


def _task(value: Any) -> Task:
    if not isinstance(value, str) or not value:
        raise QdashError("There is no task for this model.", "Choose a model that has been trained.")
    return find_task(value)


def _limit(value: Any) -> int | None:
    """A whole number of questions; an empty field means all."""
    if value is None or value == "":
        return None
    number = whole_number(value, 1, MAX_ITEMS)
    if number is None:
        raise QdashError(f"{str(value)[:20]} questions cannot be asked.", f"Ask 1 to {MAX_ITEMS:,}, or leave the field empty for all.")
    return number
