"""One call at a time on the device, and who goes first: answers before timings, then whoever came first.

A comparison gives its answers in several calls. Between two of them its place is kept for a moment, so that neither somebody who came
later nor a round of timings, which takes seconds, slips in.
"""

import time
from collections.abc import Iterator
from math import inf
from threading import Condition

from qdash.execution import Rank, StopSignal
from qdash.execution.failures import cancelled
from qdash.records import Step

POLL_S = 0.05
TELL_EVERY_S = 1.0
GRACE_S = 0.2
"""How long the place of whoever had the last turn is kept against those that rank behind."""


class Turn:
    """A lock that goes to the best rank, and whose waiting can be shown and stopped."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: list[Rank] = []
        self._held: Rank | None = None
        self._last: Rank | None = None
        self._released = 0.0

    def wait(self, rank: Rank, stop: StopSignal | None) -> Iterator[Step]:
        """Take the turn, saying about once a second that it takes a while; raises QdashError("cancelled") if `stop` is set first."""
        told = -inf
        with self._changed:
            self._waiting.append(rank)
        try:
            while not self._taken(rank):
                if stop is not None and stop.is_set():
                    raise cancelled()
                if time.monotonic() - told >= TELL_EVERY_S and self._has_to_wait(rank):
                    told = time.monotonic()
                    yield Step(detail="waiting for another measurement to finish")
        finally:
            with self._changed:
                self._waiting.remove(rank)
                self._changed.notify_all()

    def release(self) -> None:
        """Give the turn to the next."""
        with self._changed:
            self._last, self._held, self._released = self._held, None, time.monotonic()
            self._changed.notify_all()

    def wanted_before(self, rank: Rank) -> bool:
        """Whether somebody who goes before `rank` waits."""
        with self._changed:
            return any(other < rank for other in self._waiting)

    def _taken(self, rank: Rank) -> bool:
        """Take the turn if it is free and nobody better waits; else sleep until that may have changed."""
        with self._changed:
            if self._held is None and min(self._waiting) == rank and not self._kept_from(rank):
                self._held = rank
                return True
            self._changed.wait(POLL_S)
            return False

    def _has_to_wait(self, rank: Rank) -> bool:
        """Whether it is somebody's turn, and not just a moment before it is this one's."""
        with self._changed:
            return self._held is not None or min(self._waiting) != rank

    def _kept_from(self, rank: Rank) -> bool:
        """Whether the one before, who ranks better, may come back for more; one and the same does not wait for itself."""
        if self._last is None or self._last.arrived == rank.arrived or self._last > rank:
            return False
        return time.monotonic() - self._released < GRACE_S
