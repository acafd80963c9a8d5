"""A game as the page should show it: moves come in through a table, of which only the newest state counts, and views go out.

The game is a run like any other (see `server/runs`): it belongs to its visitor, comes back after a reload, and ends with Stop, with another
model, or a minute after its tab has gone, and its worker with it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Condition, Event

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.inputs import check_prompt, read_picture
from qdash.present.language import _, recorded
from qdash.records import Played, PlayLayer, PlayRequest, Question, Step
from qdash.runs.play import Game
from qdash.settings import settings
from qdash.ui.controls.form import check_device, check_model, picture_path
from qdash.ui.play.moves import Asked, Move, Wanted
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, waiting
from qdash.zerogpu import active as on_zerogpu

MOST_TOKENS = 32
SLOW_S = 1.0
"""A model that takes longer than this for a move is asked once the slider rests."""
REST_S = 0.5
POLL_S = 0.5


class Table:
    """Where a visitor's moves lie until they are made: `wanted` is the state after the last.

    `slow`: moves of the slider wait until it rests. `layers`: what can be changed, once that is known.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._changed = Condition()
        self.wanted, self._number, self._taken, self._moved_s = wanted, 1, 0, 0.0
        self.slow = False
        self.layers: tuple[PlayLayer, ...] = ()

    def learn(self, played: Played) -> None:
        """What came of a move."""
        self.slow, self.layers = played.seconds > SLOW_S, played.layers

    def move(self, move: Move, *, rests: bool = False) -> None:
        """Make a move. `rests`: more are likely to follow at once, as while something is typed. Raises the move's QdashError."""
        with self._changed:
            after = move(self.wanted)
            if after == self.wanted:
                return
            self.wanted, self._number = after, self._number + 1
            self._moved_s = time.monotonic() if rests else 0.0
            self._changed.notify_all()

    def take(self, stop: Event, patience_s: float | None) -> Wanted | None:
        """The newest state that was not taken yet, once there is one; None when the game is over.

        `patience_s`: how long to wait for a move; None: for ever.
        """
        began = time.monotonic()
        with self._changed:
            while self._number == self._taken or time.monotonic() - self._moved_s < REST_S:
                if stop.is_set() or (patience_s is not None and time.monotonic() - began > patience_s):
                    return None
                self._changed.wait(POLL_S if self._number == self._taken else REST_S / 5)
            self._taken = self._number
            return None if stop.is_set() else self.wanted


@dataclass(frozen=True)
class PlayView:
    """One moment of a game: a status or an error, with what came of the last move once there is one."""

    status: str = ""
    wanted: Wanted | None = None
    played: Played | None = None
    error: QdashError | None = None


def game(table: Table, owner: str, backend: Backend, line: Entrance, stop: Event) -> Iterator[PlayView]:
    """Check, set up, and make moves until the game is over; `owner` is that of its worker alone.

    Never raises: what is on the page stays beside an error.
    """
    view = PlayView()
    try:
        for view in _game(table, owner, backend, line, stop):
            yield view
    except QdashError as error:
        yield replace(view, status="", error=by_button(error, "Play"))
    except Exception:
        yield replace(view, status="", error=internal_error())


def _game(table: Table, owner: str, backend: Backend, line: Entrance, stop: Event) -> Iterator[PlayView]:
    yield PlayView(status=_("Looking for the model."))
    first = table.take(stop, None)
    if first is None:
        return
    model = check_model(first.asked.model)
    # A GPU that is lent for one run at a time would be asked for at every move.
    device = "cpu" if on_zerogpu() else check_device(first.asked.device)
    setting_up = backend.begin_play(model, owner, stop, device=device)
    begun = yield from forward_events(setting_up, lambda step: [PlayView(status=recorded(step.detail))] if step.detail else [])
    try:
        yield from _moves(table, first, begun, backend, line, stop)
    finally:
        backend.end_play(begun)


def _moves(table: Table, wanted: Wanted | None, begun: Game, backend: Backend, line: Entrance, stop: Event) -> Iterator[PlayView]:
    view = PlayView()
    patience_s = settings().public_seconds if settings().public else None
    questions = _Questions(backend)
    while wanted is not None:
        try:
            for moment in _moved(view, wanted, questions, begun, backend, line, stop):
                view = moment
                yield view
            if view.played is not None:
                table.learn(view.played)
        except QdashError as error:
            if stop.is_set():
                return
            view = replace(view, status="", wanted=wanted, error=by_button(error, "Play"))
            yield view
        wanted = table.take(stop, patience_s)


def _moved(
    before: PlayView, wanted: Wanted, questions: "_Questions", begun: Game, backend: Backend, line: Entrance, stop: Event
) -> Iterator[PlayView]:
    """The views of one move: what comes before it, if anything does, and what came of it."""
    request = PlayRequest(actions=wanted.actions, question=questions.of(wanted.asked), max_tokens=MOST_TOKENS, where=wanted.where)

    def told(step: Step) -> Iterator[PlayView]:
        if step.detail:
            yield replace(before, status=recorded(step.detail), error=None)

    with line.join(alone=False, brief=True) as ticket:
        for place in ticket.wait(stop):
            yield replace(before, status=waiting(place), error=None)
        played = yield from forward_events(backend.play(begun, request, stop), told)
    yield PlayView(wanted=wanted, played=played)


@dataclass
class _Questions:
    """The question to the worker, read again only when the sidebar has another."""

    backend: Backend
    _known: tuple[Asked, Question] | None = None

    def of(self, asked: Asked) -> Question:
        """Raises QdashError for what cannot be asked."""
        if self._known is None or self._known[0] != asked:
            prompt = check_prompt(asked.question if isinstance(asked.question, str) else "")
            sees = self.backend.task(check_model(asked.model)) == "image-text-to-text"
            png = read_picture(picture_path(asked.picture))[1] if sees else None
            self._known = asked, Question(prompt=prompt, png=png)
        return self._known[1]
