"""What is wrong with a description of a drawing, in terms of the drawing: it names something that is not there, leaves something out, or
has it in another number or colour.

The bundled drawing reader was taught one wording (see `generators.phrases`), so its answers are read with the vocabulary of that world. Of
an answer that says less than a whole description, such as “Three.”, nothing but the right one is told.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from qdash.tasks.generators.phrases import NUMBERS
from qdash.tasks.generators.vocabulary import COLOURS, KINDS


@dataclass(frozen=True)
class Mistake:
    """`how` an answer is wrong. `said` and `right` are pieces of the two answers, in their language; empty where `how` does not need them.

    "not there": it names `said`. "left out": it does not name `right`. "another": it has `said` for `right`. "answer": `right` is the
    whole answer that was expected.
    """

    how: Literal["not there", "left out", "another", "answer"]
    said: str = ""
    right: str = ""


@dataclass(frozen=True)
class _Phrase:
    """“two red hearts” with what is counted, “heart”, or a background, whose `kind` is "background"."""

    words: str
    kind: str


def mistake_in(answer: str, expected: str) -> Mistake:
    """The first mistake of a wrong `answer`, those that are easiest to see first."""
    said, right = _phrases(answer), _phrases(expected)
    if _BACKGROUND not in _kinds(right):
        return Mistake("answer", right=expected)
    invented = next((phrase for phrase in said if phrase.kind not in _kinds(right)), None)
    if invented is not None:
        return Mistake("not there", said=invented.kind)
    missing = next((phrase for phrase in right if phrase.kind not in _kinds(said)), None)
    if missing is not None:
        return Mistake("left out", right=missing.words)
    for phrase in right:
        instead = [other for other in said if other.kind == phrase.kind and other not in right]
        if phrase not in said and instead:
            return Mistake("another", said=instead[0].words, right=phrase.words)
    return Mistake("answer", right=expected)


_BACKGROUND = "background"


def _kinds(phrases: Iterable[_Phrase]) -> set[str]:
    return {phrase.kind for phrase in phrases}


def _phrases(text: str) -> list[_Phrase]:
    """What a text names, in order, the background last."""
    pattern, singular = _chinese() if not text.isascii() else _english()
    found = []
    for match in pattern.finditer(text.lower()):
        kind = match["kind"]
        found.append(_Phrase(match[0], _BACKGROUND) if kind is None else _Phrase(match[0], singular[kind]))
    return sorted(found, key=lambda phrase: phrase.kind == _BACKGROUND)


@cache
def _english() -> tuple[re.Pattern[str], dict[str, str]]:
    """The pattern of a phrase, and what each form of a noun counts."""
    singular = {form: kind.en for kind in KINDS for form in (kind.en, kind.plural)}
    numbers, colours = "|".join(("an?", *NUMBERS["en"])).lower(), "|".join(colour.en for colour in COLOURS)
    thing = rf"(?:(?:{numbers}) )?(?:(?:{colours}) )?(?P<kind>{_longest_first(singular)})"
    return re.compile(rf"\b(?:(?:an? )?(?:{colours}) background|{thing})\b"), singular


@cache
def _chinese() -> tuple[re.Pattern[str], dict[str, str]]:
    """The same; Chinese has no plural, and a measure word after the number."""
    singular = {kind.zh: kind.zh for kind in KINDS}
    counted = f"[{''.join(NUMBERS['zh'])}两](?:{_longest_first({kind.measure for kind in KINDS})})"
    colours = "|".join(colour.zh for colour in COLOURS)
    thing = rf"(?:{counted})?(?:(?:{colours})的)?(?P<kind>{_longest_first(singular)})"
    return re.compile(rf"(?:{colours})背景|{thing}"), singular


def _longest_first(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))
