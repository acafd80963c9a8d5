"""Generators that yield progress and return a result, as all of qdash's work does: run to their end, or forwarded as other events.

`yield from` does both if the events need no change. These functions close the generator they are given when they are left early: it may
hold a worker, which is then free at once instead of at the next garbage collection.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")
Other = TypeVar("Other")
Result = TypeVar("Result")


def forward_events(steps: Generator[Item, None, Result], events_of: Callable[[Item], Iterable[Other]]) -> Generator[Other, None, Result]:
    """Yield the events of each step, none or more, and return what `steps` returns. Closing this closes `steps`."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            yield from events_of(step)


def result_of(steps: Generator[Item, None, Result], on_step: Callable[[Item], object] = lambda step: None) -> Result:
    """Run `steps` to their end and return what they return; `on_step` is called with each."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            on_step(step)
