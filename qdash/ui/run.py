"""A comparison as a stream of what the page should show: plain records in, plain records out, no components."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash.errors import QdashError
from qdash.records import Event as ComparisonEvent
from qdash.records import Request
from qdash.stopping import unless_stopped
from qdash.ui import text
from qdash.ui.backend import Backend
from qdash.ui.board import Board, advance, queued_board
from qdash.ui.form import Form, check_model, checked
from qdash.ui.line import Ahead, Entrance, Place, Ticket
from qdash.ui.pacing import paced
from qdash.ui.request_faults import log_fault
from qdash.ui.to_go import Course
from qdash.wording import ordinal

REFRESH_S = 0.1
"""The page is redrawn at most this often while text streams in: a browser cannot read faster, and every redraw is a message."""

TIMING_REFRESH_S = 2.0
"""While variants are timed; see `pacing`."""


@dataclass(frozen=True)
class View:
    """One moment of a comparison. `error` is what to put into the banner; `over` marks the last view, which has the picture's PNG too."""

    board: Board | None = None
    status: str = ""
    error: QdashError | None = None
    over: bool = False
    png: bytes | None = None


def run(form: Form, backend: Backend, line: Entrance, stop: Event) -> Iterator[View]:
    """Check, wait in line, compare. Never raises: whatever goes wrong is in the last view, and the cards so far stay."""
    view, png = View(status="Checking the question."), None
    yield view
    try:
        model = check_model(form.model)
        stopped = QdashError("Stopped before the model was found.", "Press Compare to look it up again.", "cancelled")
        request, png = checked(form, unless_stopped(partial(backend.task, model), stop, stopped))
        for view in _queued_run(request, png, backend, line, stop):
            yield view
        yield View(board=view.board, over=True, png=png)
    except QdashError as error:
        yield View(board=view.board, error=by_button(error, "Compare"), over=True, png=png)
    except Exception:
        yield View(board=view.board, error=internal_error(), over=True)


def by_button(error: QdashError, button: str) -> QdashError:
    """`error`, but whoever has pressed Stop is told which `button` starts again: only the page knows."""
    return QdashError(error.message, f"Press {button} to start again.", error.kind) if error.kind == "cancelled" else error


def internal_error() -> QdashError:
    """Log the exception being handled, with others of a minute in some lines only, and return what a person may see of it."""
    error = sys.exception()
    if error is not None:
        log_fault(error, "a job")
    remedy = "Your inputs are kept; try once more. If it happens again, the server's log has the details."
    return QdashError("Something went wrong inside qdash.", remedy, "internal")


def _queued_run(request: Request, png: bytes | None, backend: Backend, line: Entrance, stop: Event) -> Iterator[View]:
    board, course = queued_board(request), Course(request.measurement, _read_bytes(request, backend, stop))
    with line.join(alone=False) as ticket:
        for place in ticket.wait(stop):
            yield View(board=board, status=waiting(place))
        served = _Served(ticket, course)
        yield from paced(board, backend.compare(request, png, stop), served.advance, served.view, _refresh_s)


def _refresh_s(board: Board) -> float:
    return TIMING_REFRESH_S if board.timing else REFRESH_S


def _read_bytes(request: Request, backend: Backend, stop: Event) -> list[int] | None:
    """Of each version, 0 where it will not run; None where a model cannot be looked up, which the run itself will tell."""
    try:
        plan = unless_stopped(partial(backend.plan, request), stop, QdashError("Stopped before anything ran.", "", "cancelled"))
    except QdashError:
        return None
    return [0 if variant.unavailable else variant.read_bytes for variant in plan.variants]


@dataclass(frozen=True)
class _Served:
    """A run that is being served: it tells the line when its answers are made, and notes how it goes."""

    ticket: Ticket
    course: Course

    def advance(self, board: Board, event: ComparisonEvent) -> Board:
        board = advance(board, event)
        if board.answered:
            self.ticket.has_answered()
        self.course.follow(board, event)
        self.ticket.expect(self.course.left_s(board))
        return board

    def view(self, board: Board) -> View:
        if board.comparison is not None:
            return View(board=board)
        return View(board=board, status=doing(board, self.ticket.ahead(), self.course.words(board)))


def waiting(place: Place) -> str:
    """The line above the cards while others are served."""
    wait = f" · {text.seconds(place.wait_s)} left" if place.wait_s is not None else ""
    return f"Another visitor's run is in progress. You're {ordinal(place.position)} in line{wait}."


def doing(board: Board, ahead: Ahead, left: str = "") -> str:
    """The line above the cards while this comparison runs, or waits for the device; `left`: how long it will take, if that is known."""
    current = next((card for card in board.cards if card.running and card.state != "measuring"), None)
    if current is None:
        return _timing(board, ahead, left) if board.answered or board.timing else "Starting a worker."
    if current.waiting and ahead.answers:
        return f"Waiting for {text.several(ahead.answers, 'answer', 'answers')} before yours{_about(ahead.wait_s)}."
    to_go = f" · {left}" if left and not (ahead.answers or ahead.timings) else ""
    if board.answered:
        return f"Your answers are here. First, the original is compared with itself{to_go}."
    done = sum(card.result is not None for card in board.cards)
    return f"{current.label}: {text.STATES[current.state][1].lower()} · {done + 1} of {len(board.cards)}{to_go}"


def _timing(board: Board, ahead: Ahead, left: str) -> str:
    if not any(card.state == "answered" or card.running for card in board.cards):
        return "Finishing."
    latest, others = board.cards[board.latest], ahead.answers + ahead.timings
    if others and (latest.waiting or not board.timing):
        runs = text.several(others, "other run", "other runs")
        return f"Your answers are here. Timing waits for {runs}{_about(ahead.wait_s)}."
    if latest.detail.startswith("waiting"):
        return f"Your answers are here. Timing is {latest.detail}."
    detail = f": {latest.detail}" if latest.detail else ""
    return f"Your answers are here. Now every version is timed in turn{detail}{f' · {left}' if left else ''}."


def _about(wait_s: float | None) -> str:
    return "" if wait_s is None else f", {text.seconds(wait_s)}"
