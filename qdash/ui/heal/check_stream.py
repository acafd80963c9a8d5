"""Counting the right answers of a healed version as what the page should show: plain records in, plain records out, no components."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.offer import check_training
from qdash.present.language import _
from qdash.records import EvaluationEvent, EvaluationRequest, HealReport
from qdash.records.evaluation import MAX_ITEMS
from qdash.runs.heal_check import check_request
from qdash.tasks import TASKS, Item, Task, read_custom
from qdash.ui.controls.bundled_tasks import tasks_for
from qdash.ui.controls.form import FormValues, check_device, check_model, whole_number
from qdash.ui.controls.preflight import reads
from qdash.ui.controls.uploaded_files import handed_in
from qdash.ui.heal.stream import kept_version, planned
from qdash.ui.results.evaluation_progress import doing, left_s
from qdash.ui.results.quality_state import queued_state, reduce
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import guarded
from qdash.ui.server.run_queue import Entrance, waiting

OWN = "own"
FIRST_QUESTIONS = 100


@dataclass(frozen=True)
class CheckForm(FormValues):
    """The values, unchecked."""

    model: Any
    device: Any
    scheme: Any
    task: Any
    file: Any
    limit: Any


@dataclass(frozen=True)
class CheckView:
    """One moment of a check: a status and the scheme that is checked; then a report or an error."""

    status: str = ""
    scheme: str | None = None
    report: HealReport | None = None
    error: QdashError | None = None


def check_tasks(model: Any, backend: Backend) -> list[Task]:
    """What a healed version of a model can be asked: the tasks that come with qdash, and one's own questions."""
    return [*tasks_for(str(model), reads(model, backend)), TASKS[OWN]]


def checked(form: CheckForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[CheckView]:
    """Check the form, wait in the queue, ask. Never raises."""
    return guarded(_run(form, backend, line, stop), "Check its answers", lambda error, _before: CheckView(error=error))


def _run(form: CheckForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[CheckView]:
    yield CheckView(_("Reading the questions."))
    kept, request, items = requested(form, backend)
    state = queued_state(request)
    with line.join(gives_way=True) as ticket:
        for place in ticket.wait(stop):
            yield CheckView(waiting(place), kept.scheme)

        def views(event: EvaluationEvent) -> Iterator[CheckView]:
            nonlocal state
            state = reduce(state, event)
            ticket.expect(left_s(state))
            yield CheckView(doing(state), kept.scheme)

        report = yield from forward_events(backend.check_healed(kept, request, stop, items), views)
    yield CheckView(scheme=kept.scheme, report=report)


def requested(form: CheckForm, backend: Backend) -> tuple[HealReport, EvaluationRequest, Sequence[Item] | None]:
    """The version that is kept, what it is asked, and the questions of a file. Raises QdashError."""
    check_training()
    model, device, limit = check_model(form.model), check_device(form.device), _limit(form.limit)
    kept = kept_version(planned(model, form.scheme, device, backend))
    if form.task not in [task.key for task in check_tasks(model, backend)]:
        raise QdashError("What to ask is not chosen.", "Choose questions.")
    name, content = handed_in(form.file) if form.task == OWN else (None, None)
    if form.task == OWN and content is None:
        raise QdashError("There is no file of questions yet.", "Choose a file with questions and answers.")
    items = None if content is None else read_custom(content, name or "The file")
    return kept, check_request(kept, form.task, limit, source=name, device=device), items


def _limit(value: Any) -> int:
    number = whole_number(value, 1, MAX_ITEMS)
    if number is None:
        raise QdashError(f"{str(value)[:20]} questions cannot be asked.", f"Ask 1 to {MAX_ITEMS:,}.")
    return number
