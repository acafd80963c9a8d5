"""One comparison at a time, in order of arrival, and everybody in the line is told their place.

Two measurements at once would spoil each other's numbers. Gradio's own queue could do the ordering, but it can only say
"queue: 1/2"; this one says who is before you and for about how long, and Stop works while you wait.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from threading import Condition, Event

from qdash.errors import QdashError


@dataclass(frozen=True)
class Place:
    """Position in the line, the person being served counted: `position` 2 of `length` 3. `wait_s` None: nothing to go by yet."""

    position: int
    length: int
    wait_s: float | None


@dataclass(eq=False)
class Ticket:
    """One person's place in a line."""

    line: "Line"

    def wait(self, stop: Event, every_s: float = 0.25) -> Iterator[Place]:
        """Yield the place again and again until it is this ticket's turn; raises QdashError if `stop` is set meanwhile."""
        while (place := self.line.place(self)).position > 1:
            if stop.is_set():
                raise QdashError("Stopped while waiting.", "Press Compare to join the line again.", "cancelled")
            yield place
            self.line.sleep(every_s)


@dataclass
class Line:
    """Tickets in order of arrival; the first one is being served. `longest` counts everybody."""

    longest: int
    _tickets: list[Ticket] = field(default_factory=list)
    _changed: Condition = field(default_factory=Condition)
    _durations: deque[float] = field(default_factory=lambda: deque(maxlen=5))
    _served_since: float = 0.0

    @contextmanager
    def join(self) -> Iterator[Ticket]:
        """Stand in the line for the length of the block; raises QdashError if the line is too long."""
        ticket = Ticket(self)
        with self._changed:
            if len(self._tickets) >= self.longest:
                raise QdashError(f"{len(self._tickets)} people are waiting already.", "Try again in a few minutes.", "unavailable")
            if not self._tickets:
                self._served_since = time.monotonic()
            self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            self._leave(ticket)

    def place(self, ticket: Ticket) -> Place:
        """Where `ticket` stands now."""
        with self._changed:
            ahead = self._tickets.index(ticket)
            return Place(ahead + 1, len(self._tickets), self._wait_s(ahead))

    def sleep(self, longest_s: float) -> None:
        """Until the line moves, at most `longest_s` seconds."""
        with self._changed:
            self._changed.wait(longest_s)

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            now = time.monotonic()
            if self._tickets[0] is ticket:
                self._durations.append(now - self._served_since)
                self._served_since = now
            self._tickets.remove(ticket)
            self._changed.notify_all()

    def _wait_s(self, ahead: int) -> float | None:
        if not ahead:
            return 0.0
        if not self._durations:
            return None
        typical = fmean(self._durations)
        left = max(typical - (time.monotonic() - self._served_since), 0.0)
        return left + (ahead - 1) * typical
