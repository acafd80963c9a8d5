"""The tasks that come with qdash: their questions lie in qdash/assets/tasks, so they need neither a network nor the code that wrote them.

A file of JSON lines has one question a line. A ZIP file holds `questions.jsonl` and a PNG for each question, 0000.png and on.
"""

import hashlib
import io
import json
from functools import cache
from zipfile import ZipFile

from PIL import Image

from qdash.catalog.models import ASSETS
from qdash.records import Picture, TaskItem, TaskKey
from qdash.tasks.item import Item
from qdash.tasks.task import TASKS

FOLDER = ASSETS / "tasks"


def bundled_items(key: TaskKey) -> tuple[Item, ...] | None:
    """All questions of a task, in their fixed order; None for a task whose questions do not come with qdash."""
    task = TASKS.get(key)
    if task is None or task.file is None:
        return None
    return _with_pictures(task.file) if task.file.endswith(".zip") else _of_words(task.file, task.plain)


@cache
def _of_words(file: str, plain: bool) -> tuple[Item, ...]:
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return tuple(_question(plain, **json.loads(line)) for line in lines)


def _question(plain: bool, prompt: str, answer: str, kind: str | None = None, language: str | None = None) -> Item:
    """The answer to a plain prompt continues it; Chinese puts no space before its next word."""
    question = TaskItem(prompt=prompt, answer=answer, group=kind, language=language)
    following = answer if language == "zh" else f" {answer}"
    return Item(question, target=following if plain else "")


@cache
def _with_pictures(file: str) -> tuple[Item, ...]:
    with ZipFile(FOLDER / file) as archive:
        lines = archive.read("questions.jsonl").decode().splitlines()
        return tuple(_drawing(archive.read(f"{number:04}.png"), **json.loads(line)) for number, line in enumerate(lines))


def _drawing(png: bytes, prompt: str, answer: str, kind: str, language: str) -> Item:
    width, height = Image.open(io.BytesIO(png)).size
    picture = Picture(width=width, height=height, sha256=hashlib.sha256(png).hexdigest())
    return Item(TaskItem(prompt=prompt, answer=answer, group=kind, language=language, picture=picture), png)
