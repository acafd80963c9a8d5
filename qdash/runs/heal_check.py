"""What healing is worth in right answers: the original, the version that is only rounded and the healed one get the same questions.

None of the questions was trained on: stories and drawings are told and drawn anew for training, and of a person's own questions those that
were are left out. What comes of it is kept with the healed version.
"""

from collections.abc import Generator, Sequence
from threading import Event

from qdash import checkpoints
from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.records import Evaluation, EvaluationDone, EvaluationEvent, EvaluationRequest, HealReport
from qdash.runs.evaluate import evaluate
from qdash.runs.plan import variants_of
from qdash.tasks import TASKS, Item, item_id

BASELINE = "original"


def check_task(model: str, reads: ModelTask) -> str:
    """The task that a model is checked with: its own, else one that comes with qdash and that it can take."""
    made_for = next((task.key for task in TASKS.values() if task.made_for == model), None)
    return made_for or ("drawings" if reads == "image-text-to-text" else "cloze")


def check_request(report: HealReport, task: str, limit: int, *, source: str | None = None, device: str = "auto") -> EvaluationRequest:
    """The original, the unhealed version and the healed one, with `limit` questions; `source`: the file that they are from."""
    variants = variants_of(report.model, [BASELINE, report.unhealed, report.scheme])
    return EvaluationRequest.model_validate({"variants": variants, "task": task, "limit": limit, "source": source, "device": device})


def unlearned(report: HealReport, items: Sequence[Item]) -> tuple[Item, ...]:
    """The questions that were not trained on; raises QdashError where there are none."""
    learned = set(report.learned)
    found = tuple(item for item in items if item_id(item) not in learned)
    if not found:
        message = "All of these questions were trained on, so that they cannot tell what healing is worth."
        raise QdashError(message, "Choose a file with other questions.")
    return found


def check_healed(
    report: HealReport, request: EvaluationRequest, executor: Executor, stop: Event | None = None, items: Sequence[Item] | None = None
) -> Generator[EvaluationEvent, None, HealReport]:
    """Ask the questions of `check_request`, keep the answers, and return the report with them. `items`: None for the task's own.

    Raises QdashError where the healed version has answered nothing: "cancelled" where it was stopped before.
    """
    located = checkpoints.locate(report.model, stop)
    asked = None if items is None else unlearned(report, items)
    found: Evaluation | None = None
    for event in evaluate(request, executor, stop, asked):
        found = event.evaluation if isinstance(event, EvaluationDone) else found
        yield event
    assert found is not None, "an evaluation ends with EvaluationDone"
    healed = found.variants[-1]
    if healed.accuracy is None:
        cancelled = QdashError("Stopped before the healed version had answered.", "Start it again when you like.", "cancelled")
        failed = healed.error
        raise cancelled if failed is None else QdashError(failed.message, failed.remedy, failed.kind)
    checked = report.model_copy(update={"check": found})
    checkpoints.keep_check(located, checked)
    return checked
