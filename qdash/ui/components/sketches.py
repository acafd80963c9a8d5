"""What the Weights and Quality tabs will show, drawn small, for whoever has not run them yet.

Everything here is marked as an example and names no model and no figure: a sketch must not be taken for a measurement. The rounding is
real, of numbers that a formula makes; the bars are drawn by hand.
"""

from collections.abc import Callable, Sequence
from html import escape
from math import cos, sin

from qdash.ui.components import text
from qdash.ui.components.markup import sheet_head

_ROWS, _COLUMNS, _SIDE = 5, 7, 8
_LEVELS = 2
"""To either side of zero."""
_VERSIONS = (("Original", "b16", 88, 4), ("Version A", "b8", 87, 4), ("Version B", "b4", 66, 6))
"""Name, colour, length of the bar and of half its whisker, both in percent of the whole."""
_ANSWERS = (("Original", "b16", "three", True), ("Version A", "b8", "three", True), ("Version B", "b4", "two", False))


def weights_sketch_html() -> str:
    """The map of layers, a piece of one layer before and after, and what bits buy."""
    grids = (
        ("original", lambda row, column: f"--w:{_weight(row, column):.2f}"),
        ("rounded", lambda row, column: f"--w:{_rounded(row, column):.2f}"),
        ("error", lambda row, column: f"--q:{abs(_rounded(row, column) - _weight(row, column)) * 200 * _LEVELS:.0f}%"),
    )
    pieces = "".join(f"<div>{_grid(drawn, _SIDE, _SIDE, f'piece {name}')}<small>{name}</small></div>" for name, drawn in grids)
    map_of_layers = _grid(lambda row, column: f"--q:{_damage(row, column):.0f}%", _ROWS, _COLUMNS, "layers b4")
    return _sketch(
        text.WEIGHTS_SKETCH,
        (
            ("Where it hurts", "One cell for each layer. The stronger its colour, the larger its error.", map_of_layers),
            ("Inside one layer", "Its weights, what rounding makes of them, and what is lost.", f'<div class="pieces">{pieces}</div>'),
            ("Error by bits", "More bits, less noise: scheme by scheme.", _bits_html()),
        ),
    )


def quality_sketch_html() -> str:
    """Right answers with their intervals, and one question with what each version said."""
    bars = "".join(
        f'<div class="{colour}"><span><i class="dot"></i>{name}</span>'
        f'<span class="meter" style="--v:{share}%;--l:{share - half}%;--h:{share + half}%"><i></i><u></u></span></div>'
        for name, colour, share, half in _VERSIONS
    )
    said = "".join(
        f'<li class="{"right" if right else "wrong"}">{"✓" if right else "✕"} {answer} '
        f'<span class="{colour}"><i class="dot"></i>{name}</span></li>'
        for name, colour, answer, right in _ANSWERS
    )
    return _sketch(
        text.QUALITY_SKETCH,
        (
            ("How many are right", "One bar for each version, with its 95% interval.", f'<div class="bars">{bars}</div>'),
            ("Answer by answer", "Every question, and what each version said to it.", f"<p>How many hearts are there?</p><ul>{said}</ul>"),
        ),
    )


def _sketch(what: str, panels: Sequence[tuple[str, str, str]]) -> str:
    """Panels of (title, words, drawing); what is only drawn is not read out."""
    drawn = "".join(
        f'<section class="sheet">{sheet_head(title, words)}<div aria-hidden="true">{drawing}</div></section>'
        for title, words, drawing in panels
    )
    head = f'<p class="sketch-head"><span class="badge">EXAMPLE</span> {escape(what)}</p>'
    return f'<div class="sketch">{head}<div class="panels">{drawn}</div></div>'


def _grid(style: Callable[[int, int], str], rows: int, columns: int, classes: str) -> str:
    cells = "".join(f'<i style="{style(row, column)}"></i>' for row in range(rows) for column in range(columns))
    return f'<div class="cells {classes}" style="--columns:{columns}">{cells}</div>'


def _weight(row: int, column: int) -> float:
    """A number from −1 to 1 that looks like no pattern."""
    return (sin(12.9898 * row + 78.233 * column) + cos(37.719 * row - 11.13 * column)) / 2


def _rounded(row: int, column: int) -> float:
    return round(_weight(row, column) * _LEVELS) / _LEVELS


def _damage(row: int, column: int) -> float:
    """How strong a cell of the map is, in percent: one layer stands out."""
    return 95 if (row, column) == (3, 5) else 20 + 18 * (1 + _weight(row + 3, column + 1)) + 12 * (column == 5)


def _bits_html() -> str:
    dots = (("b2", 30, 78), ("b4", 78, 58), ("b6", 126, 36), ("b8", 174, 16))
    points = " ".join(f"{x},{y}" for _, x, y in dots)
    marks = "".join(f'<circle class="{colour}" cx="{x}" cy="{y}" r="5"/>' for colour, x, y in dots)
    axes = (
        '<path d="M14 6V90H196"/><text x="196" y="102" text-anchor="end">bits →</text><text x="18" y="12">↑ closer to the original</text>'
    )
    return f'<svg viewBox="0 0 204 106">{axes}<polyline points="{points}"/>{marks}</svg>'
