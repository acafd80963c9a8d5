"""Two halves of the same questions: one to search on, one to prove on what was found. A question is never on both sides."""

from collections.abc import Sequence
from hashlib import sha256

from qdash.tasks.item import Item

_SEED = "halves"


def item_id(item: Item) -> str:
    """Tells an item from others: a digest of its prompt, its picture and the text that continues it, if there is one."""
    parts = (item.question.prompt, item.question.picture.sha256 if item.question.picture else "", item.target)
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def split_items(items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The items to search on and those to prove on, each in the order given; a repeated item counts once.

    The order of seeded digests decides, so an item's side depends on which other items there are and not on their order. Of an odd number
    the search has one more, and a single item leaves nothing to prove on.
    """
    known = {item_id(item): item for item in items}
    shuffled = sorted(known, key=lambda name: sha256(f"{_SEED} {name}".encode()).digest())
    searched = set(shuffled[: (len(shuffled) + 1) // 2])
    search = tuple(item for name, item in known.items() if name in searched)
    return search, tuple(item for name, item in known.items() if name not in searched)
