"""Generators that yield progress and return a result, as all work of qdash does: run to their end, or forwarded as other events.

`yield from` does both where nothing is to be changed on the way. These close the generator they are given whenever they are left early:
it may hold a worker, which is then free at once, and not when the garbage collector comes by.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TypeVar

Step = TypeVar("Step")
Event = TypeVar("Event")
Result = TypeVar("Result")


def forward_events(steps: Generator[Step, None, Result], events_of: Callable[[Step], Iterable[Event]]) -> Generator[Event, None, Result]:
    """Yield the events of each step, none or more, and return what `steps` returns. Closing this closes `steps`."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            yield from events_of(step)


def result_of(steps: Generator[Step, None, Result], on_step: Callable[[Step], object] = lambda step: None) -> Result:
    """Run `steps` to their end and return what they return; `on_step` is called with each."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            on_step(step)
