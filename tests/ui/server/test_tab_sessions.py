"""What a tab reads ends with the tab, and when it reads something else."""

from collections.abc import Iterator
from threading import Event

from qdash.ui.server.tab_sessions import Sessions


def test_what_a_tab_reads_is_stopped_when_it_is_left_and_by_the_next() -> None:
    sessions, flags = Sessions(), list[Event]()

    def items(stop: Event) -> Iterator[int]:
        flags.append(stop)
        yield from range(3)

    assert list(sessions.stream("tab", "layer", items)) == [0, 1, 2] and flags[0].is_set()
    first = sessions.stream("tab", "layer", items)
    next(first)
    second = sessions.stream("tab", "layer", items)
    next(second)
    assert [flag.is_set() for flag in flags[1:]] == [True, False]
    second.close()  # type: ignore[attr-defined]
    assert flags[2].is_set()
