"""The parts of what a command shows. They are data, so that every display has the same words."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role = Literal["headline", "body", "remark"]


@dataclass(frozen=True)
class Paragraph:
    """Text with its own line breaks; an empty one is an empty line."""

    text: str = ""
    role: Role = "body"


@dataclass(frozen=True)
class Table:
    """Text in columns. `numbers_from`: the first column of numbers, if there is one; a row may be shorter than the headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers_from: int | None = None

    def is_number(self, column: int) -> bool:
        """Whether a column has numbers, which stand under each other by their last digit."""
        return self.numbers_from is not None and column >= self.numbers_from


@dataclass(frozen=True)
class Listing:
    """Names and what is said of each, below a title."""

    title: str
    rows: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        """Columns that the longest name takes, with the gap behind it."""
        return max((len(name) for name, _ in self.rows), default=0) + 2


Block: TypeAlias = Paragraph | Table | Listing
