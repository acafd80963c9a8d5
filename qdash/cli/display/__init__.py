"""What commands show, and how: a command makes blocks of text and gives them to `display()`, which suits them to the streams.

A stream that is a terminal gets colours and a moving bar (`terminal.py`); a pipe, a file or a log gets plain lines (`plain.py`). Files of
results, JSON and Markdown are no display: they are the same everywhere, and commands write them themselves.
"""

import sys
from typing import TextIO

from rich.console import Console

from qdash.cli.display.core import Display
from qdash.cli.display.plain import PlainDisplay
from qdash.cli.display.terminal import TerminalDisplay
from qdash.cli.display.two_streams import TwoStreams


def display() -> Display:
    """The display over standard output and standard error as they are now."""
    return TwoStreams(results=display_on(sys.stdout), messages=display_on(sys.stderr))


def display_on(stream: TextIO) -> Display:
    """The display for one stream. A terminal that cannot move its cursor (`TERM=dumb`) gets plain lines."""
    moves = stream.isatty() and not Console(file=stream).is_dumb_terminal
    return TerminalDisplay(stream) if moves else PlainDisplay(stream)
