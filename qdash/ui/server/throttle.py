"""How often a page is redrawn while events stream in: at once when a variant moves on, else now and then, and at the end.

Drawing takes time from the processor, and on a person's own machine that is the one that is being timed: then it is done more rarely.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Protocol, TypeVar

from qdash.errors import QdashError


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
    refresh_s: Callable[[BoardT], float],
) -> Iterator[ViewT]:
    """Views of `board` as `events` change it: at first, whenever a state changes, else every `refresh_s(board)`, and at the end."""
    yield view(board)
    shown = time.monotonic()
    # Closed at once when the tab is, not when the garbage collector comes by: it holds the device.
    with closing(events):  # type: ignore[type-var]
        try:
            for event in events:
                before, board = board.states, advance(board, event)
                now = time.monotonic()
                if board.states != before or now - shown > refresh_s(board):
                    shown = now
                    yield view(board)
        except QdashError:
            yield view(board)  # what came before stays
            raise
    yield view(board)
