"""The one thing that commands know of the screen."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from qdash.cli.display.blocks import Block

Event = TypeVar("Event")


@dataclass(frozen=True)
class Position:
    """Where a progress bar stands, out of its total; `words` None: they stay as they are."""

    done: float
    words: str | None = None


@dataclass(frozen=True)
class Bar(Generic[Event]):
    """The progress of one kind of run: `position` says where an event puts the bar; None: it stays."""

    total: float
    position: Callable[[Event], Position | None]


class Display(Protocol):
    """Shows text of any origin: characters that could control a terminal are replaced."""

    def show(self, *blocks: Block) -> None:
        """Show results, or a part of them, below what is there."""
        ...

    def warn(self, message: str) -> None:
        """Show a problem as one line that names qdash."""
        ...

    def hint(self, message: str) -> None:
        """Tell something to a person who waits; scripts and logs do not get it."""
        ...

    def progress(self, bar: Bar[Event]) -> AbstractContextManager[Callable[[Event], None]]:
        """Show the progress of a run; the function it yields takes the run's events."""
        ...
