"""Asks about a scene: ten types of question, two languages, several wordings each, one true answer.

A builder returns None when its question would be ambiguous in the scene (two circles and "what colour is the circle?",
a centre too near a cell's border, ...), and the caller tries another scene or type. So an answer is right or wrong, never arguable.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from qdash.tasks.generators.outside import outside_question
from qdash.tasks.generators.phrases import Language, count_answer, definite, description, indefinite, noun, plural
from qdash.tasks.generators.vocabulary import COLOURS, PLACES, SHAPES, THINGS, Colour, Kind, Place
from qdash.tasks.generators.world import Scene, SceneObject

PLACE_MARGIN = 0.04
"""How far, in parts of the side, a centre must be from a cell's border before its place is asked for."""

RELATION_MARGIN = 0.12
"""How far apart two centres must be along an axis before their order is asked for."""


@dataclass(frozen=True)
class Question:
    """A question about one picture and the only answer that counts as right."""

    type: str
    language: Language
    text: str
    answer: str


def ask(scene: Scene, type_: str, language: Language, rng: random.Random, held_out: bool = False) -> Question | None:
    """One question of a type about the scene, or None where the scene allows none.

    `held_out` chooses, for questions outside the world, wordings that training never sees.
    """
    if type_ == "outside":
        return Question(type_, language, *outside_question(language, rng, held_out))
    built = _BUILDERS[type_](scene, language, rng)
    return Question(type_, language, *built) if built else None


def place_of(item: SceneObject) -> Place | None:
    """The cell that holds the centre, or None when it is too near a border to say."""
    for value in (item.cx, item.cy):
        if min(abs(value - 1 / 3), abs(value - 2 / 3)) < PLACE_MARGIN:
            return None
    return PLACES[int(item.cy * 3) * 3 + int(item.cx * 3)]


Built = tuple[str, str] | None


def _describe(scene: Scene, language: Language, rng: random.Random) -> Built:
    return rng.choice(_WORDINGS["describe"][language]), description(scene, language)


def _count_all(scene: Scene, language: Language, rng: random.Random) -> Built:
    return rng.choice(_WORDINGS["count_all"][language]), count_answer(len(scene.objects), None, language)


def _count_kind(scene: Scene, language: Language, rng: random.Random) -> Built:
    """Counts a kind, a coloured kind, or all shapes of a colour; zero one time in five."""
    absent = rng.random() < 0.2
    item = rng.choice(scene.objects)
    kind, colour = item.kind, item.colour
    if absent:
        kind, colour = _absent_kind(scene, rng), None
    elif not kind.is_shape or rng.random() < 0.4:
        colour = None
    if colour and rng.random() < 0.5:
        count = sum(o.colour is colour for o in scene.objects)
        if count == 1 and rng.random() < 0.6:
            return None
        name = f"{colour.en} shapes" if language == "en" else f"{colour.zh}的图形"
        return _fill("count_kind", language, rng, name), count_answer(count, None, language)
    count = sum(o.kind is kind and (colour is None or o.colour is colour) for o in scene.objects)
    if count == 1 and rng.random() < 0.6:
        return None
    name = plural(kind, colour) if language == "en" else noun(kind, colour, language)
    question = _fill("count_kind", language, rng, name, kind.measure)
    return question, count_answer(count, kind, language)


def _colour(scene: Scene, language: Language, rng: random.Random) -> Built:
    unique = [o for o in scene.objects if o.colour and sum(p.kind is o.kind for p in scene.objects) == 1]
    if not unique:
        return None
    item = rng.choice(unique)
    assert item.colour is not None
    return _fill("colour", language, rng, noun(item.kind, None, language)), _colour_answer(item.colour, language)


def _which(scene: Scene, language: Language, rng: random.Random) -> Built:
    """Asks for the thing of a colour, or the thing at a place."""
    item = rng.choice(scene.objects)
    if item.colour and rng.random() < 0.5:
        if sum(o.colour is item.colour for o in scene.objects) > 1:
            return None
        colour = item.colour.en if language == "en" else item.colour.zh
        return _fill("which_colour", language, rng, colour), _sentence(indefinite(item.kind, None, language), language)
    place = place_of(item)
    others = [o for o in scene.objects if o is not item]
    if place is None or any(_claims(o, place) for o in others):
        return None
    asked = place.en if language == "en" else place.zh
    answer = _sentence(indefinite(item.kind, item.colour, language), language)
    return _fill("which_place_" + _place_form(place), language, rng, asked), answer


def _claims(item: SceneObject, place: Place) -> bool:
    """Whether a person might also mean `item` by the place: "on the left" covers all of the left column."""
    cell = place_of(item)
    if cell is None or cell is place:
        return True
    if place.row == 1 and place.column != 1:
        return cell.column == place.column
    return place.column == 1 and place.row != 1 and cell.row == place.row


def _where(scene: Scene, language: Language, rng: random.Random) -> Built:
    item = rng.choice(scene.objects)
    name, place = definite(scene, item, language), place_of(item)
    if name is None or place is None:
        return None
    return _fill("where", language, rng, name), _place_answer(place, language)


def _exists(scene: Scene, language: Language, rng: random.Random) -> Built:
    """Half the time there is one. Half of the absent ones differ from a present shape in colour only."""
    item = rng.choice(scene.objects)
    kind, colour = item.kind, item.colour if rng.random() < 0.5 else None
    yes = rng.random() < 0.5
    if not yes:
        if colour and rng.random() < 0.6:
            colour = rng.choice([c for c in COLOURS if all(o.kind is not kind or o.colour is not c for o in scene.objects)])
        else:
            kind, colour = _absent_kind(scene, rng), None
            if kind.is_shape and rng.random() < 0.4:
                colour = rng.choice(COLOURS)
    name = indefinite(kind, colour, language) if language == "en" else noun(kind, colour, language)
    return _fill("exists", language, rng, name, kind.measure), _yes_no("exists", yes, language)


def _relation(scene: Scene, language: Language, rng: random.Random) -> Built:
    """Asks whether A is left of, right of, above or below B, or what is beside B."""
    if len(scene.objects) < 2:
        return None
    first, second = rng.sample(scene.objects, 2)
    direction = rng.choice(("left", "right", "above", "below"))
    gap = _signed_gap(first, second, direction)
    if rng.random() < 0.6:
        return _beside(scene, language, rng, first, second, direction)
    names = definite(scene, first, language), definite(scene, second, language)
    if None in names or abs(gap) < RELATION_MARGIN:
        return None
    return (
        rng.choice(_WORDINGS["relation"][language]).format(*names, _DIRECTIONS[language][direction]),
        _yes_no("relation", gap > 0, language),
    )


def _beside(scene: Scene, language: Language, rng: random.Random, answer: SceneObject, anchor: SceneObject, direction: str) -> Built:
    """Asks what is on one side of `anchor`; only `answer` may be there, everything else clearly is not."""
    name = definite(scene, anchor, language)
    if name is None or _signed_gap(answer, anchor, direction) < RELATION_MARGIN:
        return None
    for other in scene.objects:
        if other not in (answer, anchor) and _signed_gap(other, anchor, direction) > -0.06:
            return None
    question = rng.choice(_WORDINGS["beside"][language]).format(name, _DIRECTIONS[language][direction])
    return question, _sentence(indefinite(answer.kind, answer.colour, language), language)


def _background(scene: Scene, language: Language, rng: random.Random) -> Built:
    return rng.choice(_WORDINGS["background"][language]), _colour_answer(scene.background, language)


def _signed_gap(first: SceneObject, second: SceneObject, direction: str) -> float:
    """How far `first` lies in `direction` from `second`, in parts of the side; negative on the other side."""
    dx, dy = first.cx - second.cx, first.cy - second.cy
    return {"left": -dx, "right": dx, "above": -dy, "below": dy}[direction]


def _absent_kind(scene: Scene, rng: random.Random) -> Kind:
    present = {o.kind for o in scene.objects}
    return rng.choice([kind for kind in (SHAPES if rng.random() < 0.5 else THINGS) if kind not in present])


def _fill(wording: str, language: Language, rng: random.Random, *values: str) -> str:
    return rng.choice(_WORDINGS[wording][language]).format(*values, *("个",))


def _sentence(phrase: str, language: Language) -> str:
    return f"{phrase[0].upper()}{phrase[1:]}." if language == "en" else f"{phrase}。"


def _colour_answer(colour: Colour, language: Language) -> str:
    return _sentence(colour.en if language == "en" else colour.zh, language)


def _yes_no(type_: str, yes: bool, language: Language) -> str:
    if language == "en":
        return "Yes." if yes else "No."
    if type_ == "exists":
        return "有。" if yes else "没有。"
    return "是的。" if yes else "不是。"


def _place_form(place: Place) -> str:
    """English says "at the top left" but "in the center" and "on the left"."""
    if place.en == "center":
        return "center"
    return "side" if place.en in {"left", "right"} else "edge"


def _place_answer(place: Place, language: Language) -> str:
    if language == "zh":
        return f"在{place.zh}。"
    return {"center": "In the {}.", "side": "On the {}.", "edge": "At the {}."}[_place_form(place)].format(place.en)


_BUILDERS: dict[str, Callable[[Scene, Language, random.Random], Built]] = {
    "describe": _describe,
    "count_all": _count_all,
    "count_kind": _count_kind,
    "colour": _colour,
    "which": _which,
    "where": _where,
    "exists": _exists,
    "relation": _relation,
    "background": _background,
}

TYPES: tuple[str, ...] = (*_BUILDERS, "outside")

_DIRECTIONS: dict[Language, dict[str, str]] = {
    "en": {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"},
    "zh": {"left": "左边", "right": "右边", "above": "上面", "below": "下面"},
}

_WORDINGS: dict[str, dict[Language, tuple[str, ...]]] = {
    "describe": {
        "en": (
            "What is in this picture?", "What is in this image?", "Describe this picture.", "Describe the image.",
            "What do you see?", "What can you see in this picture?", "What's in the picture?", "Describe what you see.",
            "What does this image show?", "What is in this picture? Please describe it.", "Describe this image.",
            "Please describe the picture.", "Describe the image in one sentence.",
        ),
        "zh": (
            "这张图片中有什么？请描述一下。", "这张图片中有什么？", "请描述这张图片。", "描述一下这张图片。",
            "图片里有什么？", "图中有什么？", "你看到了什么？", "这张图里有什么？", "请描述一下图片的内容。",
            "描述这张图。", "画面里有什么？",
        ),
    },
    "count_all": {
        "en": (
            "How many objects are there?", "How many things are in the picture?", "Count the objects.",
            "How many objects are in this image?", "How many things do you see?",
            "How many objects can you see in the picture?",
        ),
        "zh": (
            "图中有几个物体？", "图片里一共有几个东西？", "有几个物体？", "一共有多少个物体？", "数一数图中有几个物体。",
            "这张图片中有多少个物体？",
        ),
    },
    "count_kind": {
        "en": (
            "How many {0} are there?", "How many {0} are in the picture?", "How many {0} do you see?",
            "Count the {0}.", "How many {0} can you see?",
        ),
        "zh": ("图中有几{1}{0}？", "有几{1}{0}？", "图片里有多少{1}{0}？", "一共有几{1}{0}？", "数一数有几{1}{0}。"),
    },
    "colour": {
        "en": (
            "What color is the {0}?", "What colour is the {0}?", "What is the color of the {0}?",
            "Which color is the {0}?", "Tell me the color of the {0}.",
        ),
        "zh": ("{0}是什么颜色的？", "{0}是什么颜色？", "图中的{0}是什么颜色？", "请问{0}的颜色是什么？", "那个{0}是什么颜色的？"),
    },
    "which_colour": {
        "en": (
            "Which shape is {0}?", "What shape is {0}?", "What is the {0} shape?", "Which shape has the color {0}?",
        ),
        "zh": ("哪个图形是{0}的？", "什么图形是{0}的？", "{0}的图形是什么？", "{0}的是什么图形？"),
    },
    "which_place_edge": {
        "en": ("What is at the {0}?", "What is in the {0} of the picture?", "What do you see at the {0}?"),
        "zh": ("{0}是什么？", "图片的{0}有什么？", "{0}有什么？", "图中{0}是什么？"),
    },
    "which_place_side": {
        "en": ("What is on the {0}?", "What is on the {0} side?", "What do you see on the {0} side of the picture?"),
        "zh": ("{0}是什么？", "图片的{0}有什么？", "{0}有什么？", "图中{0}是什么？"),
    },
    "which_place_center": {
        "en": ("What is in the {0}?", "What is in the {0} of the picture?", "What do you see in the {0}?"),
        "zh": ("{0}是什么？", "图片的{0}有什么？", "{0}有什么？", "图中{0}是什么？"),
    },
    "where": {
        "en": (
            "Where is the {0}?", "Where is the {0} in the picture?", "In which part of the picture is the {0}?",
            "Where can you see the {0}?", "What is the position of the {0}?",
        ),
        "zh": ("{0}在哪里？", "{0}在什么位置？", "{0}在图片的哪个位置？", "图中的{0}在哪儿？", "请问{0}在哪里？"),
    },
    "exists": {
        "en": (
            "Is there {0}?", "Is there {0} in the picture?", "Do you see {0}?", "Can you see {0} in this image?",
            "Does the picture show {0}?",
        ),
        "zh": ("图中有{0}吗？", "有{0}吗？", "图片里有没有{0}？", "有没有{0}？", "你能看到{0}吗？", "这张图片中有{0}吗？"),
    },
    "relation": {
        "en": ("Is the {0} {2} the {1}?", "In the picture, is the {0} {2} the {1}?"),
        "zh": ("{0}在{1}的{2}吗？", "{0}是在{1}的{2}吗？", "图中{0}在{1}的{2}吗？"),
    },
    "beside": {
        "en": ("What is {1} the {0}?", "What do you see {1} the {0}?", "Which object is {1} the {0}?"),
        "zh": ("{0}的{1}是什么？", "{0}的{1}有什么？", "在{0}{1}的是什么？"),
    },
    "background": {
        "en": (
            "What color is the background?", "What colour is the background?", "What is the background color?",
            "Which color is the background?", "Tell me the background color.",
        ),
        "zh": ("背景是什么颜色的？", "背景是什么颜色？", "图片的背景色是什么？", "背景的颜色是什么？", "请问背景是什么颜色的？"),
    },
}  # fmt: skip
