"""Readable names of layers: “language · layer 3 · down projection” instead of the module path. Every record with a part, a block and a
projection gets the same name on the page, in reports and in a terminal.
"""

from typing import Protocol

from qdash.present.language import N_, _

_USUAL = (
    "q", "k", "v", "qkv", "query", "key", "value", "query key value", "in", "o", "out", "dense", "gate", "up", "gate up", "fc1", "w1",
    "fc2", "down", "w2", "w3",
)  # fmt: skip


_PARTS = {
    "vision": N_("vision"),
    "projector": N_("projector"),
    "language": N_("language"),
    "head": N_("head"),
    "attention": N_("attention"),
    "mlp": N_("mlp"),
}


class Placed(Protocol):
    """A layer's place in a model; see `records.LayerWeights`."""

    @property
    def part(self) -> str:
        """“vision”, “projector”, “language” or “head”."""
        ...

    @property
    def block(self) -> int | None:
        """Its block’s number; None outside blocks."""
        ...

    @property
    def projection(self) -> str:
        """Last word of its path: “down_proj”."""
        ...


def block_of(path: str) -> int | None:
    """The first number in the path of a layer before its last word: 3 for “model.layers.3.mlp.down_proj”; None outside numbered blocks."""
    return next((int(word) for word in path.split(".")[:-1] if word.isdigit()), None)


def projection_of(path: str) -> str:
    """The last word of the path of a layer, with the one before it where it is a number: “down_proj”, “mm_projector.0”."""
    words = path.split(".")
    return ".".join(words[-2:] if words[-1].isdigit() else words[-1:])


def spoken_name(layer: Placed) -> str:
    """“language · layer 3 · down projection”, “projector · linear 1”."""
    block = [] if layer.block is None else [_("layer {number}", number=layer.block)]
    return " · ".join((spoken_part(layer.part), *block, spoken_kind(layer.projection)))


def spoken_part(part: str | None) -> str:
    """The name of a part of a model; None is what no rule of a recipe names."""
    return _(_PARTS.get(part, part)) if part else _("other")


def spoken_kind(projection: str) -> str:
    """“down projection” for down_proj; other names with spaces."""
    return _("{kind} projection", kind=kind(projection)) if projection.endswith("_proj") else kind(projection)


def kind(projection: str) -> str:
    """“down” for down_proj, “linear 1” for linear_1: a heading."""
    return projection.removesuffix("_proj").replace("_", " ").replace(".", " ")


def usual_order(projection: str) -> int:
    """Where a kind comes in a block, attention first; unusual ones last."""
    return _USUAL.index(kind(projection)) if kind(projection) in _USUAL else len(_USUAL)
