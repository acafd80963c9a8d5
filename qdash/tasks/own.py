"""A person's own questions: a CSV file with a header, or JSON lines, of prompt, answer and perhaps image, kind and language.

Nobody has looked at such a file, so everything in it is bounded before it is kept: its size, its lines, every text, every picture and
all pictures together. A picture is a `data:` URI, or a path that leads from the file's folder to a file in or below it and nowhere else.
"""

import base64
import binascii
from pathlib import Path

from qdash.errors import QdashError
from qdash.inputs import check_prompt, read_picture
from qdash.records import Picture, TaskItem
from qdash.tasks.files import Row, read_rows
from qdash.tasks.item import Item

MAX_ANSWER_CHARS = 1000
MAX_NAME_CHARS = 60
MAX_PICTURE_BYTES = 200 * 2**20
"""Of all pictures together, as they are kept."""

_NEEDED = "Give every line a prompt and an answer."


def read_own(source: Path | bytes, name: str = "") -> tuple[Item, ...]:
    """The questions of a file, given by its path or its bytes; the end of `name` tells CSV (“.csv”) from JSON lines.

    Columns other than prompt, answer, image, kind and language are left out. Raises QdashError naming the line and what is wrong with it.
    """
    name = name or (source.name if isinstance(source, Path) else "The file")
    pictures = _Pictures(source.parent if isinstance(source, Path) else None)
    items: list[Item] = []
    for line, row in read_rows(source, name):
        try:
            items.append(_item(row, pictures))
        except QdashError as error:
            raise QdashError(f"{name}, line {line}: {error.message}", error.remedy, error.kind) from None
    if not items:
        raise QdashError(f"{name} has no questions.", _NEEDED)
    return tuple(items)


def _item(row: Row, pictures: "_Pictures") -> Item:
    answer = _text(row, "answer")
    if len(answer) > MAX_ANSWER_CHARS:
        raise QdashError(f"the answer has {len(answer):,} characters; at most {MAX_ANSWER_CHARS:,} are allowed.", "Shorten it.")
    prompt = check_prompt(_text(row, "prompt"))
    picture, png = pictures.find(_word(row, "image", None) or "")
    group, language = _word(row, "kind", MAX_NAME_CHARS), _word(row, "language", MAX_NAME_CHARS)
    return Item(TaskItem(prompt=prompt, answer=answer, group=group, language=language, picture=picture), png)


def _text(row: Row, column: str) -> str:
    """A cell that must not be empty."""
    text = _word(row, column, None)
    if text is None:
        raise QdashError(f"there is no {column}.", _NEEDED)
    return text


def _word(row: Row, column: str, most: int | None) -> str | None:
    """A cell's text, cut after `most` characters, or None. Numbers, which JSON has, are text here; lists and objects are not."""
    value = row.get(column)
    return str(value).strip()[:most] or None if isinstance(value, str | int | float) else None


class _Pictures:
    """Reads pictures, each one once, and keeps count of what they take."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder is not None else None
        self._found: dict[str, tuple[Picture, bytes]] = {}
        self._kept_bytes = 0

    def find(self, image: str) -> tuple[Picture | None, bytes | None]:
        """The picture that a cell names, and its pixels as PNG; None for an empty cell."""
        if not image:
            return None, None
        if image not in self._found:
            picture, png = read_picture(_embedded(image) if image.startswith("data:") else self._beside(image))
            self._kept_bytes += len(png)
            if self._kept_bytes > MAX_PICTURE_BYTES:
                raise QdashError(f"the pictures take more than {MAX_PICTURE_BYTES / 2**20:,.0f} MiB.", "Scale them down, or keep fewer.")
            self._found[image] = picture, png
        return self._found[image]

    def _beside(self, image: str) -> Path:
        if self._folder is None:
            message = "a picture's path leads nowhere, as only this file was handed in."
            raise QdashError(message, "Embed the picture as a data: URI, or use the command line, where it may lie beside the file.")
        try:
            path = (self._folder / image).resolve()
        except (OSError, ValueError, RuntimeError):  # names that no file can have, links that lead to themselves
            path = None
        if path is None or not path.is_relative_to(self._folder):
            raise QdashError(f"the picture “{image[:100]}” is not in the file's folder.", "Put it there, and name it from there.")
        return path


def _embedded(uri: str) -> bytes:
    kind, _, data = uri.partition(",")
    try:
        if kind.endswith(";base64"):
            return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise QdashError("the picture's data: URI cannot be read.", "Write data:image/png;base64, and then the file in base64.")
