"""LAMBADA: passages from novels whose last word a reader finds who knows the whole passage, and nobody who knows its last sentence only.

The passages are EleutherAI's (the test split as OpenAI prepared it), which lm-eval uses too. They come through the `datasets` library
where it is installed and the hub can be reached, or from a file of JSON lines with a `text` each.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qdash.errors import QdashError
from qdash.records import TaskItem
from qdash.remedies import by_reader
from qdash.settings import settings
from qdash.tasks.files import read_rows
from qdash.tasks.item import Item
from qdash.tasks.rows import Columns

DATASET = "EleutherAI/lambada_openai"
"""Paperno et al. 2016, “The LAMBADA dataset: word prediction requiring a broad discourse context”."""

_COLUMNS = Columns(("text",), ("text",))
_FROM_A_FILE = 'or choose a file of JSON lines, each {"text": "the whole passage"}.'


def lambada_items(source: Path | bytes | None = None, name: str = "") -> tuple[Item, ...]:
    """The passages of a file, or of the data set; raises QdashError: "unavailable" without `datasets`, "download" without the hub."""
    if source is None:
        return tuple(_item(text, f"passage {number}") for number, text in enumerate(_published(), 1))
    name = name or (source.name if isinstance(source, Path) else "The file")
    rows = read_rows(source, name, _COLUMNS)
    return tuple(_item(row.values["text"], f"{name}, line {row.line}") for row in rows)


def _item(text: Any, where: str) -> Item:
    """All but the last word, and the last word: words are what stands between spaces, as in lm-eval's task `lambada_openai`."""
    context, _, last = text.rpartition(" ") if isinstance(text, str) else ("", "", "")
    context = context.rstrip()
    if not context or not last.strip():
        raise QdashError(f"{where}: there is no “text” of two words or more.", "Give every line a passage.")
    limit = settings().max_prompt_chars
    if len(text) > limit:
        raise QdashError(f"{where}: the text has {len(text):,} characters; at most {limit:,} are allowed.", "Shorten it.")
    return Item(TaskItem(prompt=context, answer=last), target=text[len(context) :])


def _published() -> Iterable[Any]:
    if importlib.util.find_spec("datasets") is None:
        message = "LAMBADA comes through the Python package “datasets”, which is not installed."
        said = by_reader(owner=f"Install it (pip install datasets), {_FROM_A_FILE}", visitor=f"Choose another task, {_FROM_A_FILE}")
        raise QdashError(message, said, "unavailable")
    datasets: Any = importlib.import_module("datasets")
    try:
        return datasets.load_dataset(DATASET, split="test")["text"]
    except Exception as error:  # the library's own, the hub's and the network's have nothing in common
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise QdashError(f"LAMBADA could not be downloaded: {reason}", f"Check the network, {_FROM_A_FILE}", "download") from None
