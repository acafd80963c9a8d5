"""How often a page is redrawn while events stream in: at once when a variant moves on, else now and then, and at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Protocol, TypeVar


class Staged(Protocol):
    """A board of variants, each in some state."""

    @property
    def states(self) -> tuple[str, ...]:
        """The states in order; a change is shown at once."""
        ...


BoardT = TypeVar("BoardT", bound=Staged)
EventT = TypeVar("EventT")
ViewT = TypeVar("ViewT")


def paced(
    board: BoardT,
    events: Iterator[EventT],
    advance: Callable[[BoardT, EventT], BoardT],
    view: Callable[[BoardT], ViewT],
    refresh_s: float,
) -> Iterator[ViewT]:
    """Views of `board` as `events` change it: at first, whenever a state changes, else every `refresh_s`, and at the end."""
    yield view(board)
    shown = time.monotonic()
    # Closed at once when the tab is, not when the garbage collector comes by: it holds the device.
    with closing(events):  # type: ignore[type-var]
        for event in events:
            before, board = board.states, advance(board, event)
            now = time.monotonic()
            if board.states != before or now - shown > refresh_s:
                shown = now
                yield view(board)
    yield view(board)
