"""The order in which visitors are served, and what each is told about it.

Several comparisons are served at once: answers get the device before timings, so every visitor reads answers soon, and the timings follow
one run after another (see `execution`). An evaluation lends them the device between its batches, so they are served beside it too. All
other long jobs are served alone. Gradio's own queue could do the ordering, but it can only say "queue: 1/2"; this one shows what comes
first and for about how long, and Stop works while a visitor waits. Estimates come from the durations of earlier jobs and from the current
job's own estimate.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from threading import Condition, Event
from typing import Protocol

from qdash.errors import QdashError
from qdash.present.formatting import ordinal
from qdash.present.language import _
from qdash.ui.components import text

POLL_S = 0.25
"""Stop is noticed within this time."""

TOLD_EVERY_S = 1.0


@dataclass(frozen=True)
class Visitor:
    """Who joins: `owner` as in the history, `address` of the network. "" is unknown, and has no limit."""

    owner: str = ""
    address: str = ""


class Entrance(Protocol):
    """The queue as one visitor joins it."""

    def join(self, *, alone: bool = True, gives_way: bool = False, brief: bool = False) -> AbstractContextManager["Ticket"]:
        """See `Line.join`."""
        ...


@dataclass(frozen=True)
class Place:
    """A place in the queue, including those being served: `position` 2 of `length` 3. `wait_s` None: unknown."""

    position: int
    length: int
    wait_s: float | None


@dataclass(frozen=True)
class Ahead:
    """What the device does before the next step of a run that is being served. `answers`: runs whose answers come first; `timings`: runs
    that are timed first, 0 until this run has answered.
    """

    answers: int
    timings: int
    wait_s: float | None


@dataclass(eq=False)
class Ticket:
    """One visitor's place in the queue. `alone`: no other is served meanwhile, except, if it `gives_way`, later comparisons. `answered`:
    only timing is left.
    """

    line: "Line"
    alone: bool
    joined: float
    visitor: Visitor = Visitor()
    gives_way: bool = False
    brief: bool = False
    """Served in so short a time that it says nothing of how long others take."""
    served: bool = False
    answered: bool = False
    since: float = 0.0
    """When it was admitted; later, when it had its answers."""
    ends: float | None = None
    """When it expects to end; None if unknown."""

    def wait(self, stop: Event) -> Iterator[Place]:
        """Yield the place repeatedly until it is this ticket's turn; raises QdashError if `stop` is set meanwhile."""
        told: Place | None = None
        told_at = 0.0
        while not self.line.admit(self):
            if stop.is_set():
                raise QdashError("Stopped while waiting.", "Join the line again when you like.", "cancelled")
            place, now = self.line.place(self), time.monotonic()
            if told is None or place.position != told.position or now - told_at >= TOLD_EVERY_S:
                told, told_at = place, now
                yield place
            self.line.sleep(POLL_S)

    def has_answered(self) -> None:
        """All its answers are there: those of others go first now."""
        self.line.move_on(self)

    def expect(self, left_s: float | None) -> None:
        """Set how long this one will still take, for those who wait; None: unknown."""
        self.ends = None if left_s is None else time.monotonic() + left_s

    @property
    def rest_s(self) -> float | None:
        """Seconds that it still expects to take; None if unknown."""
        return None if self.ends is None else max(self.ends - time.monotonic(), 0.0)

    def ahead(self) -> Ahead:
        """What comes before the next step of this ticket, which is being served."""
        return self.line.ahead(self)


class _Pace:
    """Seconds that a job takes, from the last few."""

    def __init__(self) -> None:
        self._durations: deque[float] = deque(maxlen=5)
        self._last = 0.0

    def ended(self, began: float) -> None:
        """One that could begin at `began` is over; it had the device once the one before was over."""
        now = time.monotonic()
        self._durations.append(now - max(began, self._last))
        self._last = now

    def wait_s(self, count: int, began: float, ends: float | None = None) -> float | None:
        """For `count` of them, the first of which could begin at `began`, and expects to be over at `ends` if it knows.

        None if none was measured, or if the first takes longer than earlier ones and does not know how long.
        """
        if not count:
            return 0.0
        now, typical = time.monotonic(), fmean(self._durations) if self._durations else None
        if ends is not None and (typical is not None or count == 1):
            return max(ends - now, 0.0) + (count - 1) * (typical or 0.0)
        if typical is None:
            return None
        left = typical - (now - max(began, self._last))
        # One that takes longer than those before may take any time.
        return left + (count - 1) * typical if left > 0 else None


_ANYBODY = Visitor()


@dataclass
class Line:
    """Tickets in order of arrival. `longest` counts all of them; `at_once` comparisons are served together.

    A visitor may hold `each` places, the one being served among them, and all visitors of one address `each_address`; None: any number.
    """

    longest: int
    at_once: int = 1
    each: int | None = None
    each_address: int | None = None
    _tickets: list[Ticket] = field(default_factory=list)
    _changed: Condition = field(default_factory=Condition)
    _services: _Pace = field(default_factory=_Pace)
    _answers: _Pace = field(default_factory=_Pace)
    _timings: _Pace = field(default_factory=_Pace)

    def of(self, visitor: Visitor) -> Entrance:
        """The queue as `visitor` joins it."""
        return _VisitorsEntrance(self, visitor)

    @contextmanager
    def join(self, *, alone: bool = True, gives_way: bool = False, brief: bool = False, visitor: Visitor = _ANYBODY) -> Iterator[Ticket]:
        """Wait in the queue for the length of the block; raises QdashError if the queue is full or `visitor` has too many places
        already.
        """
        ticket = Ticket(self, alone, time.monotonic(), visitor, gives_way, brief)
        with self._changed:
            self._check_room(visitor)
            self._tickets.append(ticket)
        self.admit(ticket)
        try:
            yield ticket
        finally:
            self._leave(ticket)

    def admit(self, ticket: Ticket) -> bool:
        """Whether it is the turn of `ticket`; from then on it is being served."""
        with self._changed:
            if not ticket.served and not self._before(ticket):
                ticket.served, ticket.since = True, time.monotonic()
            return ticket.served

    def place(self, ticket: Ticket) -> Place:
        """Where `ticket` stands now."""
        with self._changed:
            first = self._tickets[0]
            wait_s = self._services.wait_s(self._before(ticket), first.since, first.ends)
            return Place(self._tickets.index(ticket) + 1, len(self._tickets), wait_s)

    def move_on(self, ticket: Ticket) -> None:
        """See `Ticket.has_answered`."""
        with self._changed:
            if not ticket.answered:
                self._answers.ended(ticket.since)
                ticket.answered, ticket.since = True, time.monotonic()

    def ahead(self, ticket: Ticket) -> Ahead:
        """See `Ticket.ahead`."""
        with self._changed:
            before = self._tickets[: self._tickets.index(ticket)]
            if not ticket.answered:
                first = [other for other in before if not other.answered and not other.gives_way]
                return Ahead(len(first), 0, self._answers.wait_s(len(first), _began(first)))
            answers = [other for other in self._tickets if other.served and not other.answered and not other.gives_way]
            timings = [other for other in before if other.answered]
            batches = [other for other in before if other.served and other.gives_way]
            waits = (
                self._answers.wait_s(len(answers), _began(answers)),
                self._timings.wait_s(len(timings), _began(timings), timings[0].ends if timings else None),
                *(other.rest_s for other in batches),
            )
            return Ahead(len(answers), len(timings) + len(batches), None if None in waits else sum(filter(None, waits)))

    def sleep(self, longest_s: float) -> None:
        """Wait until the queue moves, at most `longest_s` seconds."""
        with self._changed:
            self._changed.wait(longest_s)

    def _check_room(self, visitor: Visitor) -> None:
        if len(self._tickets) >= self.longest:
            number = len(self._tickets)
            message = "1 person is waiting already." if number == 1 else f"{number:,} people are waiting already."
            raise QdashError(message, "Try again in a few minutes.", "unavailable")
        mine = sum(ticket.visitor.owner == visitor.owner for ticket in self._tickets)
        if visitor.owner and self.each is not None and mine >= self.each:
            one, many = "You already have 1 run running or waiting.", f"You already have {mine:,} runs running or waiting."
            message = one if mine == 1 else many
            raise QdashError(message, "Stop one of them, or wait until it finishes.", "unavailable")
        near = sum(ticket.visitor.address == visitor.address for ticket in self._tickets)
        if visitor.address and self.each_address is not None and near >= self.each_address:
            one = "1 run from your network address is already running or waiting."
            many = f"{near:,} runs from your network address are already running or waiting."
            message = one if near == 1 else many
            raise QdashError(message, "Try again in a few minutes.", "unavailable")

    def _before(self, ticket: Ticket) -> int:
        """How many must leave before the turn of `ticket`."""
        first = self._tickets.index(ticket)
        if ticket.alone:
            return first
        barring = (place + 1 for place, other in enumerate(self._tickets[:first]) if other.alone and not other.gives_way)
        alone = max(barring, default=0)
        return max(alone, first - self.at_once + 1)

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            if ticket.served and not ticket.brief:
                self._services.ended(ticket.joined)
            if ticket.answered:
                self._timings.ended(ticket.since)
            self._tickets.remove(ticket)
            self._changed.notify_all()


def _began(tickets: Sequence[Ticket]) -> float:
    return min((ticket.since for ticket in tickets), default=0.0)


@dataclass(frozen=True)
class _VisitorsEntrance:
    line: Line
    visitor: Visitor

    def join(self, *, alone: bool = True, gives_way: bool = False, brief: bool = False) -> AbstractContextManager[Ticket]:
        return self.line.join(alone=alone, gives_way=gives_way, brief=brief, visitor=self.visitor)


def waiting(place: Place) -> str:
    """The status line while others are served."""
    position = ordinal(place.position)
    if place.wait_s is None:
        return _("Another visitor's run is in progress. You're {position} in line.", position=position)
    duration = text.seconds(place.wait_s)
    said = _("Another visitor's run is in progress. You're {position} in line · {duration} left.", position=position, duration=duration)
    return said
