"""What the Weights and Quality tabs will show, drawn small, for whoever has not run them yet.

Everything here is marked as an example and names no model and no figure: a sketch must not be taken for a measurement. The rounding is
real, of numbers that a formula makes; the bars are drawn by hand.
"""

from collections.abc import Callable
from math import cos, sin

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.language import N_, _
from qdash.ui.components import text

_draw = Macros(__name__)

_ROWS, _COLUMNS, _SIDE = 5, 7, 8
_LEVELS = 2
"""To either side of zero."""
_ORIGINAL, _FIRST, _SECOND = N_("Original"), N_("Version A"), N_("Version B")
_VERSIONS = ((_ORIGINAL, "b16", 88, 4), (_FIRST, "b8", 87, 4), (_SECOND, "b4", 66, 6))
"""Name, colour, length of the bar and of half its whisker, both in percent of the whole."""
_DOTS = (("b2", 30, 78), ("b4", 78, 58), ("b6", 126, 36), ("b8", 174, 16))
"""Colour and place of each scheme in the drawing of error by bits."""
_RIGHT, _WRONG = N_("three"), N_("two")
_ANSWERS = ((_ORIGINAL, "b16", _RIGHT, True), (_FIRST, "b8", _RIGHT, True), (_SECOND, "b4", _WRONG, False))


def weights_sketch_html() -> Markup:
    """The map of layers, a piece of one layer before and after, and what bits buy."""
    grids = (
        (N_("original"), lambda row, column: f"--w:{_weight(row, column):.2f}"),
        (N_("rounded"), lambda row, column: f"--w:{_rounded(row, column):.2f}"),
        (N_("error"), lambda row, column: f"--q:{abs(_rounded(row, column) - _weight(row, column)) * 200 * _LEVELS:.0f}%"),
    )
    pieces = [(name, _styles(drawn, _SIDE, _SIDE)) for name, drawn in grids]
    layers = _styles(lambda row, column: f"--q:{_damage(row, column):.0f}%", _ROWS, _COLUMNS)
    return _draw.weights(_(text.WEIGHTS_SKETCH), layers, _COLUMNS, pieces, _SIDE, _DOTS)


def quality_sketch_html() -> Markup:
    """Right answers with their intervals, and one question with what each version said."""
    return _draw.quality(_(text.QUALITY_SKETCH), _VERSIONS, _ANSWERS)


def _styles(style: Callable[[int, int], str], rows: int, columns: int) -> list[str]:
    """The styles of the cells of a grid, row by row."""
    return [style(row, column) for row in range(rows) for column in range(columns)]


def _weight(row: int, column: int) -> float:
    """A number from −1 to 1 that looks like no pattern."""
    return (sin(12.9898 * row + 78.233 * column) + cos(37.719 * row - 11.13 * column)) / 2


def _rounded(row: int, column: int) -> float:
    return round(_weight(row, column) * _LEVELS) / _LEVELS


def _damage(row: int, column: int) -> float:
    """How strong a cell of the map is, in percent: one layer stands out."""
    return 95 if (row, column) == (3, 5) else 20 + 18 * (1 + _weight(row + 3, column + 1)) + 12 * (column == 5)
