"""Waiting for something that cannot be interrupted, such as a hub that does not answer, in a way that can."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import TypeVar

from qdash.errors import QdashError

POLL_S = 0.1

Result = TypeVar("Result")


def unless_stopped(call: Callable[[], Result], stop: Event | None, stopped: QdashError) -> Result:
    """What `call` returns or raises; raises `stopped` as soon as `stop` is set, and leaves the call to itself."""
    if stop is None:
        return call()
    outcome: Future[Result] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    if not stop.is_set():
        Thread(target=work, daemon=True, name="unless-stopped").start()
    while not wait([outcome], timeout=POLL_S).done:
        if stop.is_set():
            raise stopped
    return outcome.result()
