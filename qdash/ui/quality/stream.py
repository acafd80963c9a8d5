"""An evaluation as a stream of what the page should show: plain records in, plain records out, no components."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash.errors import QdashError
from qdash.present.language import _, decimal, recorded
from qdash.records import EvaluationEvent, EvaluationRequest
from qdash.stopping import unless_stopped
from qdash.tasks import Item
from qdash.ui.components import text
from qdash.ui.quality.form import QualityForm, requested
from qdash.ui.quality.question_file import items_of
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
            ticket.expect(_left_s(state))
            return state

        yield from paced(state, backend.evaluate(request, stop, items), advance, _view, lambda _state: REFRESH_S)


def _view(state: QualityState) -> QualityView:
    return QualityView(state=state, status=doing(state) if state.evaluation is None else "")


def doing(state: QualityState) -> str:
    """The line below the headline while this evaluation runs: the variant, its progress and the time left."""
    finished = sum(row.result is not None for row in state.rows)
    row = state.current
    if row is None:
        return _("Starting a worker.") if finished < len(state.rows) else _("Finishing.")
    if row.state == "measuring":
        if row.waiting:
            doing = recorded(row.detail)
            return _("Asking the original some questions again, to see how much timings vary · {doing}.", doing=doing)
        return _("Asking the original some questions again, to see how much timings vary.")
    said = [f"{recorded(row.label)}: {_(text.WITHIN[row.state])}"]
    if row.state == "answering" and row.done:
        said.append(_("question {number} of {total}", number=decimal(row.done), total=decimal(row.total)))
    said.append(_("version {number} of {total}", number=state.rows.index(row) + 1, total=len(state.rows)))
    left_s = _left_s(state)
    if row.waiting:  # the answers of a comparison come first
        said.append(recorded(row.detail))
    elif left_s is not None:
        said.append(text.to_go(left_s))
    return " · ".join(said)


def _left_s(state: QualityState) -> float | None:
    """Seconds left for all variants, if the others take as long for a question as the current one; None if unknown."""
    row = state.current
    if row is None or row.eta_s is None or row.done >= row.total:
        return None
    per_item = row.eta_s / (row.total - row.done)
    waiting_rows = sum(other.state == "queued" for other in state.rows)
    return row.eta_s + per_item * row.total * waiting_rows
