"""The words of the drawn world: its colours, the kinds of thing in it, and the nine places of a picture.

Everything else (sampling, drawing, asking, dense supervision) reads these tables, so adding a colour or a thing is one
line here. Order matters only to the throw-away training heads, which index into the tuples.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A named colour; `rgb` is its centre, 0–255, around which drawings jitter."""

    en: str
    zh: str
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class Kind:
    """A kind of thing. A shape takes any colour; a thing is drawn from `emoji` and is never asked for its colour."""

    en: str
    plural: str
    zh: str
    measure: str = "个"
    emoji: str | None = None

    @property
    def is_shape(self) -> bool:
        """Whether the kind is a plain coloured shape rather than an emoji."""
        return self.emoji is None


@dataclass(frozen=True)
class Place:
    """One cell of the three-by-three grid; `row` and `column` count from the top left."""

    en: str
    zh: str
    row: int
    column: int


COLOURS: tuple[Colour, ...] = (
    Colour("red", "红色", (220, 30, 35)),
    Colour("orange", "橙色", (250, 140, 10)),
    Colour("yellow", "黄色", (250, 225, 30)),
    Colour("green", "绿色", (40, 165, 65)),
    Colour("blue", "蓝色", (35, 90, 220)),
    Colour("purple", "紫色", (130, 45, 170)),
    Colour("pink", "粉色", (250, 150, 195)),
    Colour("brown", "棕色", (120, 70, 30)),
    Colour("black", "黑色", (10, 10, 12)),
    Colour("white", "白色", (250, 250, 250)),
    Colour("gray", "灰色", (135, 137, 140)),
)

SHAPES: tuple[Kind, ...] = (
    Kind("circle", "circles", "圆形"),
    Kind("square", "squares", "正方形"),
    Kind("triangle", "triangles", "三角形"),
    Kind("star", "stars", "星形"),
    Kind("heart", "hearts", "心形"),
    Kind("diamond", "diamonds", "菱形"),
    Kind("cross", "crosses", "十字形"),
    Kind("ring", "rings", "圆环"),
)

THINGS: tuple[Kind, ...] = (
    Kind("cat", "cats", "猫", "只", "🐱"),
    Kind("dog", "dogs", "狗", "只", "🐶"),
    Kind("pig", "pigs", "猪", "头", "🐷"),
    Kind("frog", "frogs", "青蛙", "只", "🐸"),
    Kind("fish", "fish", "鱼", "条", "🐟"),
    Kind("butterfly", "butterflies", "蝴蝶", "只", "🦋"),
    Kind("turtle", "turtles", "乌龟", "只", "🐢"),
    Kind("penguin", "penguins", "企鹅", "只", "🐧"),
    Kind("apple", "apples", "苹果", "个", "🍎"),
    Kind("banana", "bananas", "香蕉", "根", "🍌"),
    Kind("strawberry", "strawberries", "草莓", "颗", "🍓"),
    Kind("watermelon", "watermelons", "西瓜", "块", "🍉"),
    Kind("carrot", "carrots", "胡萝卜", "根", "🥕"),
    Kind("pizza", "pizzas", "披萨", "块", "🍕"),
    Kind("mushroom", "mushrooms", "蘑菇", "朵", "🍄"),
    Kind("car", "cars", "汽车", "辆", "🚗"),
    Kind("bus", "buses", "公交车", "辆", "🚌"),
    Kind("bicycle", "bicycles", "自行车", "辆", "🚲"),
    Kind("rocket", "rockets", "火箭", "枚", "🚀"),
    Kind("boat", "boats", "帆船", "艘", "⛵"),
    Kind("house", "houses", "房子", "座", "🏠"),
    Kind("tree", "trees", "树", "棵", "🌳"),
    Kind("flower", "flowers", "花", "朵", "🌻"),
    Kind("umbrella", "umbrellas", "雨伞", "把", "☔"),
    Kind("key", "keys", "钥匙", "把", "🔑"),
    Kind("ball", "balls", "足球", "个", "⚽"),
    Kind("guitar", "guitars", "吉他", "把", "🎸"),
    Kind("balloon", "balloons", "气球", "个", "🎈"),
    Kind("book", "books", "书", "本", "📘"),
    Kind("clock", "clocks", "闹钟", "个", "⏰"),
)

KINDS: tuple[Kind, ...] = SHAPES + THINGS

PLACES: tuple[Place, ...] = (
    Place("top left", "左上角", 0, 0),
    Place("top", "上方", 0, 1),
    Place("top right", "右上角", 0, 2),
    Place("left", "左侧", 1, 0),
    Place("center", "中间", 1, 1),
    Place("right", "右侧", 1, 2),
    Place("bottom left", "左下角", 2, 0),
    Place("bottom", "下方", 2, 1),
    Place("bottom right", "右下角", 2, 2),
)

COLOUR_INDEX = {colour.en: index for index, colour in enumerate(COLOURS)}
KIND_INDEX = {kind.en: index for index, kind in enumerate(KINDS)}
