"""What files of questions have in common, however they are written: rows of named fields, with the line that each begins in.

Names are compared without capitals and surrounding spaces. Names that nobody asked for are left out, unless they look like one that was
meant: then reading on would quietly leave the pictures or half of the right answers out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase
from typing import Any, Literal, NamedTuple

from qdash.errors import QdashError
from qdash.inputs import clean_text
from qdash.present.language import N_

_NAMES_SHOWN, _NAME_CHARS = 12, 40
MOST_COLUMNS = 1000
_AT_LINE = N_("{name}, line {line}")
_SYNONYMS = {
    "image": {"img", "picture", "pictures", "photo", *(f"{word}{sign}{what}" for word in ("image", "img") for sign in ("_", "") for what in
        ("path", "url", "uri", "file", "name", "id"))},
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The names that are read, the needed ones first, and those that must be there."""

    known: tuple[str, ...]
    needed: tuple[str, ...]

    @property
    def example(self) -> str:
        """How the needed names stand in a file."""
        fields = ", ".join(f'"{name}": "…"' for name in self.needed)
        return f"Name the columns in the first line ({','.join(self.needed)}), or write JSON lines: {{{fields}}}."


class FileRow(NamedTuple):
    """A row of a file: the line, from 1, that it begins in, as editors count, and its fields by name. CSV has text only."""

    line: int
    values: Mapping[str, Any]
    is_csv: bool


def normal(name: object) -> str:
    """A name as names are compared."""
    return str(name).strip().strip("\ufeff").strip().lower()


def listed(names: Iterable[object]) -> str:
    """“a”, “b” and “c”, of which at most a dozen and nothing long."""
    shown = [f"“{clean_text(str(name)).strip()[:_NAME_CHARS]}”" for name in names]
    if len(shown) > _NAMES_SHOWN:
        shown = [*shown[:_NAMES_SHOWN], f"{len(shown) - _NAMES_SHOWN} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else "none"


def at_line(name: str, line: int) -> str:
    """Where something is in a file: “mine.csv, line 3”."""
    return _AT_LINE.format(name=name, line=f"{line:,}")


def check_names(names: Sequence[str], columns: Columns, where: str, what: Literal["column", "key"]) -> None:
    """Refuse names that are missing, there twice, or nearly one of those known. `where`: file and line."""
    plain, key = [normal(name) for name in names], what == "key"
    missing = [name for name in columns.needed if name not in plain]
    have = _have(names, key=key)
    if missing:
        message = (
            f"{where}: there is no key {listed(missing)}; {have}." if key else f"{where}: there is no column {listed(missing)}; {have}."
        )
        raise QdashError(message, columns.example)
    twice = next((name for name in columns.known if plain.count(name) > 1), None)
    if twice is not None:
        times = plain.count(twice)
        message = (
            f"{where}: the key “{twice}” appears {times} times; {have}." if key else
            f"{where}: the column “{twice}” appears {times} times; {have}."
        )  # fmt: skip
        raise QdashError(message, "Keep one of them.")
    for name in plain:
        meant = _meant(name, columns, plain)
        if meant is not None:
            if meant in plain:
                remedy = f'Remove it; if several answers are right, write them as one list in “{meant}”: ["4", "four"].'
                raise QdashError(f"{where}: beside “{meant}” there is “{name[:_NAME_CHARS]}”, which would be ignored.", remedy)
            message = (
                f"{where}: “{name[:_NAME_CHARS]}” is not a known key; {have}." if key else
                f"{where}: “{name[:_NAME_CHARS]}” is not a known column; {have}."
            )  # fmt: skip
            raise QdashError(message, f"If “{meant}” is meant, rename it; otherwise remove it.")


def _have(names: Sequence[str], *, key: bool) -> str:
    if len(names) == 1:
        return f"its only key is {listed(names)}" if key else f"its only column is {listed(names)}"
    return f"its keys are {listed(names)}" if key else f"its columns are {listed(names)}"


def _meant(name: str, columns: Columns, present: Sequence[str]) -> str | None:
    """The known name that an unknown one probably stands for."""
    if not name or name in columns.known:
        return None
    for known in columns.known:
        if known in present:
            if re.fullmatch(rf"{known}s?[ ._-]?\d*", name):
                return known
        elif name in _SYNONYMS.get(known, ()) or name in _misspelt(known):
            return known
    return None


@cache
def _misspelt(name: str) -> frozenset[str]:
    """A name with one letter more, less, other or exchanged with the next; of a short name, which is near many words, its plural only."""
    if len(name) < 5:
        return frozenset([f"{name}s"])
    cuts = [(name[:place], name[place:]) for place in range(len(name) + 1)]
    less = [before + after[1:] for before, after in cuts if after]
    swapped = [before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1]
    other = [before + letter + after[1:] for before, after in cuts if after for letter in ascii_lowercase]
    more = [before + letter + after for before, after in cuts for letter in ascii_lowercase]
    return frozenset([*less, *swapped, *other, *more]) - {name}
