"""One half to search on, one to prove on."""

import random

import pytest

from qdash.records import Picture, TaskItem
from qdash.tasks import Item, item_id, split_items


def item(prompt: str, picture: str | None = None, target: str = "") -> Item:
    known = Picture(width=1, height=1, sha256=picture) if picture else None
    return Item(TaskItem(prompt=prompt, answer="", picture=known), target=target)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_halves_are_apart_and_all_there(count: int) -> None:
    every = [item(f"question {number}") for number in range(count)]
    search, proof = split_items(every)
    assert len(search) == (count + 1) // 2 and len(proof) == count // 2
    assert {item_id(one) for one in search} | {item_id(one) for one in proof} == {item_id(one) for one in every}
    assert not {item_id(one) for one in search} & {item_id(one) for one in proof}


def test_neither_order_nor_repetition_changes_a_side() -> None:
    every = [item(f"question {number}") for number in range(20)]
    search, _ = split_items(every)
    shuffled = [*every, *every[:7]]
    random.Random(1).shuffle(shuffled)
    assert {item_id(one) for one in split_items(shuffled)[0]} == {item_id(one) for one in search}


def test_questions_differ_by_prompt_picture_and_what_follows() -> None:
    different = [item("a"), item("b"), item("a", "picture"), item("a", "another"), item("a", target=" b")]
    assert len({item_id(one) for one in different}) == len(different)
    assert item_id(item("a", "picture")) == item_id(item("a", "picture"))
