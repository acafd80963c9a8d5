"""Who gets the device: answers before timings, then whoever came first, and nobody in the middle of somebody's answers."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from qdash.errors import QdashError
from qdash.execution import Rank
from qdash.execution.turn import GRACE_S, Turn

TIMEOUT_S = 30


class Crowd:
    """People in threads who want the turn; `order` is who got it."""

    def __init__(self) -> None:
        self.turn, self.order = Turn(), []
        self.threads: list[Thread] = []

    def want(self, name: str, rank: Rank, stays: Event | None = None, got: Callable[[], None] = lambda: None) -> None:
        thread = Thread(target=self._take, args=(name, rank, stays, got), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _take(self, name: str, rank: Rank, stays: Event | None, got: Callable[[], None]) -> None:
        for _ in self.turn.wait(rank, None):
            pass
        self.order.append(name)
        got()
        if stays is not None:
            stays.wait(TIMEOUT_S)
        self.turn.release()

    def waiting(self, count: int) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while len(self.turn._waiting) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.turn._waiting) == count

    def over(self) -> list[str]:
        for thread in self.threads:
            thread.join(TIMEOUT_S)
        return self.order


def held() -> tuple[Crowd, Event]:
    """A crowd whose turn is taken until the event is set, by a round of timings that came first of all."""
    crowd, leaves = Crowd(), Event()
    taken = Event()
    crowd.want("first", Rank(timing=True, arrived=0), leaves, taken.set)
    assert taken.wait(TIMEOUT_S)
    return crowd, leaves


def test_answers_go_before_timings_and_each_in_order_of_arrival() -> None:
    crowd, leaves = held()
    wanted = {"b times": Rank(True, 2), "a times": Rank(True, 1), "d asks": Rank(False, 4), "c asks": Rank(False, 3)}
    for number, (name, rank) in enumerate(wanted.items(), 1):
        crowd.want(name, rank)
        crowd.waiting(number)
    leaves.set()
    assert crowd.over() == ["first", "c asks", "d asks", "a times", "b times"]


@pytest.mark.parametrize("later", [Rank(False, 2), Rank(True, 0)])
def test_between_two_calls_of_the_same_answers_nobody_who_ranks_behind_slips_in(later: Rank) -> None:
    crowd, mine, stay = Crowd(), Rank(False, 1), Event()
    crowd.want("load", mine, stay)
    while not crowd.order:
        time.sleep(0.01)
    crowd.want("later", later)
    crowd.waiting(1)
    stay.set()
    time.sleep(GRACE_S / 4)  # as long as it takes to show what has come of it
    crowd.want("answer", mine)
    assert crowd.over() == ["load", "answer", "later"]


def test_whoever_does_not_come_back_holds_nobody_up_for_long() -> None:
    crowd = Crowd()
    crowd.want("gone", Rank(False, 1))
    began = time.monotonic()
    crowd.want("next", Rank(True, 2))
    assert crowd.over() == ["gone", "next"] and time.monotonic() - began < GRACE_S + 5


def test_waiting_is_said_once_and_can_be_stopped() -> None:
    crowd, leaves = held()
    stop = Event()
    waits = crowd.turn.wait(Rank(), stop)
    assert "waiting" in next(waits).detail
    stop.set()
    with pytest.raises(QdashError) as error:
        next(waits)
    assert error.value.kind == "cancelled" and not crowd.turn._waiting
    leaves.set()


def test_whoever_has_the_turn_can_see_who_should_have_it() -> None:
    crowd, leaves = held()
    crowd.want("times", Rank(True, 2))
    crowd.waiting(1)
    assert [crowd.turn.wanted_before(rank) for rank in (Rank(False, 9), Rank(True, 1), Rank(True, 2), Rank(True, 3))] == [False] * 3 + [
        True
    ]
    crowd.want("asks", Rank(False, 4))
    crowd.waiting(2)
    assert [crowd.turn.wanted_before(rank) for rank in (Rank(False, 3), Rank(False, 5), Rank(True, 1))] == [False, True, True]
    leaves.set()
    crowd.over()
    assert not crowd.turn.wanted_before(Rank(True, 9))


def test_whoever_leaves_the_line_is_forgotten() -> None:
    crowd, leaves = held()
    waits: Any = crowd.turn.wait(Rank(), None)
    next(waits)
    waits.close()
    crowd.want("next", Rank(True))
    leaves.set()
    assert crowd.over() == ["first", "next"]


def test_many_at_once_never_hold_the_turn_together() -> None:
    crowd, inside, most = Crowd(), [0], [0]

    def busy() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        inside[0] -= 1

    for number in range(12):
        crowd.want(str(number), Rank(number % 2 == 0, 0.0), got=busy)
    assert len(crowd.over()) == 12 and most == [1]
