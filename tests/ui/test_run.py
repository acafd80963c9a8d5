"""A comparison as views: what is shown while it runs, and that nothing escapes."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import pytest

from qdash.errors import QdashError
from qdash.records import Request
from qdash.ui.line import Line, Place
from qdash.ui.run import View, run, waiting
from tests.ui.scripted import ScriptedBackend
from tests.ui.test_form import FORM


def _views(form=FORM, backend=None, stop=None, line=None) -> list[View]:
    return list(run(form, backend or ScriptedBackend(), line or Line(longest=4), stop or Event()))


def test_a_comparison_ends_with_its_results() -> None:
    *_, last = _views()
    assert last.over and last.error is None
    assert last.board is not None and last.board.comparison is not None
    assert [card.state for card in last.board.cards] == ["done", "done"]


def test_bad_input_ends_with_a_complaint_and_starts_nothing() -> None:
    *_, last = _views(replace(FORM, question=" "))
    assert last.over and last.error is not None and "empty" in last.error.message
    assert last.board is None


def test_a_failed_variant_does_not_stop_the_others() -> None:
    form = replace(FORM, question="fail", schemes=["original", "bnb-int8", "bnb-nf4"])
    *_, last = _views(form)
    assert last.board is not None and [card.state for card in last.board.cards] == ["done", "failed", "done"]


def test_stop_keeps_what_there_is() -> None:
    stop, last = Event(), View()
    for last in run(replace(FORM, question="slow"), ScriptedBackend(), Line(longest=4), stop):
        if last.board is not None and last.board.cards[0].state == "done":
            stop.set()
    assert last.over and last.board is not None
    assert [card.state for card in last.board.cards] == ["done", "stopped"]


def test_a_bug_is_reported_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(ScriptedBackend):
        def compare(self, request: Request, png: bytes | None, stop: Event) -> Iterator:
            raise ZeroDivisionError("secret detail")
            yield

    *_, last = _views(backend=Broken())
    assert last.error is not None and last.error.kind == "internal"
    assert "secret" not in str(last.error)
    assert "secret detail" in capsys.readouterr().err


def test_an_error_of_the_engine_is_shown() -> None:
    class Unreachable(ScriptedBackend):
        def compare(self, request: Request, png: bytes | None, stop: Event) -> Iterator:
            raise QdashError("No hub.", "Connect.", "download")
            yield

    *_, last = _views(backend=Unreachable())
    assert last.error is not None and last.error.message == "No hub."


def test_closing_the_tab_closes_the_comparison_and_leaves_the_line() -> None:
    closed = []

    class Watched(ScriptedBackend):
        def compare(self, request: Request, png: bytes | None, stop: Event) -> Iterator:
            try:
                yield from super().compare(request, png, stop)
            finally:
                closed.append(True)

    line = Line(longest=1)
    views = run(FORM, Watched(), line, Event())
    while next(views).board is None:
        pass
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert closed == [True]
    with line.join():  # raises if the place were still taken
        pass


def test_waiting_tells_the_place_and_the_wait() -> None:
    assert waiting(Place(2, 3, 20.4)) == "Somebody else is being answered. You are number 2 of 3 in line · about 20 s left."
    assert "left" not in waiting(Place(2, 2, None))
