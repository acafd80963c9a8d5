"""How often a page is redrawn while events stream in: at once when a variant moves on, else now and then, and at the end.

Drawing takes time from the processor, and on a person's own machine that is the one that is being timed: then it is done more rarely.
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
    # Closed at once when the tab is, not when the garbage collector comes by: it holds the device.
    with closing(events):  # type: ignore[type-var]
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
