"""The map of types: the layers of a model as a table of blocks × kinds of projection, each in the colour of the bits it is stored in.

Several types share a number of bits, and colours must not be all that tells them apart: types of one colour have textures of their own, a
cell holds its type's name where there is room, and a screen reader hears it. Nothing here can be picked.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from markupsafe import Markup

from qdash.markup.colours import bits_class
from qdash.markup.environment import Macros
from qdash.markup.layer_heatmap import MOST_WORDS, Grid, grids
from qdash.present.formatting import percent
from qdash.present.language import _, decimal
from qdash.present.layer_names import Placed, kind, spoken_name, spoken_part

_draw = Macros(__name__)

TEXTURES = 4
"""How many the style sheet has, none at all among them."""


class Stored(Protocol):
    """A type and its bits a weight."""

    @property
    def type(self) -> str:
        """“Q4_K”."""
        ...

    @property
    def bits(self) -> float:
        """With scales."""
        ...


@dataclass(frozen=True)
class TypeOf:
    """A layer in a file: where it is, how that stores it, and how many weights it has. `before`: its type in the file compared with."""

    place: Placed
    name: str
    stored: Stored
    weights: int
    before: str | None = None
    sqnr_db: float | None = None
    """None: a map of types knows no errors."""

    @property
    def part(self) -> str:
        """See `Placed`."""
        return self.place.part

    @property
    def block(self) -> int | None:
        """See `Placed`."""
        return self.place.block

    @property
    def projection(self) -> str:
        """See `Placed`."""
        return self.place.projection


class _Look(NamedTuple):
    """How a type is drawn: `classes` are its colour and texture."""

    classes: str
    bits: str


class _Entry(NamedTuple):
    """A type in the legend; `shares` are those of the weights of each file."""

    name: str
    look: _Look
    shares: str


class _Square(NamedTuple):
    """A cell as it is drawn."""

    classes: str
    word: str
    label: str


class _Map(NamedTuple):
    """A file as it is drawn: a part's name, its kinds in the checkpoint's words and in ours, a block's number and its squares."""

    title: str
    columns: int
    tight: bool
    parts: list[tuple[str, list[tuple[str, str]], list[tuple[int | None, list[_Square | None]]]]]


def type_maps_html(files: Sequence[tuple[str, Sequence[TypeOf]]]) -> Markup:
    """A map for each of `files` (title, layers), and what the colours and textures mean; nothing if no type is known."""
    files = [(title, layers) for title, layers in files if layers]
    if not files:
        return Markup()
    looks = _looks([layer for _title, layers in files for layer in layers])
    return _draw.maps([_map(title, layers, looks) for title, layers in files], _legend(files, looks))


def _looks(layers: Sequence[TypeOf]) -> dict[str, _Look]:
    """By type, most bits first; those of one colour take turns with the textures."""
    bits = {layer.stored.type: layer.stored.bits for layer in layers}
    used, looks = Counter[str](), dict[str, _Look]()
    for name in sorted(bits, key=lambda name: (-bits[name], name)):
        colour = bits_class(int(bits[name]))
        looks[name] = _Look(f"{colour} t{used[colour] % TEXTURES}", decimal(bits[name], 2, grouped=False))
        used[colour] += 1
    return looks


def _legend(files: Sequence[tuple[str, Sequence[TypeOf]]], looks: dict[str, _Look]) -> list[_Entry]:
    counted = [Counter[str]() for _file in files]
    for counts, (_title, layers) in zip(counted, files, strict=True):
        for layer in layers:
            counts[layer.stored.type] += layer.weights
    shares = {name: " → ".join(percent(counts[name] / max(counts.total(), 1)) for counts in counted) for name in looks}
    return [_Entry(name, look, shares[name]) for name, look in looks.items()]


def _map(title: str, layers: Sequence[TypeOf], looks: dict[str, _Look]) -> _Map:
    drawn = grids(layers)
    tight = sum(len(grid.rows) for grid in drawn) > MOST_WORDS
    columns = max(len(grid.kinds) for grid in drawn)
    return _Map(title, columns, tight, [_part(grid, layers, looks, tight) for grid in drawn])


def _part(
    grid: Grid, layers: Sequence[TypeOf], looks: dict[str, _Look], tight: bool
) -> tuple[str, list[tuple[str, str]], list[tuple[int | None, list[_Square | None]]]]:
    rows = [(block, [None if cell is None else _square(layers[cell.at], looks, tight) for cell in cells]) for block, cells in grid.rows]
    return spoken_part(grid.part), [(name, kind(name)) for name in grid.kinds], rows


def _square(layer: TypeOf, looks: dict[str, _Look], tight: bool) -> _Square:
    stored, look = layer.stored, looks[layer.stored.type]
    label = _("{layer}: {type}, {bits} bits", layer=spoken_name(layer), type=stored.type, bits=look.bits)
    changed = layer.before is not None and layer.before != stored.type
    if changed:
        label = _("{label}; {type} in the first file", label=label, type=layer.before)
    return _Square(f"{look.classes}{' changed' if changed else ''}", "" if tight else stored.type, label)
