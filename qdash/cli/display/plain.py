"""A display of lines, for pipes, files and logs: no colours, no moving bar, and a table's row is one line however long it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from qdash.cli.display.blocks import Block, Listing, Paragraph, Table
from qdash.cli.display.core import Bar, Event
from qdash.cli.display.harmless import harmless, one_line


class PlainDisplay:
    """Writes lines to `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, *blocks: Block) -> None:
        """Write each block as lines."""
        for block in blocks:
            for line in _lines(block):
                print(line, file=self._stream)

    def warn(self, message: str) -> None:
        """Write the message as one line."""
        print(f"qdash: {one_line(message)}", file=self._stream)

    def hint(self, message: str) -> None:
        """Write nothing: nobody waits at a file."""

    @contextmanager
    def progress(self, bar: Bar[Event]) -> Iterator[Callable[[Event], None]]:
        """Write nothing: a log would fill with a line for every step."""
        yield lambda event: None


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield harmless(block.text)
        case Table():
            yield from _table(block)
        case Listing():
            yield harmless(block.title)
            yield from (f"  {set_cell_size(one_line(name), block.width)}{one_line(said)}" for name, said in block.rows)


def _table(table: Table) -> Iterator[str]:
    lines = [tuple(one_line(cell) for cell in line) for line in (table.headings, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip_longest(*lines, fillvalue="")]
    for line in lines:
        yield "  ".join(_padded(cell, widths[column], right=table.is_number(column)) for column, cell in enumerate(line)).rstrip()


def _padded(cell: str, width: int, *, right: bool) -> str:
    return " " * (width - cell_len(cell)) + cell if right else set_cell_size(cell, width)
