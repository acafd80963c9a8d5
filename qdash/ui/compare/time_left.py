"""Estimates how long a comparison will still take from its progress so far.

Nothing is known until a version has loaded and answered. Then the others are expected to take as long in proportion to the bytes of their
checkpoints, and timing to run at its speed. Once a tenth of the rounds is done, the estimate uses them alone. If something takes much
longer than expected, no time is shown rather than a wrong one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from qdash.records import AnswerText, Event, Measurement, Progress, VariantAnswered
from qdash.ui.components import text
from qdash.ui.results.compare_state import CompareState

LEAST_DONE = 0.1
"""The share of the rounds that has to be done before the time for the rest follows from them."""

LATE = 1.5
"""A version that takes longer than this multiple of its estimate has refuted it."""

Seconds = dict[int, float]
"""By place among the variants."""


@dataclass
class Course:
    """How a comparison goes. `read_bytes`: of each version's checkpoint, 0 for one that will not run; None where that is not known."""

    measurement: Measurement
    read_bytes: Sequence[int] | None
    clock: Callable[[], float] = time.monotonic
    _began: Seconds = field(default_factory=dict)
    _asked: Seconds = field(default_factory=dict)
    _first_text: Seconds = field(default_factory=dict)
    _last_text: Seconds = field(default_factory=dict)
    _prepared_s: Seconds = field(default_factory=dict)
    """Loaded, answered, compared with the original."""
    _turn_s: Seconds = field(default_factory=dict)
    """What one turn in the rounds should take: the first token, and as many more as are timed."""
    _timing_since: float | None = None
    _rounds_since: float | None = None

    def follow(self, state: CompareState, event: Event) -> None:
        """Record the time of `event`, which led to `state`."""
        now = self.clock()
        if isinstance(event, Progress):
            self._moved(state, event, now)
        elif isinstance(event, AnswerText):
            self._first_text.setdefault(event.index, now)
            self._last_text[event.index] = now
        elif isinstance(event, VariantAnswered) and event.result.status == "ok":
            self._answered(event.index, event.result.new_tokens, now)
        if self._rounds_since is None and state.rounds_done is not None:
            self._rounds_since = now

    def words(self, state: CompareState) -> str:
        """“about 20 s to go”; empty if unknown."""
        left_s = self.left_s(state)
        return "" if left_s is None else text.to_go(left_s)

    def left_s(self, state: CompareState) -> float | None:
        """Seconds left, in rounds if all chosen ones are taken; None if unknown."""
        now, done = self.clock(), state.rounds_done or 0.0
        if self._rounds_since is not None and self._in_rounds(state):
            return (now - self._rounds_since) * (1 - done) / done
        return self._left_s(state, now)

    def _in_rounds(self, state: CompareState) -> bool:
        return self._rounds_since is not None and (state.rounds_done or 0.0) >= LEAST_DONE

    def _moved(self, state: CompareState, event: Progress, now: float) -> None:
        index = event.index
        since = {"loading": self._began, "answering": self._asked}.get(event.stage)
        if since is not None and (index not in since or state.cards[index].waiting):
            since[index] = now  # the wait for the device is not its own
        elif event.stage in ("warming up", "timing") and self._timing_since is None:
            self._timing_since = now

    def _answered(self, index: int, new_tokens: int | None, now: float) -> None:
        if index in self._began:
            self._prepared_s[index] = now - self._began[index]
        if index in self._first_text and new_tokens and new_tokens > 1:
            first, last = self._first_text[index], self._last_text[index]
            more = (self.measurement.max_new_tokens - 1) / (new_tokens - 1)
            self._turn_s[index] = first - self._asked.get(index, first) + (last - first) * more

    def _left_s(self, state: CompareState, now: float) -> float | None:
        timing_s = self._timing_s(state)
        if timing_s is None:
            return None
        if self._timing_since is not None:
            return _rest(timing_s, now - self._timing_since, late=1.0)
        left_s = timing_s
        for index, card in enumerate(state.cards):
            if card.result is None:
                expected_s = self._expected(self._prepared_s, index)
                rest_s = None if expected_s is None else _rest(expected_s, now - self._began.get(index, now), LATE)
                if rest_s is None:
                    return None
                left_s += rest_s
        return left_s

    def _timing_s(self, state: CompareState) -> float | None:
        """Warm-up and all rounds."""
        turns_s = [
            self._turn_s.get(index) if card.result is not None else self._expected(self._turn_s, index)
            for index, card in enumerate(state.cards)
            if card.result is None or card.result.status == "ok"
        ]
        known = [turn_s for turn_s in turns_s if turn_s is not None]
        turns = max(1, self.measurement.warmup) + self.measurement.runs
        return sum(known) * turns if known and len(known) == len(turns_s) else None

    def _expected(self, known: Mapping[int, float], index: int) -> float | None:
        """The expected time of `index`, from the known ones."""
        if self.read_bytes is None:
            return None
        read = sum(self.read_bytes[other] for other in known)
        return sum(known.values()) / read * self.read_bytes[index] if read else None


def _rest(expected_s: float, gone_s: float, late: float) -> float | None:
    return max(expected_s - gone_s, 0.0) if gone_s <= late * expected_s or not expected_s else None
