"""Limits how often a page is redrawn while events stream in: at once when a variant changes its state, else at intervals, and at the end.

Drawing takes processor time, and on a person's own machine that disturbs the timing, so it is done more rarely then.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Protocol, TypeVar

from qdash.errors import QdashError


class Staged(Protocol):
    """A state of variants, each in some state."""

    @property
    def states(self) -> tuple[str, ...]:
        """The states in order; a change is shown at once."""
        ...


StateT = TypeVar("StateT", bound=Staged)
EventT = TypeVar("EventT")
ViewT = TypeVar("ViewT")


def paced(
    state: StateT,
    events: Iterator[EventT],
    reduce: Callable[[StateT, EventT], StateT],
    view: Callable[[StateT], ViewT],
    refresh_s: Callable[[StateT], float],
) -> Iterator[ViewT]:
    """Views of `state` as `events` change it: at first, whenever a state changes, else every `refresh_s(state)`, and at the end."""
    yield view(state)
    shown = time.monotonic()
    # Closed as soon as the tab is, because it holds the device.
    with closing(events):  # type: ignore[type-var] - a generator, which closes
        try:
            for event in events:
                before, state = state.states, reduce(state, event)
                now = time.monotonic()
                if state.states != before or now - shown > refresh_s(state):
                    shown = now
                    yield view(state)
        except QdashError:
            yield view(state)  # what came before stays
            raise
    yield view(state)
