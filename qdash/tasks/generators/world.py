"""Samples scenes: one to four things, never overlapping, on a plain background.

What makes an answer unambiguous is decided here or in `questions`, by construction: centres differ by at least
`MIN_GAP_X` of the width, so "from left to right" has one reading; a shape always contrasts with the background. A scene
is a function of its seed alone, so a held-out seed can never be trained on by accident.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from qdash.tasks.generators.vocabulary import COLOURS, SHAPES, THINGS, Colour, Kind

MIN_GAP_X = 0.06
"""Least difference between two centres, as a part of the width; describing orders objects by it."""

MIN_CONTRAST = 95.0
"""Least Euclidean RGB distance between a shape's colour and the background's."""

SIZES_BY_COUNT = {1: (0.2, 0.62), 2: (0.17, 0.46), 3: (0.16, 0.38), 4: (0.15, 0.32)}
"""Range of an object's side, as a part of the picture's shorter side, by how many objects there are."""

MIN_THING_SIZE = 0.22
"""An emoji drawn smaller than this part of the shorter side is too coarse to be told apart."""

SPREAD = 1.12
"""An object claims its box times this, which leaves room for a rotation and a visible gap."""


@dataclass(frozen=True)
class SceneObject:
    """One thing in a picture: `cx`, `cy` in parts of width and height, `size` in parts of the shorter side."""

    kind: Kind
    colour: Colour | None
    rgb: tuple[int, int, int] | None
    cx: float
    cy: float
    size: float
    angle: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn; `objects` are ordered left to right, sizes are in pixels."""

    objects: tuple[SceneObject, ...]
    background: Colour
    background_rgb: tuple[int, int, int]
    width: int
    height: int
    seed: int

    @property
    def short_side(self) -> int:
        """The shorter side in pixels, the unit of every object's size."""
        return min(self.width, self.height)


def distance(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Euclidean distance between two RGB triples."""
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def sample_scene(seed: int) -> Scene:
    """The scene of a seed: the same seed always gives the same scene."""
    rng = random.Random(seed)
    width, height = _sample_canvas(rng)
    background = rng.choice(COLOURS)
    if rng.random() < 0.25:
        background = next(colour for colour in COLOURS if colour.en == "white")
    background_rgb = _jitter(rng, background, clean=rng.random() < 0.4)
    while True:
        objects = _place(rng, width, height, _sample_kinds(rng), background, background_rgb)
        if objects is not None:
            break
    return Scene(tuple(sorted(objects, key=lambda o: o.cx)), background, background_rgb, width, height, seed)


def boxes_overlap(scene_size: tuple[int, int], a: SceneObject, b: SceneObject) -> bool:
    """Whether two objects' claimed boxes touch in a picture of `(width, height)` pixels."""
    width, height = scene_size
    reach = (a.size + b.size) / 2 * SPREAD * min(width, height)
    return abs(a.cx - b.cx) * width < reach and abs(a.cy - b.cy) * height < reach


def _sample_canvas(rng: random.Random) -> tuple[int, int]:
    side = rng.randint(112, 224)
    if rng.random() < 0.75:
        return side, side
    long_side = int(side * rng.uniform(1.05, 1.7))
    return (long_side, side) if rng.random() < 0.5 else (side, long_side)


def _sample_kinds(rng: random.Random) -> list[Kind]:
    """One to four kinds; every third scene repeats one, so that counting has something to count."""
    count = rng.choices((1, 2, 3, 4), weights=(2, 3, 3, 3))[0]
    kinds = [rng.choice(SHAPES) if rng.random() < 0.5 else rng.choice(THINGS) for _ in range(count)]
    if count > 1 and rng.random() < 0.33:
        for index in range(1, rng.randint(2, count)):
            kinds[index] = kinds[0]
        rng.shuffle(kinds)
    return kinds


def _place(
    rng: random.Random,
    width: int,
    height: int,
    kinds: list[Kind],
    background: Colour,
    background_rgb: tuple[int, int, int],
) -> list[SceneObject] | None:
    """Drops each kind at a random free spot, or gives up with None when the picture is too full."""
    short = min(width, height)
    low, high = SIZES_BY_COUNT[len(kinds)]
    placed: list[SceneObject] = []
    for kind in kinds:
        for _ in range(25):
            size = rng.uniform(low if kind.is_shape else max(low, MIN_THING_SIZE), high)
            half = size * SPREAD / 2 * short
            if half * 2 >= short:
                continue
            cx, cy = rng.uniform(half, width - half) / width, rng.uniform(half, height - half) / height
            candidate = SceneObject(kind, None, None, cx, cy, size, rng.uniform(-10, 10))
            if all(abs(cx - other.cx) >= MIN_GAP_X and not boxes_overlap((width, height), candidate, other) for other in placed):
                placed.append(candidate)
                break
        else:
            return None
    return [_paint(rng, item, background, background_rgb) for item in placed]


def _paint(rng: random.Random, item: SceneObject, background: Colour, background_rgb: tuple[int, int, int]) -> SceneObject:
    angle = 0.0 if rng.random() < 0.4 else item.angle
    if not item.kind.is_shape:
        return SceneObject(item.kind, None, None, item.cx, item.cy, item.size, angle)
    while True:
        colour = rng.choice(COLOURS)
        rgb = _jitter(rng, colour, clean=rng.random() < 0.3)
        if colour != background and distance(rgb, background_rgb) >= MIN_CONTRAST:
            return SceneObject(item.kind, colour, rgb, item.cx, item.cy, item.size, angle)


PURE_RGB: dict[str, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "brown": (139, 69, 19),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}
"""The CSS colours of the same names: what a person's own drawing most likely uses."""


def _jitter(rng: random.Random, colour: Colour, clean: bool) -> tuple[int, int, int]:
    """A colour near its centre; `clean` gives the CSS colour itself."""
    if clean:
        return PURE_RGB[colour.en]
    spread = 6 if colour.en in {"white", "black", "gray"} else 14
    red, green, blue = (max(0, min(255, value + rng.randint(-spread, spread))) for value in colour.rgb)
    return red, green, blue
