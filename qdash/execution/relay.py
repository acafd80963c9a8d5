"""Listening to a generator on its way to somebody else."""

from collections.abc import Callable, Generator
from contextlib import closing

from qdash.execution import Item, Result


def overheard(items: Generator[Item, None, Result], listen: Callable[[Item], None]) -> Generator[Item, None, Result]:
    """Yield what `items` yields, telling `listen` first; returns what `items` returns."""
    with closing(items):
        while True:
            try:
                item = next(items)
            except StopIteration as end:
                return end.value
            listen(item)
            yield item
