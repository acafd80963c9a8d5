"""A run on a page: begun, followed, found again and stopped, and what is shown when drawing fails. And what a tab alone reads."""

from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from qdash.ui.server.page_runs import Follower, PageRuns, Updates
from qdash.ui.server.runs import Runs
from tests.support.clock import Clock

SOON_S = 10.0
REQUEST: Any = SimpleNamespace(session_hash="tab")
Drawn = Callable[[int, Follower[str]], Iterator[Updates]]


@pytest.fixture
def runs() -> Iterator[Runs]:
    clock = Clock()
    yield Runs(clock, watch_s=0.01)
    clock.now += 1e9  # nobody is watched any more


@pytest.fixture
def page(runs: Runs, event_loops_closed: None) -> Callable[[Drawn], PageRuns[int, str]]:
    with gr.Blocks():
        phase, banner, stop = gr.HTML(), gr.HTML(), gr.Button()
    return lambda drawn: PageRuns(runs, "weights", phase, banner, stop, drawn, {"busy": ""})


def plain(view: int, follower: Follower[str]) -> Iterator[Updates]:
    yield {"view": view, "for": follower}


def until_stopped(stop: Event) -> Iterator[int]:
    yield 1
    assert stop.wait(SOON_S)
    yield 2


def test_a_run_is_followed_from_an_opening_to_its_end(page: Callable[[Drawn], PageRuns[int, str]]) -> None:
    mine = page(plain)
    run = mine.start(REQUEST, "", lambda stop: iter([7]))
    opening, *views = mine.followed(run, REQUEST, 1, "earlier")
    assert opening[mine.stop] == "Stop" and opening[mine.banner] == opening["busy"] == ""
    assert "weights-running" in opening[mine.phase] and "weights-results" in opening[mine.phase]
    assert views == [{"view": 7, "for": Follower("tab", True, "earlier")}]


def test_a_page_that_opens_finds_what_its_visitor_began_and_nothing_of_others(page: Callable[[Drawn], PageRuns[int, str]]) -> None:
    mine = page(plain)
    mine.start(REQUEST, "me", lambda stop: iter([7]))
    _, view = mine.resumed(REQUEST, False, "me", None)
    assert view == {"view": 7, "for": Follower("tab", False, None)}
    for other in ("", "somebody"):
        (nothing,) = mine.resumed(REQUEST, False, other, None)
        assert nothing.keys() == {mine.phase}, "a stream that yields nothing empties the page"


@pytest.mark.parametrize(("began", "stops"), [("me", "me"), ("", "me"), ("", "")])
def test_stop_ends_it_by_the_visitor_and_by_the_session(page: Callable[[Drawn], PageRuns[int, str]], began: str, stops: str) -> None:
    mine = page(plain)
    run = mine.start(REQUEST, began, until_stopped)
    stream = mine.followed(run, REQUEST, False, None)
    next(stream)
    assert next(stream)["view"] == 1
    assert mine.stopped(REQUEST, stops) == "Stopping …"
    assert [updates["view"] for updates in stream] == [2] and run.over


def test_a_view_that_cannot_be_drawn_is_told_and_the_run_goes_on(
    page: Callable[[Drawn], PageRuns[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(view: int, follower: Follower[str]) -> Iterator[Updates]:
        raise ValueError("cannot draw")

    mine = page(broken)
    run = mine.start(REQUEST, "me", until_stopped)
    _, last = mine.followed(run, REQUEST, False, None)
    assert "Something went wrong inside qdash" in last[mine.banner] and "cannot draw" in capsys.readouterr().err
    assert not run.stop.is_set()
    run.stop.set()
