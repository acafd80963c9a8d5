"""One at a time, in order of arrival."""

import time
from contextlib import ExitStack
from threading import Event, Thread

import pytest

from qdash.errors import QdashError
from qdash.ui.server.run_queue import Ahead, Line, Place


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


def test_what_the_one_being_served_expects_itself_counts() -> None:
    line = Line(longest=5)
    with line.join() as first:
        time.sleep(0.05)
        with line.join() as second, line.join() as third:
            first.expect(40.0)
            assert line.place(second).wait_s == pytest.approx(40, abs=1)
            assert line.place(third).wait_s is None  # nothing is known of the second
            first.expect(None)
            assert line.place(second).wait_s is None
    with line.join() as first, line.join(), line.join() as third:
        first.expect(40.0)
        assert 40 <= (line.place(third).wait_s or 0) < 45


def test_stop_ends_the_wait_and_frees_the_place() -> None:
    line, stop = Line(longest=5), Event()
    with line.join() as first:
        with line.join() as second, pytest.raises(QdashError) as caught:
            for _ in second.wait(stop):
                stop.set()
        assert caught.value.kind == "cancelled"
        assert line.place(first).length == 1


def test_a_line_that_is_too_long_refuses() -> None:
    line = Line(longest=1)
    with line.join(), pytest.raises(QdashError, match="waiting already"), line.join():
        pass


def test_comparisons_are_served_together_up_to_a_number() -> None:
    line = Line(longest=5, at_once=2)
    with line.join(alone=False) as first, ExitStack() as leaving:
        second = leaving.enter_context(line.join(alone=False))
        with line.join(alone=False) as third:
            assert (first.served, second.served, line.admit(third)) == (True, True, False)
            assert line.place(third).position == 3
            leaving.close()
            assert line.admit(third)


def test_what_is_served_alone_waits_for_all_before_it_and_lets_nobody_pass() -> None:
    line = Line(longest=5, at_once=3)
    with line.join(alone=False), line.join() as alone, line.join(alone=False) as behind:
        assert not line.admit(alone) and not line.admit(behind)


def test_comparisons_are_served_beside_what_gives_way() -> None:
    line = Line(longest=9, at_once=2)
    with line.join(gives_way=True) as gives_way, line.join(alone=False) as beside:
        assert gives_way.served and beside.served
        with line.join(alone=False) as third, line.join(gives_way=True) as second, line.join() as alone, line.join(alone=False) as last:
            assert not any(line.admit(ticket) for ticket in (third, second, alone, last))


def test_where_one_is_served_at_a_time_nothing_gives_way() -> None:
    line = Line(longest=9, at_once=1)
    with line.join(gives_way=True), line.join(alone=False) as behind:
        assert not line.admit(behind)


def test_an_evaluation_gives_no_answers_before_mine_but_its_batches_come_before_my_timing() -> None:
    line = Line(longest=9, at_once=3)
    with line.join(alone=False) as past:
        past.has_answered()
    with line.join(gives_way=True), line.join(alone=False) as mine:
        assert mine.ahead() == Ahead(0, 0, 0.0)
        mine.has_answered()
        assert mine.ahead() == Ahead(0, 1, None)
    with line.join(alone=False) as mine, line.join(gives_way=True), line.join(alone=False) as later:
        mine.has_answered()
        later.has_answered()
        assert (mine.ahead().timings, later.ahead().timings) == (0, 1)  # the evaluation between them is not served yet


def test_answers_go_before_timings() -> None:
    line = Line(longest=5, at_once=3)
    with line.join(alone=False) as first, line.join(alone=False) as second, line.join(alone=False) as third:
        assert third.ahead() == Ahead(2, 0, None)
        first.has_answered()
        assert (second.ahead().answers, third.ahead().answers) == (0, 1)
        assert (first.ahead().answers, first.ahead().timings) == (2, 0)
        second.has_answered()
        third.has_answered()
        assert (third.ahead().answers, third.ahead().timings) == (0, 2)
        assert first.ahead() == Ahead(0, 0, 0.0)


def test_waits_for_answers_and_timings_are_estimated_from_those_before() -> None:
    line = Line(longest=5, at_once=3)
    with line.join(alone=False) as past:
        time.sleep(0.1)
        past.has_answered()
        time.sleep(0.3)
    with line.join(alone=False) as first, line.join(alone=False) as second:
        wait_s = second.ahead().wait_s
        assert wait_s is not None and 0.05 < wait_s < 0.2
        first.has_answered()
        second.has_answered()
        wait_s = second.ahead().wait_s
        assert wait_s is not None and 0.2 < wait_s < 0.5


def _be_served(line: Line, name: str, served: list) -> None:
    with line.join() as ticket:
        places = [(place.position, place.length) for place in ticket.wait(Event())]
        served.append((name, places))
