"""What schemes can take of a model, told from its classes without its weights: sizes before loading are arithmetic over this."""

from qdash.catalog.cutting import Cut
from qdash.records.base import Record
from qdash.records.types import Dtype


class ConvertibleLayer(Record):
    """A linear layer that transformers' quantizers convert, its weight (outputs, inputs), or fused experts (experts, outputs, inputs).

    `name` is its path in the model, `bias` how many numbers its bias has, `widths` the bytes of a number where it stays in floats, by the
    dtype that is asked for; `cut`: what it has of a block that can be made smaller.
    """

    name: str
    shape: tuple[int, ...]
    bias: int
    widths: dict[Dtype, int]
    cut: Cut | None = None


class LayerTable(Record):
    """A model's convertible layers, and what is beside them: bytes of everything that no scheme takes, by the dtype that is asked for.

    `stored` has for each scheme and shape the bits of a quantized weight, scales included, and those of a number of its bias (None: as in
    floats); a shape that the scheme leaves alone is not in it. `parameters` counts all of the model's, a shared weight once.
    """

    parameters: int
    beside_bytes: dict[Dtype, int]
    layers: tuple[ConvertibleLayer, ...]
    stored: dict[str, dict[str, tuple[float, int | None]]]


def shape_key(shape: tuple[int, ...]) -> str:
    """How `LayerTable.stored` writes a shape: “128x64”."""
    return "x".join(map(str, shape))
