"""A model whose layers are changed in place, with the original weights beside it.

It is always told everything that was done since the original, and changes only the layers for which that came out differently: undo, a
worker that died, another question need nothing of their own. What it costs is a second copy of the weights that can be changed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.catalog.parts import part_of
from qdash.engine.layers import convertible_layers, rows
from qdash.engine.play.edits import Edits, after, edited, rounding_of
from qdash.engine.sizes import weights_bytes
from qdash.records import PlayAction, PlayLayer

MOST_KNOWN = 256


class WorkingCopy:
    """`model` in plain floats. `weights`: the original ones (out, in) by path."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._rows = {name: rows(layer).detach() for name, layer in convertible_layers(model).items()}
        self.weights = {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in self._rows.items()}
        self.original_bytes = weights_bytes(model)
        self._untouched: dict[str, Edits] = dict.fromkeys(self.weights, ())
        self._now = self._untouched
        self._known: dict[tuple[PlayAction, ...], dict[str, Edits]] = {}

    @property
    def layers(self) -> tuple[PlayLayer, ...]:
        """What can be changed."""
        return tuple(PlayLayer(name=name, part=part_of(name), weights=weight.numel()) for name, weight in self.weights.items())

    @property
    def changed(self) -> list[str]:
        """The layers that are not as the original has them."""
        return [name for name, edits in self._now.items() if edits]

    @property
    def bytes(self) -> int:
        """All weights as they would be stored: rounded ones in their bits, with their scales."""
        return self.original_bytes - sum(self._spared(name) for name in self.weights)

    @torch.no_grad()
    def become(self, actions: Sequence[PlayAction]) -> list[str]:
        """Be the original with `actions` done to it, in order; gives the layers that were written. Raises QdashError."""
        wanted = self._after(tuple(actions))
        written = [name for name, edits in wanted.items() if edits != self._now[name]]
        for name in written:
            self._rows[name].copy_(edited(self.weights[name], wanted[name])[1])
            self._now = {**self._now, name: wanted[name]}
        return written

    def edits_of(self, name: str) -> Edits:
        """What was done to a layer."""
        return self._now[name]

    def rows_of(self, name: str) -> Tensor:
        """The weights (out, in) of a layer as they are."""
        return self._rows[name]

    def _after(self, actions: tuple[PlayAction, ...]) -> dict[str, Edits]:
        """The edits of every layer; those of all but the last action are mostly known."""
        if not actions:
            return self._untouched
        if actions not in self._known:
            found = after(actions[-1], self._after(actions[:-1]), self.weights)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[actions] = found
        return self._known[actions]

    def _spared(self, name: str) -> int:
        rounding, weight = rounding_of(self._now[name]), self.weights[name]
        if rounding is None:
            return 0
        number_format = rounding.format
        return weight.nbytes - round((weight.numel() * number_format.stored_bits + len(weight) * number_format.row_scale_bits) / 8)
