"""What comes with qdash: both sets are whole, and a part of one has every kind."""

import io
import json
from collections import Counter

import pytest
from PIL import Image

from qdash.catalog.models import ASSETS
from qdash.inputs import check_prompt, read_picture
from qdash.tasks import TASKS, Item, bundled_items, stratified_sample
from qdash.tasks.rules import GRADERS


def cells(items: tuple[Item, ...]) -> Counter[tuple[str | None, str | None]]:
    return Counter((item.question.group, item.question.language) for item in items)


def test_the_cloze_set_is_the_file() -> None:
    items = bundled_items("cloze")
    lines = [json.loads(line) for line in (ASSETS / "tasks" / "cloze.jsonl").read_text().splitlines()]
    assert items is not None and len(items) == 1000
    assert [(i.question.prompt, i.question.answer) for i in items] == [(line["prompt"], line["answer"]) for line in lines]
    for item in items:
        spaced = item.question.language == "en"
        assert item.target == (" " if spaced else "") + item.question.answer
        assert not item.question.prompt.endswith(" ")


def test_drawings_are_pictures_that_a_worker_takes() -> None:
    items = bundled_items("drawings")
    assert items is not None and len(items) == 400
    assert set(cells(items).values()) == {20} and len(cells(items)) == 20
    for item in items[::40]:
        assert item.png is not None and item.question.picture is not None
        again, png = read_picture(item.png)
        before, after = (Image.open(io.BytesIO(data)) for data in (item.png, png))
        assert before.mode == "RGB" and before.tobytes() == after.tobytes()
        assert (again.width, again.height) == (item.question.picture.width, item.question.picture.height)
    assert len({item.png for item in items}) == 400


@pytest.mark.parametrize("key", ["cloze", "drawings"])
def test_the_true_answer_is_right_by_the_tasks_rule_and_every_prompt_passes(key: str) -> None:
    items = bundled_items(key)
    assert items is not None
    for item in items:
        assert GRADERS[TASKS[key].rule](item.question.answer, item.question.answer)
        assert check_prompt(item.question.prompt) == item.question.prompt


@pytest.mark.parametrize(("key", "limit"), [("cloze", 100), ("cloze", 37), ("drawings", 60), ("drawings", 1)])
def test_a_part_has_all_kinds_alike(key: str, limit: int) -> None:
    items = bundled_items(key)
    assert items is not None
    part = stratified_sample(items, limit)
    assert len(part) == limit
    counts = cells(part).values()
    assert max(counts) - min(counts) <= 1
    assert stratified_sample(items, limit + 1)[:limit] == part


def test_questions_of_one_kind_are_the_first_ones() -> None:
    cloze = bundled_items("cloze")
    assert cloze is not None
    same = tuple(item for item in cloze if (item.question.group, item.question.language) == ("names", "en"))
    assert stratified_sample(same, 7) == same[:7]
    assert stratified_sample(same, None) == stratified_sample(same, 10_000) == same


def test_lambada_ones_own_and_another_versions_tasks_have_no_questions_here() -> None:
    assert bundled_items("lambada") is None and bundled_items("own") is None and bundled_items("riddles") is None
