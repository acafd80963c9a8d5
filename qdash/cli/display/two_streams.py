"""Results on standard output, all else on standard error: each has a display of its own, as one may be a terminal and the other not."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from qdash.cli.display.blocks import Block
from qdash.cli.display.core import Bar, Display, Event


@dataclass(frozen=True)
class TwoStreams:
    """Gives what is shown to the display of its stream."""

    results: Display
    messages: Display

    def show(self, *blocks: Block) -> None:
        """Show results on the one."""
        self.results.show(*blocks)

    def warn(self, message: str) -> None:
        """Show a problem on the other."""
        self.messages.warn(message)

    def hint(self, message: str) -> None:
        """Tell who watches the other."""
        self.messages.hint(message)

    def progress(self, bar: Bar[Event]) -> AbstractContextManager[Callable[[Event], None]]:
        """Show progress on the other."""
        return self.messages.progress(bar)
