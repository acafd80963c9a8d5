"""Turns colours, things, numbers and places into English and Chinese noun phrases.

One function a phrase, one argument for the language, so a question builder never spells a word itself.
"""

from __future__ import annotations

from typing import Literal

from qdash.tasks.generators.vocabulary import Colour, Kind
from qdash.tasks.generators.world import Scene, SceneObject

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

NUMBERS: dict[Language, tuple[str, ...]] = {
    "en": ("Zero", "One", "Two", "Three", "Four"),
    "zh": ("零", "一", "两", "三", "四"),
}


def with_article(noun: str) -> str:
    """The English noun phrase with "a" or "an" before it."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def noun(kind: Kind, colour: Colour | None, language: Language) -> str:
    """The bare noun: "red circle", "cat", "红色的圆形", "猫"."""
    if language == "en":
        return f"{colour.en} {kind.en}" if colour else kind.en
    return f"{colour.zh}的{kind.zh}" if colour else kind.zh


def plural(kind: Kind, colour: Colour | None) -> str:
    """The English plural: "red circles", "cats"."""
    return f"{colour.en} {kind.plural}" if colour else kind.plural


def indefinite(kind: Kind, colour: Colour | None, language: Language) -> str:
    """The noun as something new: "a red circle", "一只猫"."""
    if language == "en":
        return with_article(noun(kind, colour, language))
    return f"一{kind.measure}{noun(kind, colour, language)}"


def counted(kind: Kind, colour: Colour | None, count: int, language: Language) -> str:
    """So many of a kind: "a red circle", "three cats", "两只猫"."""
    if count == 1:
        return indefinite(kind, colour, language)
    if language == "en":
        return f"{NUMBERS['en'][count].lower()} {plural(kind, colour)}"
    return f"{NUMBERS['zh'][count]}{kind.measure}{noun(kind, colour, language)}"


def groups(scene: Scene) -> list[tuple[Kind, Colour | None, int]]:
    """The scene's different things with how many there are of each, ordered by each group's leftmost member."""
    counts: dict[tuple[str, str | None], tuple[Kind, Colour | None, int]] = {}
    for item in scene.objects:
        key = (item.kind.en, item.colour.en if item.colour else None)
        counts[key] = (item.kind, item.colour, counts[key][2] + 1 if key in counts else 1)
    return list(counts.values())


def join_names(names: list[str], language: Language) -> str:
    """A list as a person says it: "a, b and c", "甲、乙和丙"."""
    comma, last = (", ", " and ") if language == "en" else ("、", "和")
    return names[0] if len(names) == 1 else comma.join(names[:-1]) + last + names[-1]


def description(scene: Scene, language: Language) -> str:
    """The whole scene in one sentence, from left to right; things that are the same are named once with their number."""
    listed = join_names([counted(kind, colour, count, language) for kind, colour, count in groups(scene)], language)
    if language == "en":
        sentence = f"{listed} on {with_article(scene.background.en)} background."
        return sentence[0].upper() + sentence[1:]
    return f"{scene.background.zh}背景上有{listed}。"


def count_answer(count: int, kind: Kind | None, language: Language) -> str:
    """A number as an answer: "Two.", "两只。" with the kind's measure word."""
    if language == "en":
        return f"{NUMBERS['en'][count]}."
    return f"{NUMBERS['zh'][count]}{kind.measure if kind else '个'}。"


def definite(scene: Scene, item: SceneObject, language: Language) -> str | None:
    """The shortest phrase that picks `item` out of `scene` ("circle", "blue circle"), None when there is none."""
    same_kind = [other for other in scene.objects if other.kind is item.kind]
    if len(same_kind) == 1:
        return noun(item.kind, None, language)
    if item.colour and sum(other.colour is item.colour for other in same_kind) == 1:
        return noun(item.kind, item.colour, language)
    return None
