"""The fixed questions about drawings that the dashboard ships: the beginning of the held-out set, its pictures drawn.

    python -m training.drawings_task        # writes qdash/assets/tasks/drawings.zip

Kinds and languages are equally many, every question has a picture of its own. The archive is the same, byte for byte, wherever the same
Pillow writes it.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from PIL import Image

from qdash.tasks.generators.drawing import draw_scene
from training.holdout import HeldOutItem, held_out_items

DRAWINGS_FILE = Path(__file__).parent.parent / "qdash" / "assets" / "tasks" / "drawings.zip"
PER_CELL = 20
"""Questions of each of the ten types in each language: 400 in all."""


def main() -> None:
    """Writes the file."""
    DRAWINGS_FILE.write_bytes(archive(held_out_items(PER_CELL)))


def archive(items: list[HeldOutItem]) -> bytes:
    """A ZIP file of `questions.jsonl` and a PNG a question: 0000.png, 0001.png …"""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as file:
        _put(file, "questions.jsonl", "".join(f"{line(item)}\n" for item in items).encode(), ZIP_DEFLATED)
        for number, item in enumerate(items):
            _put(file, f"{number:04}.png", as_png(draw_scene(item.scene)), ZIP_STORED)
    return buffer.getvalue()


def line(item: HeldOutItem) -> str:
    """One question as JSON, with the keys of cloze.jsonl."""
    question = item.question
    known = {"prompt": question.text, "answer": question.answer, "kind": question.type, "language": question.language}
    return json.dumps(known, ensure_ascii=False)


def as_png(image: Image.Image) -> bytes:
    """As small as PNG gets it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _put(file: ZipFile, name: str, data: bytes, compression: int) -> None:
    # Without a date of its own every archive would differ.
    file.writestr(ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data, compress_type=compression)


if __name__ == "__main__":
    main()
