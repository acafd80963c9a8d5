"""The examples of docs/extending.md, as they are printed."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"

_NAMED = re.compile(r"```\w+\n(?:#|//) (qdash/\S+)\n(.*?)```", re.DOTALL)
"""Code that says first which file it is, or is added to."""

_DATA = re.compile(r"`(qdash/\S+)`:\n\n```json\n(.*?)```", re.DOTALL)
"""Lines of data, which cannot; the sentence before them does."""


def walk(title: str) -> str:
    """The text of the walk whose title begins so."""
    (found,) = [part for part in DOCUMENT.read_text(encoding="utf-8").split("\n## ") if part.startswith(title)]
    return found


def python_blocks(title: str) -> list[str]:
    """The Python examples of a walk, in the order in which they are printed."""
    return re.findall(r"```python\n(.*?)```", walk(title), re.DOTALL)


def additions(*titles: str) -> dict[str, str]:
    """What walks add, by the file that it is added to."""
    found: dict[str, str] = {}
    for title in titles:
        text = walk(title)
        for path, code in [*_NAMED.findall(text), *_DATA.findall(text)]:
            found[path] = f"{found[path]}\n\n{code}" if path in found else code
    return found
