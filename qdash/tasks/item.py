"""A question as it is asked: its record, and the pixels that travel beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from qdash.records import TaskItem


@dataclass(frozen=True)
class Item:
    """`png`: the picture as RGB PNG bytes, or None. `target`: what continues a plain prompt exactly; empty for others."""

    question: TaskItem
    png: bytes | None = field(default=None, repr=False)
    target: str = ""


def stratified_sample(items: Sequence[Item], limit: int | None) -> tuple[Item, ...]:
    """The first `limit` items, taken in turn from each kind and language, so that every one is there alike; None: all, as they are.

    Items of one kind only are simply the first ones, which is also what lm-eval's --limit takes.
    """
    if limit is None or limit >= len(items):
        return tuple(items)
    cells: dict[tuple[str | None, str | None], list[Item]] = {}
    for item in items:
        cells.setdefault((item.question.group, item.question.language), []).append(item)
    in_turn = chain.from_iterable(zip_longest(*cells.values()))
    return tuple([item for item in in_turn if item is not None][:limit])
