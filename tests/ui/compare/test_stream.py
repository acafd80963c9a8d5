"""A comparison as views: what is shown while it runs, and that nothing escapes."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest

from qdash.errors import QdashError
from qdash.records import Progress, Request, Variant, VariantAnswered
from qdash.ui.compare.stream import CompareView, doing, run
from qdash.ui.results.compare_state import CompareState, queued_state, reduce
from qdash.ui.server.run_queue import Ahead, Line, Place, waiting
from tests.support.scripted import ScriptedBackend, answered_result
from tests.ui.controls.test_form import FORM

REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8")), prompt="What?")


def _views(form=FORM, backend=None, stop=None, line=None) -> list[CompareView]:
    return list(run(form, backend or ScriptedBackend(), line or Line(longest=4), stop or Event()))


def test_a_comparison_ends_with_its_results() -> None:
    *_, last = _views()
    assert last.over and last.error is None
    assert last.state is not None and last.state.comparison is not None
    assert [card.state for card in last.state.cards] == ["done", "done"]


def test_bad_input_ends_with_a_complaint_and_starts_nothing() -> None:
    *_, last = _views(replace(FORM, question=" "))
    assert last.over and last.error is not None and "empty" in last.error.message
    assert last.state is None


def test_a_failed_variant_does_not_stop_the_others() -> None:
    form = replace(FORM, question="fail", schemes=["original", "bnb-int8", "bnb-nf4"])
    *_, last = _views(form)
    assert last.state is not None and [card.state for card in last.state.cards] == ["done", "failed", "done"]


def test_stop_keeps_what_there_is() -> None:
    stop, last = Event(), CompareView()
    for last in run(replace(FORM, question="slow"), ScriptedBackend(), Line(longest=4), stop):
        if last.state is not None and last.state.cards[0].state == "answered":
            stop.set()
    assert last.over and last.state is not None
    assert [card.state for card in last.state.cards] == ["done", "stopped"]


def test_stop_in_the_rounds_keeps_all_answers_and_no_times() -> None:
    stop, last = Event(), CompareView()
    for last in run(replace(FORM, question="slow"), ScriptedBackend(), Line(longest=4), stop):
        if last.state is not None and last.state.timing:
            stop.set()
    assert last.over and last.state is not None and last.state.comparison is not None
    assert [(result.status, bool(result.answer), result.latency) for result in last.state.comparison.variants] == [("ok", True, None)] * 2


def test_all_answer_before_any_is_timed() -> None:
    seen = [view.state.states for view in _views() if view.state is not None]
    assert ("answered", "answered") in seen
    before = seen[: seen.index(("answered", "answered"))]
    assert not any(state in ("measuring", "timed") for states in before for state in states)


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
    while next(views).state is None:
        pass
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert closed == [True]
    with line.join():  # raises if the place were still taken
        pass


def _answered_board(*timing: Progress) -> CompareState:
    state = queued_state(REQUEST)
    for index, key in enumerate(("original", "bnb-int8")):
        state = reduce(state, VariantAnswered(index=index, result=answered_result(key, "A.")))
    for event in timing:
        state = reduce(state, event)
    return state


WAITING = "waiting for another measurement to finish"
NOBODY = Ahead(0, 0, 0.0)


def test_what_is_said_while_the_device_answers_others() -> None:
    loading = reduce(queued_state(REQUEST), Progress(index=0, stage="loading", detail=WAITING))
    assert doing(loading, Ahead(2, 0, 8.2)) == "Waiting for 2 answers before yours, about 8 s."
    assert doing(loading, Ahead(1, 0, None)) == "Waiting for 1 answer before yours."
    # What goes on without a wait is said as it is, whoever else is there.
    downloading = reduce(queued_state(REQUEST), Progress(index=0, stage="downloading"))
    assert doing(downloading, Ahead(2, 0, 8.2)) == "Original: downloading · 1 of 2"


def test_what_is_said_between_answers_and_times() -> None:
    waits = "Your answers are here. Timing waits for 3 other runs, about 40 s."
    assert doing(_answered_board(), Ahead(1, 2, 40.3)) == waits
    assert doing(_answered_board(Progress(index=0, stage="timing", detail=WAITING)), Ahead(1, 2, 40.3)) == waits
    assert doing(_answered_board(), NOBODY) == "Your answers are here. Now every version is timed in turn."


def test_what_is_said_while_rounds_run() -> None:
    state = _answered_board(*(Progress(index=index, stage="timing", fraction=0.25, detail="round 2 of 5") for index in range(2)))
    said = "Your answers are here. Now every version is timed in turn: round 2 of 5"
    assert doing(state, Ahead(0, 1, 9.0), "about 12 s to go") == f"{said} · about 12 s to go."
    assert doing(_answered_board(Progress(index=0, stage="warming up")), NOBODY) == said.partition(":")[0] + "."
    quiet = Progress(index=0, stage="timing", detail="waiting for a quiet moment: other programs take 60% of this machine")
    waits = "Your answers are here. Timing is waiting for a quiet moment: other programs take 60% of this machine."
    assert doing(reduce(state, quiet), NOBODY, "about 3 s to go") == waits


def test_what_is_said_of_the_time_before_the_rounds() -> None:
    loading = reduce(queued_state(REQUEST), VariantAnswered(index=0, result=answered_result("original", "A.")))
    loading = reduce(loading, Progress(index=1, stage="loading"))
    assert doing(loading, NOBODY, "about 20 s to go") == "INT8 (LLM.int8): loading · 2 of 2 · about 20 s to go"
    # Whatever others take comes on top of it.
    assert doing(loading, Ahead(1, 0, None), "about 20 s to go") == "INT8 (LLM.int8): loading · 2 of 2"
    again = _answered_board(Progress(index=0, stage="scoring"))
    assert doing(again, NOBODY) == "Your answers are here. First, the original is compared with itself."


def test_the_time_to_go_is_told_as_soon_as_one_has_answered() -> None:
    statuses = [view.status for view in _views(replace(FORM, question="slow"))]
    loading = [status for status in statuses if "loading · " in status]
    assert loading[0] == "Original: loading · 1 of 2"
    assert loading[-1].startswith("NF4 4-bit: loading · 2 of 2 · about ") and loading[-1].endswith(" to go")


def test_two_runs_at_once_tell_each_other_s_answers() -> None:
    backend, line, said = ScriptedBackend(), Line(longest=4, at_once=4), []

    def visit() -> None:
        said.append([view.status for view in run(replace(FORM, question="slow"), backend, line, Event())])

    visitors = [Thread(target=visit) for _ in range(2)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(timeout=60)
    assert len(said) == 2
    assert any(status.startswith("Waiting for 1 answer before yours") for statuses in said for status in statuses)
    assert any(status.startswith("Your answers are here. ") for status in said[0])
    assert not any("number 2" in status for statuses in said for status in statuses)


def test_waiting_tells_the_place_and_the_wait() -> None:
    assert waiting(Place(2, 3, 20.4)) == "Another visitor's run is in progress. You're 2nd in line · about 20 s left."
    assert "left" not in waiting(Place(2, 2, None))
