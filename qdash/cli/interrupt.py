"""Ctrl-C: once to stop in good order with what there is, twice to leave."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stoppable() -> Iterator[Event]:
    """An event that the first Ctrl-C sets; the second raises KeyboardInterrupt."""
    stop = Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
