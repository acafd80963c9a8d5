"""A person's own questions: CSV with a header, or JSON objects, of prompt, answer and perhaps image, kind and language.

Such a file is untrusted, so everything in it is bounded before it is kept: its size, its lines, every text, every picture and
all pictures together. A picture is a `data:` URI, or the name of a file that came with it (see `bundle`).
"""

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any

from qdash.errors import QdashError
from qdash.inputs import check_prompt, clean_text, read_file, read_picture, shown
from qdash.records import Picture, TaskItem
from qdash.tasks.bundle import Bundle, Open, in_folder, nowhere, zipped
from qdash.tasks.files import read_rows
from qdash.tasks.item import Item
from qdash.tasks.rows import Columns, FileRow

MAX_ANSWER_CHARS = 1000
MAX_NAME_CHARS = 60
MAX_PICTURE_BYTES = 200 * 2**20
"""Of all pictures together, as they are kept."""

MAX_ANSWERS = 100
"""To one question."""

_NEEDED = "Give every line a prompt and an answer."
_COLUMNS = Columns(("prompt", "answer", "image", "kind", "language"), ("prompt", "answer"))
_LIST = 'Write all answers that are right as a JSON list of texts, ["4", "four"]; one that begins with a bracket itself as ["[4]"].'
# What a spreadsheet or pandas leaves where there was nothing, or a formula failed.
_NOTHING = {"nan", "<na>", "#n/a", "#ref!", "#name?", "#value!", "#div/0!", "#null!", "#num!"}


def read_custom(source: Path | bytes | Bundle, name: str = "") -> tuple[Item, ...]:
    """The questions of a file, given by its path or its bytes, or of the one among several that came together; a ZIP file is several.

    An answer may be a list, of which any is right; in CSV as a JSON list of texts in the cell. Columns other than prompt, answer, image,
    kind and language are left out. Raises QdashError naming the line and what is wrong with it.
    """
    if isinstance(source, Bundle):
        return _bundled(source)
    name = name or (source.name if isinstance(source, Path) else "The file")
    data = read_file(source, "questions") if isinstance(source, Path) else source
    bundle = zipped(data, name)
    if bundle is not None:
        return _bundled(bundle)
    return _read(data, name, in_folder(source.parent) if isinstance(source, Path) else nowhere)


def _bundled(bundle: Bundle) -> tuple[Item, ...]:
    name = bundle.questions()
    return _read(bundle.read(name, "questions"), name, bundle.pictures(name))


def _read(text: bytes, name: str, opened: Open) -> tuple[Item, ...]:
    pictures = _Pictures(opened)
    items: list[Item] = []
    for row in read_rows(text, name, _COLUMNS):
        try:
            items.append(_item(row, pictures))
        except QdashError as error:
            raise QdashError(f"{name}, line {row.line:,}: {error.message}", error.remedy, error.kind) from None
    if not items:
        raise QdashError(f"{name} has no questions.", _NEEDED)
    return tuple(items)


def _item(row: FileRow, pictures: "_Pictures") -> Item:
    answer, *alternatives = _answers(row)
    prompt = check_prompt(_needed(_word(row.values["prompt"]), "prompt"))
    picture, png = pictures.find(_path(row.values.get("image")))
    group, language = ((_optional(row, column) or "")[:MAX_NAME_CHARS] or None for column in ("kind", "language"))
    question = TaskItem(
        prompt=prompt, answer=answer, alternatives=tuple(alternatives), group=group, language=language, picture=picture
    )  # fmt: skip
    return Item(question, png)


def _answers(row: FileRow) -> list[str]:
    """The answers that are right, each once."""
    value = row.values["answer"]
    if row.is_csv:
        value = _listed(value)
    if not isinstance(value, list):
        return [_answer(_needed(_word(value), "answer"))]
    if not value:
        raise QdashError("the list of answers is empty.", _NEEDED)
    if len(value) > MAX_ANSWERS:
        raise QdashError(f"there are {len(value):,} answers; at most {MAX_ANSWERS} are allowed.", "Keep fewer.")
    words = [_word(entry) for entry in value]
    if not all(words):
        raise QdashError("an answer in the list is empty, or no text.", _LIST)
    return list(dict.fromkeys(_answer(word) for word in words if word))


def _listed(cell: str) -> Any:
    """A cell of CSV: a list if it is one of texts in JSON, else its text. What only looks like a list might be either, and is refused."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return cell
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and all(isinstance(entry, str) for entry in found):
        return found
    if found is not None or re.match(r"""\[\s*(['"\d\[{]|\])""", text):
        raise QdashError(f"the answer {text[:60]} looks like a list, but is not a JSON list of texts.", _LIST)
    return cell


def _answer(text: str) -> str:
    if len(text) > MAX_ANSWER_CHARS:
        raise QdashError(f"the answer has {len(text):,} characters; at most {MAX_ANSWER_CHARS:,} are allowed.", "Shorten it.")
    return text


def _needed(text: str | None, column: str) -> str:
    """What must not be empty, nor what programs write for something empty."""
    if text is None:
        raise QdashError(f"there is no {column}.", _NEEDED)
    if text.lower() in _NOTHING:
        remedy = f'{_NEEDED} If the answer is really that word, write it as a list: ["{text}"].' if column == "answer" else _NEEDED
        raise QdashError(f"the {column} is “{text}”, which programs write where a value is missing or failed.", remedy)
    return text


def _optional(row: FileRow, column: str) -> str | None:
    text = _word(row.values.get(column))
    return None if text is None or text.lower() in _NOTHING else text


def _path(value: Any) -> str:
    """What names a picture, as it stands in the file: cleaned, it might name another one."""
    text = value.strip() if isinstance(value, str) else ""
    return "" if text.lower() in _NOTHING else text


def _word(value: Any) -> str | None:
    """A field's text, or None if it has none. Numbers are text already; true and false are as JSON writes them; objects are none."""
    if isinstance(value, bool):
        return str(value).lower()
    return clean_text(value).strip() or None if isinstance(value, str) else None


class _Pictures:
    """Reads pictures, each one once, and keeps count of what they take."""

    def __init__(self, opened: Open) -> None:
        self._open = opened
        self._found: dict[str, tuple[Picture, bytes]] = {}
        self._kept_bytes = 0

    def find(self, image: str) -> tuple[Picture | None, bytes | None]:
        """The picture that a cell names, and its pixels as PNG; None for an empty cell."""
        if not image:
            return None, None
        if image not in self._found:
            picture, png = read_picture(_embedded(image)) if image.startswith("data:") else read_picture(self._open(image), shown(image))
            self._kept_bytes += len(png)
            if self._kept_bytes > MAX_PICTURE_BYTES:
                raise QdashError(f"the pictures take more than {MAX_PICTURE_BYTES / 2**20:,.0f} MiB.", "Scale them down, or keep fewer.")
            self._found[image] = picture, png
        return self._found[image]


def _embedded(uri: str) -> bytes:
    kind, _, data = uri.partition(",")
    try:
        if kind.endswith(";base64"):
            return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise QdashError("the picture's data: URI cannot be read.", "Write data:image/png;base64, and then the file in base64.")
