"""The drawings that are shipped are the beginning of the held-out set, which training never saw."""

from __future__ import annotations

import io
import json
from zipfile import ZipFile

from PIL import Image, ImageChops

from qdash.tasks.generators.drawing import draw_scene
from training.drawings_task import DRAWINGS_FILE, PER_CELL, archive, line
from training.holdout import held_out_items


def test_the_file_holds_the_first_held_out_questions() -> None:
    items = held_out_items(PER_CELL)
    with ZipFile(DRAWINGS_FILE) as file:
        lines = file.read("questions.jsonl").decode().splitlines()
        assert lines == [line(item) for item in items]
        assert set(json.loads(lines[0])) == {"prompt", "answer", "kind", "language"}
        for number in range(0, len(items), 37):
            shipped = Image.open(io.BytesIO(file.read(f"{number:04}.png")))
            assert ImageChops.difference(shipped, draw_scene(items[number].scene)).getbbox() is None


def test_an_archive_is_the_same_every_time() -> None:
    items = held_out_items(1)
    assert archive(items) == archive(items)
