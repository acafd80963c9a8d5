"""Where the names of a scatter chart's dots go, so that none covers another, a dot or a whisker, however wide the chart is drawn.

The server does not know how wide a chart will be: its height is fixed, its width is the page's. So a place counts as free only if it is
free at every one of a few widths from a phone's to a large screen's. What finds no place has a number instead, which it may share with
its neighbours; the table and the pointer still tell its name.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTHS_PX = (195, 235, 300, 380, 480, 640, 860, 1200)
FONT_PX = 11.5
LETTER = 0.55  # of the font's size: the mean of a wide proportional face
LINE_PX = 15
DOT_PX = 6
NUMBER_PX = (13, 10)  # two digits inside a dot, across and up
_AIR_PX = 2
_BESIDE_PX = 12  # the margin at the right, into which a label may reach


@dataclass(frozen=True)
class Dot:
    """Where a dot is, as shares of the plot's width and height from the lower left, and how far its whiskers reach up and down."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Spot:
    """Which side of a label is at the dot, as plotly has it, and how far from it in pixels, right and up."""

    xanchor: str
    yanchor: str
    xshift: int
    yshift: int


Box = tuple[float, float, float, float]
"""Left, right, bottom, top in pixels from the lower left of the plot."""

Segment = tuple[float, float, float, float]
"""Left, right, low, high as shares of the plot; two of them equal."""

_NEAR = DOT_PX + 3
_SPOTS = (
    Spot("left", "middle", _NEAR, 0),
    Spot("right", "middle", -_NEAR, 0),
    Spot("center", "bottom", 0, _NEAR),
    Spot("center", "top", 0, -_NEAR),
    Spot("left", "bottom", _NEAR, 3),
    Spot("right", "bottom", -_NEAR, 3),
    Spot("left", "top", _NEAR, -3),
    Spot("right", "top", -_NEAR, -3),
)


def place_labels(
    dots: Sequence[Dot], labels: Sequence[str], weights: Sequence[int], height_px: float, lines: Sequence[Segment] = ()
) -> dict[int, Spot]:
    """Dot → spot of its label, for those that have room.

    `lines` run across or up; a label lies on one only if there is no other place for it. Who chooses first takes room from others, so a few
    orders are tried, and the one by which labels of most `weights` find a place is kept.
    """
    places = range(len(dots))
    orders = (
        sorted(places, key=lambda place: (-weights[place], place)),
        sorted(places, key=lambda place: dots[place].x),
        sorted(places, key=lambda place: -dots[place].x),
        sorted(places, key=lambda place: (-weights[place], dots[place].y)),
    )
    tried = [_placed(dots, labels, order, height_px, lines) for order in orders]
    return max(tried, key=lambda spots: sum(weights[place] for place in spots))


def _placed(
    dots: Sequence[Dot], labels: Sequence[str], order: Sequence[int], height_px: float, lines: Sequence[Segment]
) -> dict[int, Spot]:
    """Each in turn takes the first spot that nothing else has."""
    taken = {width: [box for dot in dots for box in _marks(dot, width, height_px)] for width in WIDTHS_PX}
    crossed = {width: [_stroke(line, width, height_px) for line in lines] for width in WIDTHS_PX}
    spots: dict[int, Spot] = {}
    for place in order:
        possible = [spot for spot in _spots(dots[place], height_px) if _free(dots[place], labels[place], spot, taken, height_px)]
        clear = (spot for spot in possible if _free(dots[place], labels[place], spot, crossed, height_px))
        found = next(clear, next(iter(possible), None))
        if found is not None:
            spots[place] = found
            for width, boxes in taken.items():
                boxes.append(_label(dots[place], labels[place], found, width, height_px))
    return spots


def _spots(dot: Dot, height_px: float) -> list[Spot]:
    """Beside the dot, then beyond the ends of its whiskers."""
    above, below = round((dot.high - dot.y) * height_px) + 4, round((dot.y - dot.low) * height_px) + 4
    beyond = [("bottom", max(above, _NEAR)), ("top", -max(below, _NEAR))]
    return [*_SPOTS, *(Spot(xanchor, yanchor, x, y) for xanchor, x in (("center", 0), ("left", -4), ("right", 4)) for yanchor, y in beyond)]


def share_numbers(dots: Sequence[Dot], height_px: float) -> list[list[int]]:
    """Which of `dots` one number has to do for, because they would cover each other at some width; the first bears it."""
    groups: list[list[int]] = []
    for place, dot in enumerate(dots):
        group = next((group for group in groups if _numbers_overlap(dots[group[0]], dot, height_px)), None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    return groups


def _numbers_overlap(one: Dot, two: Dot, height_px: float) -> bool:
    return abs(one.x - two.x) * WIDTHS_PX[0] < NUMBER_PX[0] and abs(one.y - two.y) * height_px < NUMBER_PX[1]


def width_of(text: str) -> float:
    """About how wide `text` is drawn, in pixels; Chinese characters are square."""
    return sum(FONT_PX if unicodedata.east_asian_width(letter) in "WF" else FONT_PX * LETTER for letter in text)


def _free(dot: Dot, label: str, spot: Spot, taken: dict[int, list[Box]], height_px: float) -> bool:
    for width, boxes in taken.items():
        box = _label(dot, label, spot, width, height_px)
        inside = box[0] >= 0 and box[1] <= width + _BESIDE_PX and box[2] >= 0 and box[3] <= height_px
        if not inside or any(_overlap(box, other) for other in boxes):
            return False
    return True


def _overlap(one: Box, two: Box) -> bool:
    across = one[0] < two[1] + _AIR_PX and two[0] < one[1] + _AIR_PX
    return across and one[2] < two[3] and two[2] < one[3]


def _marks(dot: Dot, width: float, height_px: float) -> tuple[Box, Box]:
    """The dot and its whiskers."""
    x, y = dot.x * width, dot.y * height_px
    whiskers = (x - 3, x + 3, dot.low * height_px, dot.high * height_px)
    return (x - DOT_PX, x + DOT_PX, y - DOT_PX, y + DOT_PX), whiskers


def _stroke(line: Segment, width: float, height_px: float) -> Box:
    return line[0] * width - 1, line[1] * width + 1, line[2] * height_px - 1, line[3] * height_px + 1


def _label(dot: Dot, label: str, spot: Spot, width: float, height_px: float) -> Box:
    wide = width_of(label)
    left = dot.x * width + spot.xshift - {"left": 0.0, "center": wide / 2, "right": wide}[spot.xanchor]
    bottom = dot.y * height_px + spot.yshift - {"bottom": 0.0, "middle": LINE_PX / 2, "top": LINE_PX}[spot.yanchor]
    return left, left + wide, bottom, bottom + LINE_PX
