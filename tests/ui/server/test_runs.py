"""A run belongs to its visitor: it outlives the stream that shows it, and ends by Stop, or when nobody has followed it for a minute."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest

from qdash.ui.server.runs import PAUSE_S, UNFOLLOWED_S, Runs
from tests.support.clock import Clock

SOON_S = 10.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runs(clock: Clock) -> Iterator[Runs]:
    yield Runs(clock, watch_s=0.01)
    clock.now += 1e9  # nobody is watched any more


def _soon(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


def _until_stopped(stop: Event) -> Iterator[int]:
    for number in count():
        yield number
        if stop.wait(0.005):
            return


def test_all_views_come_in_order_and_the_last_is_never_missed(runs: Runs) -> None:
    seen = list(runs.start("v", "compare", lambda stop: iter(range(500))).follow("a"))
    assert seen == sorted(set(seen)) and seen[-1] == 499


def test_a_run_that_tells_much_leaves_its_page_time_for_clicks(runs: Runs) -> None:
    run = runs.start("v", "compare", _until_stopped)
    started, seen = time.monotonic(), []
    for view in run.follow("a"):
        seen.append(view)
        if view >= 200:
            run.stop.set()
    assert len(seen) <= (time.monotonic() - started) / PAUSE_S + 2  # the first and the last are shown at once


def test_a_run_outlives_its_stream_and_is_followed_again(runs: Runs, clock: Clock) -> None:
    run = runs.start("v", "compare", _until_stopped)
    stream = run.follow("first session")
    first = next(stream)
    stream.close()  # type: ignore[attr-defined]
    clock.now += UNFOLLOWED_S - 1
    assert runs.find("v", "compare") is run
    assert next(run.follow("second session")) >= first and not run.stop.is_set()
    run.stop.set()


def test_a_run_that_is_over_and_was_followed_by_another_is_not_watched(runs: Runs, clock: Clock) -> None:
    def watched() -> int:
        return sum(thread.name == "again watch" for thread in enumerate_threads())

    for _ in range(5):
        assert list(runs.start("v", "again", lambda stop: iter([1])).follow("a")) == [1]
    assert _soon(lambda: watched() == 1)
    clock.now += UNFOLLOWED_S + 1
    assert _soon(lambda: watched() == 0)


def test_it_ends_a_minute_after_the_last_has_left(runs: Runs, clock: Clock) -> None:
    run = runs.start("v", "compare", _until_stopped)
    streams = [run.follow(session) for session in ("a", "b")]
    for stream in streams:
        next(stream)
    clock.now += 10 * UNFOLLOWED_S
    time.sleep(0.1)
    assert not run.stop.is_set(), "as long as somebody follows"
    runs.leave("a")
    runs.leave("b")
    clock.now += UNFOLLOWED_S - 1
    time.sleep(0.1)
    assert not run.stop.is_set()
    clock.now += 2
    assert _soon(lambda: run.over) and _soon(lambda: runs.find("v", "compare") is None)


def test_a_stream_ends_when_its_session_leaves(runs: Runs) -> None:
    run, ended = runs.start("v", "compare", lambda stop: iter([stop.wait(SOON_S)])), Event()
    follower = Thread(target=lambda: (list(run.follow("a")), ended.set()))
    follower.start()
    time.sleep(0.05)
    runs.leave("a")
    assert ended.wait(SOON_S)
    run.stop.set()
    follower.join()


def test_of_two_streams_of_a_session_one_may_leave(runs: Runs) -> None:
    going, gate = Event(), Event()

    def views(stop: Event) -> Iterator[int]:
        yield 1
        going.set()
        gate.wait(SOON_S)
        yield 2

    run = runs.start("me", "compare", views)
    first, second = run.follow("s"), run.follow("s")
    assert going.wait(SOON_S) and next(first) == next(second) == 1
    first.close()  # type: ignore[attr-defined]
    gate.set()
    assert list(second) == [2]


def test_what_was_over_while_nobody_looked_is_still_shown(runs: Runs, clock: Clock) -> None:
    run = runs.start("v", "compare", lambda stop: iter(["answering", "done"]))
    assert _soon(lambda: run.over)
    clock.now += UNFOLLOWED_S - 1
    found = runs.find("v", "compare")
    assert found is not None and list(found.follow("a")) == ["done"]
    clock.now += UNFOLLOWED_S + 1
    assert _soon(lambda: runs.find("v", "compare") is None)


def test_stop_ends_one_page_of_one_visitor(runs: Runs) -> None:
    mine, also_mine = runs.start("me", "compare", _until_stopped), runs.start("me", "weights", _until_stopped)
    other = runs.start("you", "compare", _until_stopped)
    runs.stop("compare", "", "me")
    assert _soon(lambda: mine.over) and not also_mine.stop.is_set() and not other.stop.is_set()
    for run in (also_mine, other):
        run.stop.set()


def test_what_is_started_again_ends_what_was_before(runs: Runs) -> None:
    before = runs.start("v", "compare", _until_stopped)
    after = runs.start("v", "compare", _until_stopped)
    assert _soon(lambda: before.over) and not after.stop.is_set() and runs.find("v", "compare") is after
    after.stop.set()


def test_views_that_break_end_the_run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[object] = []
    monkeypatch.setattr("threading.excepthook", lambda args: broken.append(args.exc_type))

    def views(stop: Event) -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    assert list(runs.start("v", "compare", views).follow("a"))[-1] == 1
    assert _soon(lambda: broken == [ZeroDivisionError])
