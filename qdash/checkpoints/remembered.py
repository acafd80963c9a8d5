"""Caches the hub's answers for a short time. The page asks about its model at every change of the form, and a run asks again.

A second request for the same answer waits for the first. Answers are kept for a minute and errors for a few seconds, in memory only.
"""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from qdash.errors import QdashError

FOUND_S, FAILED_S = 60.0, 5.0
MOST = 64

Found = TypeVar("Found")


@dataclass
class _Asked(Generic[Found]):
    """A question to the hub. `until`: when its answer is too old; None while there is none."""

    answer: Future[Found] = field(default_factory=Future)
    until: float | None = None


class Remembered(Generic[Found]):
    """Answers by key, for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._asked: dict[Hashable, _Asked[Found]] = {}

    def get(self, key: Hashable, ask: Callable[[], Found]) -> Found:
        """What `ask` returns or raises, now or a moment ago."""
        with self._lock:
            self._forget()
            mine = key not in self._asked
            asked = self._asked.setdefault(key, _Asked())
        if mine:
            self._answer(key, asked, ask)
        try:
            return asked.answer.result()
        except QdashError as error:
            # A copy: the one that is kept would gather a traceback with every thread that raises it.
            raise QdashError(error.message, error.remedy, error.kind) from None

    def _answer(self, key: Hashable, asked: _Asked[Found], ask: Callable[[], Found]) -> None:
        try:
            asked.answer.set_result(ask())
            kept_s = FOUND_S
        except BaseException as error:
            asked.answer.set_exception(error)
            kept_s = FAILED_S if isinstance(error, QdashError) else 0.0
        with self._lock:
            asked.until = self._clock() + kept_s

    def _forget(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        now = self._clock()
        answered = {key: asked.until for key, asked in self._asked.items() if asked.until is not None}
        for place, (key, until) in enumerate(sorted(answered.items(), key=lambda pair: pair[1])):
            if until <= now or place < len(answered) - MOST:
                del self._asked[key]
