"""One at a time, in order of arrival."""

import time
from threading import Event, Thread

import pytest

from qdash.errors import QdashError
from qdash.ui.line import Line, Place


def test_the_first_does_not_wait() -> None:
    line = Line(longest=2)
    with line.join() as ticket:
        assert list(ticket.wait(Event())) == []


def test_people_are_served_in_order_and_told_their_place() -> None:
    line, served = Line(longest=5), []
    with line.join() as first:
        list(first.wait(Event()))
        threads = [Thread(target=_be_served, args=(line, name, served)) for name in "ab"]
        for number, thread in enumerate(threads, start=2):
            thread.start()
            while line.place(first).length < number:
                time.sleep(0.005)
        assert line.place(first) == Place(1, 3, 0.0)
    for thread in threads:
        thread.join(timeout=5)
    assert [name for name, _ in served] == ["a", "b"]
    assert served[1][1][0][:2] == (3, 3)


def test_the_wait_is_estimated_from_those_before() -> None:
    line = Line(longest=5)
    with line.join():
        time.sleep(0.2)
    with line.join(), line.join() as second:
        wait_s = line.place(second).wait_s
        assert wait_s is not None and 0.1 < wait_s < 0.3


def test_stop_ends_the_wait_and_frees_the_place() -> None:
    line, stop = Line(longest=5), Event()
    with line.join() as first:
        with line.join() as second, pytest.raises(QdashError) as caught:
            for _ in second.wait(stop, every_s=0.01):
                stop.set()
        assert caught.value.kind == "cancelled"
        assert line.place(first).length == 1


def test_a_line_that_is_too_long_refuses() -> None:
    line = Line(longest=1)
    with line.join(), pytest.raises(QdashError, match="waiting already"), line.join():
        pass


def _be_served(line: Line, name: str, served: list) -> None:
    with line.join() as ticket:
        places = [(place.position, place.length) for place in ticket.wait(Event(), every_s=0.01)]
        served.append((name, places))
