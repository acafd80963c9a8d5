"""The tasks that come with qdash: their questions lie in qdash/assets/tasks, so they need neither a network nor the code that wrote them.

`cloze.jsonl` has one question a line. `drawings.zip` holds `questions.jsonl` and a PNG for each question, 0000.png and on.
"""

import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from zipfile import ZipFile

from PIL import Image

from qdash.catalog.models import ASSETS
from qdash.records import Picture, TaskItem, TaskKey
from qdash.tasks.item import Item

FOLDER = ASSETS / "tasks"


def bundled_items(key: TaskKey) -> tuple[Item, ...] | None:
    """All questions of a task, in their fixed order; None for a task whose questions do not come with qdash."""
    return _READERS[key]() if key in _READERS else None


@cache
def _cloze() -> tuple[Item, ...]:
    lines = (FOLDER / "cloze.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_continuation(**json.loads(line)) for line in lines)


def _continuation(prompt: str, answer: str, kind: str, language: str) -> Item:
    """Chinese puts no space before its next word."""
    question = TaskItem(prompt=prompt, answer=answer, group=kind, language=language)
    return Item(question, target=answer if language == "zh" else f" {answer}")


@cache
def _drawings() -> tuple[Item, ...]:
    with ZipFile(FOLDER / "drawings.zip") as archive:
        lines = archive.read("questions.jsonl").decode().splitlines()
        return tuple(_drawing(archive.read(f"{number:04}.png"), **json.loads(line)) for number, line in enumerate(lines))


def _drawing(png: bytes, prompt: str, answer: str, kind: str, language: str) -> Item:
    width, height = Image.open(io.BytesIO(png)).size
    picture = Picture(width=width, height=height, sha256=hashlib.sha256(png).hexdigest())
    return Item(TaskItem(prompt=prompt, answer=answer, group=kind, language=language, picture=picture), png)


_READERS: dict[TaskKey, Callable[[], tuple[Item, ...]]] = {"cloze": _cloze, "drawings": _drawings}
