"""An evaluation as a stream of what the page should show: plain records in, plain records out, no components."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash.errors import QdashError
from qdash.present.language import _
from qdash.records import EvaluationEvent, EvaluationRequest
from qdash.stopping import unless_stopped
from qdash.tasks import Item
from qdash.ui.quality.form import QualityForm, requested
from qdash.ui.quality.question_file import items_of
from qdash.ui.results.evaluation_progress import doing, left_s
from qdash.ui.results.quality_state import QualityState, queued_state, reduce
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, waiting
from qdash.ui.server.throttle import paced

Questions = tuple[Item, ...] | None

REFRESH_S = 0.25
"""The table is redrawn at most this often while answers come in."""


@dataclass(frozen=True)
class QualityView:
    """One moment of an evaluation. `error` is for the banner; `over` marks the last view; `items` are a file's questions, with pictures."""

    state: QualityState | None = None
    status: str = ""
    error: QdashError | None = None
    over: bool = False
    items: tuple[Item, ...] = ()


def evaluated(form: QualityForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[QualityView]:
    """Check, fetch the questions, wait in the queue, evaluate. Never raises: an error is in the last view, beside the rows so far."""
    view, items = QualityView(status=_("Reading the questions.")), None
    yield view
    try:
        request, task, content = requested(form)
        if task.key == "lambada" and content is None:
            yield QualityView(status=_("Fetching the passages from the hub."))
        stopped = QdashError("Stopped before the questions were loaded.", "Press Evaluate to fetch them again.", "cancelled")
        items = unless_stopped(partial(items_of, task, request.source, content), stop, stopped)
        for view in _queued(request, items, backend, line, stop):
            yield view
        yield QualityView(state=view.state, over=True, items=items or ())
    except QdashError as error:
        yield QualityView(state=view.state, error=by_button(error, "Evaluate"), over=True, items=items or ())
    except Exception:
        yield QualityView(state=view.state, error=internal_error(), over=True)


def _queued(request: EvaluationRequest, items: Questions, backend: Backend, line: Entrance, stop: Event) -> Iterator[QualityView]:
    state = queued_state(request)
    with line.join(gives_way=True) as ticket:
        for place in ticket.wait(stop):
            yield QualityView(state=state, status=waiting(place))

        def advance(state: QualityState, event: EvaluationEvent) -> QualityState:
            state = reduce(state, event)
            ticket.expect(left_s(state))
            return state

        yield from paced(state, backend.evaluate(request, stop, items), advance, _view, lambda _state: REFRESH_S)


def _view(state: QualityState) -> QualityView:
    return QualityView(state=state, status=doing(state) if state.evaluation is None else "")
