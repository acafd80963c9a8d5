"""The layers of a model as a table of blocks × kinds of projection, coloured by their signal to noise, or by another quantity.

Markup instead of a plotly figure, because cells are to be picked: each is a button that a keyboard reaches and a screen reader names, and
its colour is the scheme's at a strength that the style sheet mixes (--q, percent), so that light and dark need no second drawing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Protocol

from markupsafe import Markup

from qdash.markup.environment import Macros
from qdash.present.language import _, decimal
from qdash.present.layer_names import Placed, kind, spoken_name, spoken_part, usual_order

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
class Quantity:
    """What the colours of a map mean. `good`: higher is paler, None is the palest; `word` stands in the cell, and `said` is its name.

    `known`: whether there is a figure of the layer; a cell without one stays blank.
    """

    title: str
    good: Callable[[Measured], float | None]
    word: Callable[[Measured], str]
    said: Callable[[Measured], str]
    known: Callable[[Measured], bool] = lambda layer: True


def sqnr() -> Quantity:
    """Signal to noise of the weights, dB."""
    return Quantity(_("Layers by signal to noise"), _sqnr_db, lambda layer: _decibels(layer) or "=", _sqnr_said)


def _sqnr_db(layer: Measured) -> float | None:
    return layer.sqnr_db


def _decibels(layer: Measured) -> str:
    return "" if layer.sqnr_db is None else decimal(layer.sqnr_db, 1, grouped=False)


def _sqnr_said(layer: Measured) -> str:
    return f"{_decibels(layer)} dB" if layer.sqnr_db is not None else _("no error")


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


def grids(layers: Sequence[Measured], good: Callable[[Measured], float | None] = _sqnr_db) -> tuple[Grid, ...]:
    """A grid for each part; what lies outside blocks has a grid of its own, in one row. The worst layer of a place has the least `good`."""
    wanted = sorted({(layer.part, layer.block is None) for layer in layers}, key=lambda place: (_part_order(place[0]), place[1], place[0]))
    return tuple(
        _grid(part, [(at, layer) for at, layer in enumerate(layers) if (layer.part, layer.block is None) == (part, outside)], good)
        for part, outside in wanted
    )


def extremes(layers: Iterable[Measured]) -> tuple[float, float]:
    """Least and largest SQNR, dB, or a little beyond if they are all but the same; what has no error is left out."""
    return spanned([layer.sqnr_db for layer in layers if layer.sqnr_db is not None], LEAST_SPAN_DB)


def spanned(values: Sequence[float], least: float) -> tuple[float, float]:
    """The least and the largest of `values`, or as far beyond as makes `least` between them."""
    worst, best = min(values, default=0.0), max(values, default=0.0)
    margin = max(0.0, least - (best - worst)) / 2
    return worst - margin, best + margin


def heat_html(
    layers: Sequence[Measured],
    *,
    chosen: str = "",
    between: tuple[float, float] | None = None,
    words: bool = True,
    still: bool = False,
    of: Quantity | None = None,
) -> Markup:
    """The map. `chosen` is the name of the layer picked; `between` what the strongest and the palest colour stand for.

    `of` is what is shown, the signal to noise if left out: then `between`, in dB, may be left out too. With `words`, cells hold their
    number if the model is small enough. A `still` one is for paper: nothing in it can be picked.
    """
    of = of or sqnr()
    drawn = grids(layers, of.good)
    worst, best = between or extremes(layers)
    tight = not words or sum(len(grid.rows) for grid in drawn) > MOST_WORDS
    columns = max((len(grid.kinds) for grid in drawn), default=1)
    shown = [cell.layer.name for grid in drawn for _block, row in grid.rows for cell in row if cell is not None]
    # One stop for the Tab key: the layer picked, or the first where that has no cell.
    stop = chosen if chosen in shown else next(iter(shown), "")
    look = _Look(of, chosen, stop, worst, best, tight)
    return _draw.heat_map([_part(grid, look) for grid in drawn], columns, tight, still, of.title)


def scale_html(between: tuple[float, float]) -> Markup:
    """What the colours mean: from the worst to the best, in dB."""
    return ends_html(*(f"{end:.1f} dB" for end in between))


def ends_html(worst: str, best: str) -> Markup:
    """What the strongest and the palest colour mean, in words."""
    return _draw.scale(worst, best)


def _grid(part: str, layers: list[tuple[int, Measured]], good: Callable[[Measured], float | None]) -> Grid:
    kinds = sorted(dict.fromkeys(layer.projection for _at, layer in layers), key=usual_order)
    found: dict[tuple[int | None, str], list[tuple[int, Measured]]] = {}
    for at, layer in layers:
        found.setdefault((layer.block, layer.projection), []).append((at, layer))
    blocks = sorted({layer.block for _at, layer in layers}, key=lambda block: -1 if block is None else block)
    rows = tuple((block, tuple(_cell(found.get((block, name)), good) for name in kinds)) for block in blocks)
    return Grid(part, tuple(kinds), rows)


def _cell(layers: list[tuple[int, Measured]] | None, good: Callable[[Measured], float | None]) -> LayerCell | None:
    if layers is None:
        return None
    at, worst = min(layers, key=lambda entry: inf if (value := good(entry[1])) is None else value)
    return LayerCell(at, worst, len(layers))


def _part_order(part: str) -> int:
    return _PARTS.index(part) if part in _PARTS else len(_PARTS)


class _Square(NamedTuple):
    """A cell as it is drawn; `strength` in percent, `shade`: classes that make words light or dark on strong colours, or it is blank."""

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

    of: Quantity
    chosen: str
    stop: str
    worst: float
    best: float
    tight: bool

    def square(self, cell: LayerCell) -> _Square:
        """`cell` as it is drawn."""
        known = self.of.known(cell.layer)
        strength = self._strength(self.of.good(cell.layer)) if known else 0
        return _Square(
            at=cell.at,
            strength=strength,
            shade=" blank" if not known else " half deep" if strength >= DEEP else " half" if strength >= HALF else "",
            word="" if self.tight or not known else self.of.word(cell.layer),
            label=_label(cell, self.of.said(cell.layer)),
            chosen=cell.layer.name == self.chosen,
            stop=cell.layer.name == self.stop,
        )

    def _strength(self, good: float | None) -> int:
        """Percent of colour."""
        if good is None:
            return 0
        return round(100 * min(max((self.best - good) / (self.best - self.worst), 0), 1))


def _label(cell: LayerCell, error: str) -> str:
    """What a cell is called: its layer and what is said of it, “language · layer 3 · down projection: 31.2 dB”."""
    if cell.layers == 1:
        return f"{spoken_name(cell.layer)}: {error}"
    return _("{layer}: {error}, worst of {number}", layer=spoken_name(cell.layer), error=error, number=cell.layers)


class _Part(NamedTuple):
    """A grid as it is drawn: kinds in the checkpoint's words and in ours; a block's number and its squares."""

    name: str
    kinds: list[tuple[str, str]]
    rows: list[tuple[int | None, list[_Square | None]]]


def _part(grid: Grid, look: _Look) -> _Part:
    rows = [(block, [None if cell is None else look.square(cell) for cell in cells]) for block, cells in grid.rows]
    return _Part(spoken_part(grid.part), [(name, kind(name)) for name in grid.kinds], rows)
