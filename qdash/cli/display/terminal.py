"""A display for a terminal: colours, tables that fit its width, and a bar that moves and goes away at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich import table as rich_table
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from qdash.cli.display.blocks import Block, Listing, Paragraph, Role, Table
from qdash.cli.display.core import Bar, Event
from qdash.cli.display.harmless import harmless, one_line

_STYLES: dict[Role, str] = {"headline": "bold", "body": "", "remark": "dim"}


class TerminalDisplay:
    """Draws on `stream`, which is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=True)

    def show(self, *blocks: Block) -> None:
        """Draw each block."""
        for block in blocks:
            match block:
                case Paragraph():
                    self._console.print(Text(harmless(block.text), style=_STYLES[block.role]))
                case Table():
                    self._console.print(_table(block))
                case Listing():
                    self._console.print(_listing(block))

    def warn(self, message: str) -> None:
        """Draw the message as one line, which the terminal may break."""
        self._console.print(Text(f"qdash: {one_line(message)}"))

    def hint(self, message: str) -> None:
        """Draw the message."""
        self._console.print(Text(harmless(message)))

    @contextmanager
    def progress(self, bar: Bar[Event]) -> Iterator[Callable[[Event], None]]:
        """Draw a bar, what is done just now and the time since it began."""
        columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        # A console of its own: lines that may be longer than the terminal is wide would leave traces of the bar.
        with Progress(*columns, console=Console(file=self._stream, force_terminal=True), transient=True) as drawn:
            task = drawn.add_task("starting", total=bar.total)

            def move(event: Event) -> None:
                position = bar.position(event)
                if position is not None:
                    words = None if position.words is None else one_line(position.words)
                    drawn.update(task, completed=position.done, description=words)

            yield move


def _table(table: Table) -> rich_table.Table:
    drawn = rich_table.Table(box=None, pad_edge=False, header_style="bold")
    for column, heading in enumerate(table.headings):
        wraps = table.numbers_from is None and column == len(table.headings) - 1
        drawn.add_column(Text(one_line(heading)), justify="right" if table.is_number(column) else "left", no_wrap=not wraps)
    for row in table.rows:
        drawn.add_row(*(Text(one_line(cell)) for cell in row))
    return drawn


def _listing(listing: Listing) -> Text:
    drawn = Text(harmless(listing.title), style="")
    for name, said in listing.rows:
        drawn.append(f"\n  {one_line(name).ljust(listing.width)}{one_line(said)}")
    return drawn
