"""The error by layer: the layers of a model as a table of blocks × kinds of projection, coloured by their signal to noise.

Markup instead of a plotly figure, because cells are to be picked: each is a button that a keyboard reaches and a screen reader names, and
its colour is the scheme's at a strength that the style sheet mixes (--q, percent), so that light and dark need no second drawing.
Pure functions; names come from checkpoints and are escaped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

from qdash.present.layer_names import Placed, kind, spoken_name, usual_order

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
class Cell:
    """The worst of the layers that share a part, block and projection; `at` is its place in the list given."""

    at: int
    layer: Measured
    layers: int


@dataclass(frozen=True)
class Grid:
    """One part of a model: `rows` are its blocks, each with a cell or None for every one of `kinds` (names as in the checkpoint)."""

    part: str
    kinds: tuple[str, ...]
    rows: tuple[tuple[int | None, tuple[Cell | None, ...]], ...]


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
) -> str:
    """The map. `chosen` is the name of the layer picked; `between` the decibels of the strongest and the palest colour.

    With `words`, cells hold their number if the model is small enough. A `still` one is for paper: nothing in it can be picked.
    """
    drawn = grids(layers)
    worst, best = between or extremes(layers)
    columns = max((len(grid.kinds) for grid in drawn), default=1)
    rows = sum(len(grid.rows) for grid in drawn)
    tight = "" if words and rows <= MOST_WORDS else " tight"
    look = _Look(chosen, worst, best, bool(tight), still)
    body = "".join(_grid_html(grid, look) for grid in drawn)
    if not still and drawn and not any(layer.name == chosen for layer in layers):
        body = body.replace('tabindex="-1"', 'tabindex="0"', 1)  # one stop for the Tab key
    return f'<div class="heat{tight}" role="group" aria-label="Layers by signal to noise" style="--columns:{columns}">{body}</div>'


def scale_html(between: tuple[float, float]) -> str:
    """What the colours mean: from the worst to the best, in dB."""
    worst, best = between
    return f'<p class="heat-scale"><span>{worst:.1f} dB</span><i aria-hidden="true"></i><span>{best:.1f} dB</span></p>'


def _grid(part: str, layers: list[tuple[int, Measured]]) -> Grid:
    kinds = sorted(dict.fromkeys(layer.projection for _, layer in layers), key=usual_order)
    found: dict[tuple[int | None, str], list[tuple[int, Measured]]] = {}
    for at, layer in layers:
        found.setdefault((layer.block, layer.projection), []).append((at, layer))
    blocks = sorted({layer.block for _, layer in layers}, key=lambda block: -1 if block is None else block)
    rows = tuple((block, tuple(_cell(found.get((block, name))) for name in kinds)) for block in blocks)
    return Grid(part, tuple(kinds), rows)


def _cell(layers: list[tuple[int, Measured]] | None) -> Cell | None:
    if layers is None:
        return None
    at, worst = min(layers, key=lambda entry: float("inf") if entry[1].sqnr_db is None else entry[1].sqnr_db)
    return Cell(at, worst, len(layers))


def _part_order(part: str) -> int:
    return _PARTS.index(part) if part in _PARTS else len(_PARTS)


@dataclass(frozen=True)
class _Look:
    chosen: str
    worst: float
    best: float
    tight: bool
    still: bool

    def strength(self, sqnr_db: float | None) -> int:
        """Percent of colour."""
        if sqnr_db is None:
            return 0
        return round(100 * min(max((self.best - sqnr_db) / (self.best - self.worst), 0), 1))


def _grid_html(grid: Grid, look: _Look) -> str:
    head = "".join(f'<span class="kind" title="{escape(name)}">{escape(kind(name))}</span>' for name in grid.kinds)
    rows = "".join(_row_html(grid.part, block, cells, look) for block, cells in grid.rows)
    return f'<div class="heat-part"><span class="part">{escape(grid.part)}</span>{head}{rows}</div>'


def _row_html(part: str, block: int | None, cells: Sequence[Cell | None], look: _Look) -> str:
    number = "" if block is None else f" {block}"
    return f'<span class="block"><span>{escape(part)}</span>{number}</span>' + "".join(_cell_html(cell, look) for cell in cells)


def _cell_html(cell: Cell | None, look: _Look) -> str:
    if cell is None:
        return "<i></i>"
    decibels, strength = cell.layer.sqnr_db, look.strength(cell.layer.sqnr_db)
    said = "no error" if decibels is None else f"{decibels:.1f} dB"
    among = f", worst of {cell.layers}" if cell.layers > 1 else ""
    label = f"{escape(spoken_name(cell.layer))}: {said}{among}"
    word = "" if look.tight else "=" if decibels is None else f"{decibels:.1f}"
    words = " half deep" if strength >= DEEP else " half" if strength >= HALF else ""
    style = f'class="cell{words}" style="--q:{strength}%"'
    if look.still:
        return f'<span {style} role="img" title="{label}" aria-label="{label}">{word}</span>'
    picked = cell.layer.name == look.chosen
    state = f'data-at="{cell.at}" aria-pressed="{"true" if picked else "false"}" tabindex="{0 if picked else -1}"'
    return f'<button type="button" {style} {state} aria-label="{label}">{word}</button>'
