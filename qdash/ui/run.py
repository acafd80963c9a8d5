"""A comparison as a stream of what the page should show: plain records in, plain records out, no components."""

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from qdash.errors import QdashError
from qdash.records import Request
from qdash.ui import text
from qdash.ui.backend import Backend
from qdash.ui.board import Board, advance, queued_board
from qdash.ui.form import Form, check_model, checked
from qdash.ui.line import Line, Place
from qdash.ui.pacing import paced

REFRESH_S = 0.1
"""The page is redrawn at most this often while text streams in: a browser cannot read faster, and every redraw is a message."""


@dataclass(frozen=True)
class View:
    """One moment of a comparison. `error` is what to put into the banner; `over` marks the last view, which has the picture's PNG too."""

    board: Board | None = None
    status: str = ""
    error: QdashError | None = None
    over: bool = False
    png: bytes | None = None


def run(form: Form, backend: Backend, line: Line, stop: Event) -> Iterator[View]:
    """Check, wait in line, compare. Never raises: whatever goes wrong is in the last view, and the cards so far stay."""
    view = View(status="Checking the question.")
    yield view
    try:
        request, png = checked(form, backend.task(check_model(form.model)))
        for view in _queued_run(request, png, backend, line, stop):
            yield view
        yield View(board=view.board, over=True, png=png)
    except QdashError as error:
        yield View(board=view.board, error=error, over=True)
    except Exception:
        yield View(board=view.board, error=internal_error(), over=True)


def internal_error() -> QdashError:
    """Log the exception being handled and return what a person may see of it."""
    traceback.print_exc(file=sys.stderr)
    remedy = "Your inputs are kept; try once more. If it happens again, the server's log has the details."
    return QdashError("Something went wrong inside qdash.", remedy, "internal")


def _queued_run(request: Request, png: bytes | None, backend: Backend, line: Line, stop: Event) -> Iterator[View]:
    board = queued_board(request)
    with line.join() as ticket:
        for place in ticket.wait(stop):
            yield View(board=board, status=waiting(place))
        yield from paced(board, backend.compare(request, png, stop), advance, _view, REFRESH_S)


def _view(board: Board) -> View:
    return View(board=board, status=doing(board) if board.comparison is None else "")


def waiting(place: Place) -> str:
    """The line above the cards while somebody else is served."""
    wait = f" · {text.seconds(place.wait_s)} left" if place.wait_s is not None else ""
    return f"Somebody else is being answered. You are number {place.position} of {place.length} in line{wait}."


def doing(board: Board) -> str:
    """The line above the cards while this comparison runs."""
    done = sum(card.result is not None for card in board.cards)
    current = next((card for card in board.cards if card.running), None)
    if current is None:
        return "Starting a worker." if done < len(board.cards) else "Finishing."
    if done == len(board.cards):
        return "Timing the original once more: how far two equal measurements lie apart tells which differences are real."
    return f"{current.label}: {text.STATES[current.state][1].lower()} · {done + 1} of {len(board.cards)}"
