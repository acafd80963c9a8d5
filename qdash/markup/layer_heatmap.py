"""The error by layer: the layers of a model as a table of blocks × kinds of projection, coloured by their signal to noise.

Markup instead of a plotly figure, because cells are to be picked: each is a button that a keyboard reaches and a screen reader names, and
its colour is the scheme's at a strength that the style sheet mixes (--q, percent), so that light and dark need no second drawing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from markupsafe import Markup

from qdash.markup.environment import Macros
from qdash.present.layer_names import Placed, kind, spoken_name, usual_order

_draw = Macros(__name__)

MOST_WORDS = 16
"""Rows up to which cells have room for their number."""

DEEP, HALF = 80, 50
"""Percent of colour from which words in a cell are to be light on light pages, and dark on dark ones."""

LEAST_SPAN_DB = 2.0
"""Between the palest and the strongest colour: a third of a bit. Less is no difference to paint a contrast of."""

_PARTS = ("vision", "projector", "language", "head")


class Measured(Placed, Protocol):
    """A layer and its SQNR in dB (None: no error)."""

    @property
    def name(self) -> str:
        """Its path in the model."""
        ...

    @property
    def sqnr_db(self) -> float | None:
        """Signal over error of its weights, dB; None without error."""
        ...


@dataclass(frozen=True)
class LayerCell:
    """The worst of the layers that share a part, block and projection; `at` is its place in the list given."""

    at: int
    layer: Measured
    layers: int


@dataclass(frozen=True)
class Grid:
    """One part of a model: `rows` are its blocks, each with a cell or None for every one of `kinds` (names as in the checkpoint)."""

    part: str
    kinds: tuple[str, ...]
    rows: tuple[tuple[int | None, tuple[LayerCell | None, ...]], ...]


def grids(layers: Sequence[Measured]) -> tuple[Grid, ...]:
    """A grid for each part; what lies outside blocks has a grid of its own, in one row."""
    wanted = sorted({(layer.part, layer.block is None) for layer in layers}, key=lambda place: (_part_order(place[0]), place[1], place[0]))
    return tuple(
        _grid(part, [(at, layer) for at, layer in enumerate(layers) if (layer.part, layer.block is None) == (part, outside)])
        for part, outside in wanted
    )


def extremes(layers: Iterable[Measured]) -> tuple[float, float]:
    """Least and largest SQNR, dB, or a little beyond if they are all but the same; what has no error is left out."""
    known = [layer.sqnr_db for layer in layers if layer.sqnr_db is not None]
    worst, best = min(known, default=0.0), max(known, default=0.0)
    margin = max(0.0, LEAST_SPAN_DB - (best - worst)) / 2
    return worst - margin, best + margin


def heat_html(
    layers: Sequence[Measured], *, chosen: str = "", between: tuple[float, float] | None = None, words: bool = True, still: bool = False
) -> Markup:
    """The map. `chosen` is the name of the layer picked; `between` the decibels of the strongest and the palest colour.

    With `words`, cells hold their number if the model is small enough. A `still` one is for paper: nothing in it can be picked.
    """
    drawn = grids(layers)
    worst, best = between or extremes(layers)
    tight = not words or sum(len(grid.rows) for grid in drawn) > MOST_WORDS
    columns = max((len(grid.kinds) for grid in drawn), default=1)
    shown = [cell.layer.name for grid in drawn for _, row in grid.rows for cell in row if cell is not None]
    # One stop for the Tab key: the layer picked, or the first where that has no cell.
    stop = chosen if chosen in shown else next(iter(shown), "")
    look = _Look(chosen, stop, worst, best, tight)
    return _draw.heat_map([_part(grid, look) for grid in drawn], columns, tight, still)


def scale_html(between: tuple[float, float]) -> Markup:
    """What the colours mean: from the worst to the best, in dB."""
    return _draw.scale(*between)


def _grid(part: str, layers: list[tuple[int, Measured]]) -> Grid:
    kinds = sorted(dict.fromkeys(layer.projection for _, layer in layers), key=usual_order)
    found: dict[tuple[int | None, str], list[tuple[int, Measured]]] = {}
    for at, layer in layers:
        found.setdefault((layer.block, layer.projection), []).append((at, layer))
    blocks = sorted({layer.block for _, layer in layers}, key=lambda block: -1 if block is None else block)
    rows = tuple((block, tuple(_cell(found.get((block, name))) for name in kinds)) for block in blocks)
    return Grid(part, tuple(kinds), rows)


def _cell(layers: list[tuple[int, Measured]] | None) -> LayerCell | None:
    if layers is None:
        return None
    at, worst = min(layers, key=lambda entry: float("inf") if entry[1].sqnr_db is None else entry[1].sqnr_db)
    return LayerCell(at, worst, len(layers))


def _part_order(part: str) -> int:
    return _PARTS.index(part) if part in _PARTS else len(_PARTS)


class _Square(NamedTuple):
    """A cell as it is drawn; `strength` in percent, `shade`: classes that make words light or dark on strong colours."""

    at: int
    strength: int
    shade: str
    word: str
    label: str
    chosen: bool
    stop: bool


@dataclass(frozen=True)
class _Look:
    """How cells are drawn. `stop` is the layer at whose cell the Tab key stops."""

    chosen: str
    stop: str
    worst: float
    best: float
    tight: bool

    def square(self, cell: LayerCell) -> _Square:
        """`cell` as it is drawn."""
        sqnr_db, strength = cell.layer.sqnr_db, self._strength(cell.layer.sqnr_db)
        among = f", worst of {cell.layers}" if cell.layers > 1 else ""
        return _Square(
            at=cell.at,
            strength=strength,
            shade=" half deep" if strength >= DEEP else " half" if strength >= HALF else "",
            word="" if self.tight else "=" if sqnr_db is None else f"{sqnr_db:.1f}",
            label=f"{spoken_name(cell.layer)}: {'no error' if sqnr_db is None else f'{sqnr_db:.1f} dB'}{among}",
            chosen=cell.layer.name == self.chosen,
            stop=cell.layer.name == self.stop,
        )

    def _strength(self, sqnr_db: float | None) -> int:
        """Percent of colour."""
        if sqnr_db is None:
            return 0
        return round(100 * min(max((self.best - sqnr_db) / (self.best - self.worst), 0), 1))


class _Part(NamedTuple):
    """A grid as it is drawn: kinds in the checkpoint's words and in ours; a block's number and its squares."""

    name: str
    kinds: list[tuple[str, str]]
    rows: list[tuple[int | None, list[_Square | None]]]


def _part(grid: Grid, look: _Look) -> _Part:
    rows = [(block, [None if cell is None else look.square(cell) for cell in cells]) for block, cells in grid.rows]
    return _Part(grid.part, [(name, kind(name)) for name in grid.kinds], rows)
