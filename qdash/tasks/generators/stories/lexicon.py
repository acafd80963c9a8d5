"""What a language has to name: people, places, things, foods, trades, tools for a purpose, opposites, and idle remarks.

The tables themselves are `english.py` and `chinese.py`. Stories draw from them by chance, so a word more is a word in a tuple.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any


@dataclass(frozen=True)
class Person:
    """A name and the pronoun that may stand for it as a subject."""

    name: str
    pronoun: str

    def __str__(self) -> str:
        """The name, so that a person can fill a template."""
        return self.name


@dataclass(frozen=True)
class Countable:
    """A food or animal to count: English needs its plural, Chinese its measure word."""

    one: str
    many: str
    measure: str = ""


@dataclass(frozen=True)
class Opposite:
    """Two adjectives, each other's only opposite in this world, and the nouns that both can describe."""

    first: str
    second: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """One language's words. `numbers[n]` names n; `uses` pairs a purpose with the only tool that serves it."""

    people: tuple[Person, ...]
    places: tuple[str, ...]
    containers: tuple[str, ...]
    colours: tuple[str, ...]
    trades: tuple[str, ...]
    relations: tuple[str, ...]
    foods: tuple[Countable, ...]
    animals: tuple[Countable, ...]
    uses: tuple[tuple[str, str], ...]
    playthings: tuple[str, ...]
    opposites: tuple[Opposite, ...]
    rankings: tuple[tuple[str, str, str, str], ...]
    numbers: tuple[str, ...]
    openings: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def things(self) -> tuple[str, ...]:
        """Everything that a person can carry: tools and playthings."""
        return tuple(tool for _, tool in self.uses) + self.playthings

    @property
    def texts(self) -> tuple[str, ...]:
        """Every word and phrase of the tables."""
        return tuple(_leaves(astuple(self)))


def words(text: str) -> tuple[str, ...]:
    """The words of a text, split at white space."""
    return tuple(text.split())


def _leaves(nested: Any) -> Iterator[str]:
    if isinstance(nested, str):
        yield nested
    else:
        for part in nested:
            yield from _leaves(part)
