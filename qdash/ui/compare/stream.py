"""A comparison as a stream of what the page should show: plain records in, plain records out, no components."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash.errors import QdashError
from qdash.present.language import _, ngettext, recorded
from qdash.records import Event as ComparisonEvent
from qdash.records import Request
from qdash.stopping import unless_stopped
from qdash.ui.compare.time_left import Course
from qdash.ui.components import text
from qdash.ui.controls.form import Form, check_model, checked
from qdash.ui.results.compare_state import CompareState, queued_state, reduce
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Ahead, Entrance, Ticket, waiting
from qdash.ui.server.throttle import paced

REFRESH_S = 0.1
"""The page is redrawn at most this often while text streams in: a browser cannot read faster, and every redraw is a message."""

TIMING_REFRESH_S = 2.0
"""While variants are timed; see `throttle`."""


@dataclass(frozen=True)
class CompareView:
    """One moment of a comparison. `error` is what to put into the banner; `over` marks the last view, which has the picture's PNG too."""

    state: CompareState | None = None
    status: str = ""
    error: QdashError | None = None
    over: bool = False
    png: bytes | None = None


def run(form: Form, backend: Backend, line: Entrance, stop: Event) -> Iterator[CompareView]:
    """Check, wait in the queue, compare. Never raises: an error is in the last view, and the cards so far stay."""
    view, png = CompareView(status=_("Checking the question.")), None
    yield view
    try:
        model = check_model(form.model)
        stopped = QdashError("Stopped before the model was found.", "Press Compare to look it up again.", "cancelled")
        request, png = checked(form, unless_stopped(partial(backend.task, model), stop, stopped))
        for view in _queued_run(request, png, backend, line, stop):
            yield view
        yield CompareView(state=view.state, over=True, png=png)
    except QdashError as error:
        yield CompareView(state=view.state, error=by_button(error, "Compare"), over=True, png=png)
    except Exception:
        yield CompareView(state=view.state, error=internal_error(), over=True)


def _queued_run(request: Request, png: bytes | None, backend: Backend, line: Entrance, stop: Event) -> Iterator[CompareView]:
    state, course = queued_state(request), Course(request.measurement, _read_bytes(request, backend, stop))
    with line.join(alone=False) as ticket:
        for place in ticket.wait(stop):
            yield CompareView(state=state, status=waiting(place))
        served = _Served(ticket, course)
        yield from paced(state, backend.compare(request, png, stop), served.reduce, served.view, _refresh_s)


def _refresh_s(state: CompareState) -> float:
    return TIMING_REFRESH_S if state.timing else REFRESH_S


def _read_bytes(request: Request, backend: Backend, stop: Event) -> list[int] | None:
    """Bytes of each version's checkpoint, 0 if it will not run; None if a model cannot be looked up, which the run itself reports."""
    try:
        plan = unless_stopped(partial(backend.plan, request), stop, QdashError("Stopped before anything ran.", "", "cancelled"))
    except QdashError:
        return None
    return [0 if variant.unavailable else variant.read_bytes for variant in plan.variants]


@dataclass(frozen=True)
class _Served:
    """A run that is being served: tells the queue when its answers are there, and tracks its progress."""

    ticket: Ticket
    course: Course

    def reduce(self, state: CompareState, event: ComparisonEvent) -> CompareState:
        state = reduce(state, event)
        if state.answered:
            self.ticket.has_answered()
        self.course.follow(state, event)
        self.ticket.expect(self.course.left_s(state))
        return state

    def view(self, state: CompareState) -> CompareView:
        if state.comparison is not None:
            return CompareView(state=state)
        return CompareView(state=state, status=doing(state, self.ticket.ahead(), self.course.words(state)))


def doing(state: CompareState, ahead: Ahead, left: str = "") -> str:
    """The line above the cards while this comparison runs or waits for the device; `left`: the time left, if known."""
    current = next((card for card in state.cards if card.running and card.state != "measuring"), None)
    if current is None:
        return _timing(state, ahead, left) if state.answered or state.timing else _("Starting a worker.")
    if current.waiting and ahead.answers:
        return _waiting_for_answers(ahead)
    to_go = left if not (ahead.answers or ahead.timings) else ""
    if state.answered and to_go:
        return _("Your answers are here. First, the original is compared with itself · {duration}.", duration=to_go)
    if state.answered:
        return _("Your answers are here. First, the original is compared with itself.")
    done = sum(card.result is not None for card in state.cards)
    place = _("{number} of {total}", number=done + 1, total=len(state.cards))
    return " · ".join(filter(None, (f"{recorded(current.label)}: {_(text.WITHIN[current.state])}", place, to_go)))


def _waiting_for_answers(ahead: Ahead) -> str:
    if ahead.wait_s is None:
        return ngettext("Waiting for {number} answer before yours.", "Waiting for {number} answers before yours.", ahead.answers)
    return ngettext(
        "Waiting for {number} answer before yours, {duration}.",
        "Waiting for {number} answers before yours, {duration}.",
        ahead.answers,
        duration=text.seconds(ahead.wait_s),
    )


def _timing(state: CompareState, ahead: Ahead, left: str) -> str:
    if not any(card.state == "answered" or card.running for card in state.cards):
        return _("Finishing.")
    latest, others = state.cards[state.latest], ahead.answers + ahead.timings
    if others and (latest.waiting or not state.timing):
        return _waiting_for_runs(others, ahead.wait_s)
    if latest.detail.startswith("waiting"):
        return _("Your answers are here. Timing is {doing}.", doing=recorded(latest.detail))
    if latest.detail:
        doing = " · ".join(filter(None, (recorded(latest.detail), left)))
        return _("Your answers are here. Now every version is timed in turn: {doing}.", doing=doing)
    if left:
        return _("Your answers are here. Now every version is timed in turn · {duration}.", duration=left)
    return _("Your answers are here. Now every version is timed in turn.")


def _waiting_for_runs(others: int, wait_s: float | None) -> str:
    if wait_s is None:
        return ngettext(
            "Your answers are here. Timing waits for {number} other run.",
            "Your answers are here. Timing waits for {number} other runs.",
            others,
        )
    return ngettext(
        "Your answers are here. Timing waits for {number} other run, {duration}.",
        "Your answers are here. Timing waits for {number} other runs, {duration}.",
        others,
        duration=text.seconds(wait_s),
    )
