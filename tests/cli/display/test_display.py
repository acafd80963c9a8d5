"""Every display shows the same words, and nothing of them commands a terminal; only a terminal gets colours and a bar."""

import inspect
import os
import pty
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from typing import TextIO

import pytest

from qdash.cli import main
from qdash.cli.display import display, display_on
from qdash.cli.display.blocks import Block, Listing, Paragraph, Table
from qdash.cli.display.core import Bar, Display, Position
from qdash.cli.display.plain import PlainDisplay
from qdash.cli.display.terminal import TerminalDisplay
from qdash.cli.display.two_streams import TwoStreams
from qdash.cli.shown.comparison import comparison_blocks
from qdash.cli.shown.evaluation import evaluation_blocks
from qdash.cli.shown.weights import layers_table, weights_blocks
from tests.history.examples import evaluation
from tests.report.examples import COMPARISON
from tests.support.scripted_weights import report_of

REPORT = report_of("bnb-int8", "bnb-nf4")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\rover [bold]written[/bold]"
STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MAKERS: dict[str, Callable[[TextIO], Display]] = {
    "plain": PlainDisplay,
    "terminal": TerminalDisplay,
    "two streams": lambda stream: TwoStreams(PlainDisplay(stream), TerminalDisplay(stream)),
}
RUN = Bar[int](4, lambda event: None if event < 0 else Position(event, f"step {event}" if event < 4 else None))
EVERY_BLOCK = {
    "paragraph": Paragraph,
    "headline": lambda text: Paragraph(text, "headline"),
    "remark": lambda text: Paragraph(text, "remark"),
    "cell": lambda text: Table(("a", "b"), ((text, "x"),)),
    "heading": lambda text: Table((text, "b"), (("x", "y"),), numbers_from=1),
    "name": lambda text: Listing("All", ((text, "x"),)),
    "what is said": lambda text: Listing("All", (("x", text),)),
    "title": lambda text: Listing(text, (("x", "y"),)),
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown(make: Callable[[TextIO], Display], *blocks: Block) -> str:
    stream = StringIO()
    make(stream).show(*blocks)
    return stream.getvalue()


def words(text: str) -> list[list[str]]:
    """The words of each line, without how they are drawn."""
    return [line.split() for line in STYLING.sub("", text).splitlines()]


@pytest.mark.parametrize("name", MAKERS)
def test_it_has_every_method_of_the_protocol(name: str) -> None:
    made = MAKERS[name](StringIO())
    for method, declared in inspect.getmembers(Display, inspect.isfunction):
        if not method.startswith("_"):
            implemented = inspect.signature(getattr(type(made), method)).parameters
            assert list(implemented) == list(inspect.signature(declared).parameters), method


@pytest.mark.parametrize("name", MAKERS)
def test_progress_takes_every_event(name: str) -> None:
    stream = StringIO()
    with MAKERS[name](stream).progress(RUN) as moved:
        for event in (-1, 0, 1, 4):
            moved(event)
    assert ("step 1" in stream.getvalue()) == (name != "plain")


@pytest.mark.parametrize("name", MAKERS)
def test_a_warning_is_one_line_that_names_qdash(name: str) -> None:
    stream = StringIO()
    MAKERS[name](stream).warn(f"No run.\nSee “list”. {HOSTILE}")
    said = STYLING.sub("", stream.getvalue())
    assert said.startswith("qdash: No run. See “list”.") and said.endswith("\n") and said.count("\n") == 1
    assert not controls(said)


def test_a_hint_is_for_a_person_who_waits() -> None:
    plain, terminal = StringIO(), StringIO()
    PlainDisplay(plain).hint("This machine is busy.")
    TerminalDisplay(terminal).hint("This machine is busy.")
    assert plain.getvalue() == "" and STYLING.sub("", terminal.getvalue()) == "This machine is busy.\n"


RESULTS: dict[str, Callable[[], Iterator[Block]]] = {
    "comparison": lambda: comparison_blocks(COMPARISON),
    "evaluation": lambda: evaluation_blocks(evaluation()),
    "weights": lambda: weights_blocks(REPORT, histograms=True),
    "layers": lambda: iter([layers_table(REPORT)]),
    "list": lambda: iter([Listing("All", (("bnb-nf4", "yes"), ("fp32", "no: too large")))]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_both_say_the_same(name: str) -> None:
    plain, terminal = shown(PlainDisplay, *RESULTS[name]()), shown(TerminalDisplay, *RESULTS[name]())
    assert len(words(plain)) > 1 and words(plain) == words(terminal)


def controls(text: str) -> set[str]:
    """Characters that could command a terminal."""
    return {character for character in text if unicodedata.category(character) == "Cc" and character not in "\n\t"}


@pytest.mark.parametrize("place", EVERY_BLOCK)
def test_untrusted_text_commands_nothing_and_is_no_markup(place: str) -> None:
    block = EVERY_BLOCK[place](HOSTILE)
    plain, terminal = shown(PlainDisplay, block), shown(TerminalDisplay, block)
    for text in (plain, STYLING.sub("", terminal)):
        assert not controls(text) and "owned" in text and "[bold]written[/bold]" in text
    assert "\x1b]" not in terminal and "\x1b[2J" not in terminal


def test_untrusted_progress_commands_nothing() -> None:
    stream = StringIO()
    with TerminalDisplay(stream).progress(Bar[str](1, lambda text: Position(0.5, text))) as moved:
        moved(HOSTILE)
    drawn = stream.getvalue()
    assert "owned" in drawn and "\x1b]" not in drawn and "\x1b[2J" not in drawn and "\x07" not in drawn and "\x9b" not in drawn


def test_a_plain_table_has_one_line_a_row_and_numbers_end_together() -> None:
    table = Table(("scheme", "total"), (("模型", "9 ms"), ("a\nb", "120 ms"), ("failed",), ("x" * 300, "")), numbers_from=1)
    heading, wide, two_lines, short, long = shown(PlainDisplay, table).splitlines()
    assert heading == f"{'scheme':300}   total" and two_lines == f"{'a b':300}  120 ms"
    assert wide == f"{'模型'}{' ' * 296}    9 ms" and short == "failed" and long == "x" * 300


# ── which of them a stream gets ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def terminal_stream() -> Iterator[TextIO]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    with suppress(OSError):
        os.close(ours)


def test_a_terminal_is_told_from_a_pipe(terminal_stream: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(display_on(terminal_stream), TerminalDisplay) and isinstance(display_on(StringIO()), PlainDisplay)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as servers of tests set it, whose logs are files
    assert isinstance(display_on(StringIO()), PlainDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display_on(terminal_stream), PlainDisplay)


def test_each_stream_gets_its_own(terminal_stream: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", StringIO())
    monkeypatch.setattr(sys, "stderr", terminal_stream)
    made = display()
    assert isinstance(made, TwoStreams)
    assert isinstance(made.results, PlainDisplay) and isinstance(made.messages, TerminalDisplay)


def test_results_and_messages_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    display().show(Paragraph("a result"))
    display().warn("a problem")
    assert capsys.readouterr() == ("a result\n", "qdash: a problem\n")


@pytest.mark.parametrize("command", ["schemes", "models"])
def test_a_piped_command_has_no_control_characters(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert not controls(capsys.readouterr().out)
