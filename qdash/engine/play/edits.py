"""What is done to one layer's weights, and how actions on a model come down to that.

A layer's edits are a short tuple that says all about its weights: equal tuples give equal weights, bit for bit, whatever was done and
undone in between. Rounding always begins at the unrounded weights, so the last rounding counts and earlier ones are forgotten; what was
removed or added stays in the order it came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdash.catalog.format_series import SERIES
from qdash.catalog.formats import Format
from qdash.catalog.parts import part_of
from qdash.engine.formats import round_to
from qdash.errors import QdashError
from qdash.records import EVERYTHING, AddNoise, PlayAction, Reformat, RemoveWeights, Restore


@dataclass(frozen=True)
class Rounded:
    """Rounded to a format of `catalog.format_series`."""

    series: str
    bits: int

    @property
    def format(self) -> Format:
        """How."""
        return SERIES[self.series].at(self.bits)


@dataclass(frozen=True)
class Zeroed:
    """The weights at these places of the flattened layer are zero."""

    places: tuple[int, ...]


@dataclass(frozen=True)
class Noised:
    """Normal noise was added, `share` of the standard deviation of the original weights."""

    share: float
    seed: int


Edits = tuple[Rounded | Zeroed | Noised, ...]
Weights = Mapping[str, Tensor]
"""The original weight (out, in) of each layer, by its path."""


def rounding_of(edits: Edits) -> Rounded | None:
    """What a layer is rounded to."""
    return next((edit for edit in edits if isinstance(edit, Rounded)), None)


def edited(original: Tensor, edits: Edits) -> tuple[Tensor, Tensor]:
    """The weights without rounding, and as they are; new tensors of the shape and type of `original`."""
    plain = original.clone()
    shown = plain
    for edit in edits:
        if isinstance(edit, Rounded):
            shown = round_to(plain, edit.format)
            continue
        _apply(edit, plain, original)
        if shown is not plain:
            _apply(edit, shown, original)
    return plain, shown


def after(action: PlayAction, before: Mapping[str, Edits], weights: Weights) -> dict[str, Edits]:
    """The edits of all layers once `action` is done too. Raises QdashError for a place without layers and an unknown format."""
    names = layers_at(action.where, list(weights))
    if isinstance(action, Restore):
        changed: dict[str, Edits] = dict.fromkeys(names, ())
    elif isinstance(action, Reformat):
        changed = {name: (*_unrounded(before[name]), _rounded(action)) for name in names}
    elif isinstance(action, AddNoise):
        order = list(weights)
        changed = {name: (*before[name], Noised(action.share, action.seed * 65_536 + order.index(name))) for name in names}
    else:
        places = _largest(action, before, weights, names) if action.which == "largest" else _random(action, weights, names)
        changed = {name: (*before[name], Zeroed(places[name])) for name in names if places.get(name)}
    return {**before, **changed}


def layers_at(where: str, names: Sequence[str]) -> list[str]:
    """The layers that a part, a path or everything stands for; raises QdashError if there are none."""
    found = [name for name in names if where in (EVERYTHING, name, part_of(name))]
    if not found:
        raise QdashError(f"This model has no layers at “{where[:80]}” that can be changed.", "Choose everything, or another place.")
    return found


def _rounded(action: Reformat) -> Rounded:
    if action.series not in SERIES:
        raise QdashError(f"There is no format “{action.series[:40]}”.", f"Choose from: {', '.join(SERIES)}.")
    return Rounded(action.series, SERIES[action.series].nearest(action.bits))


def _unrounded(edits: Edits) -> Edits:
    return tuple(edit for edit in edits if not isinstance(edit, Rounded))


def _apply(edit: Zeroed | Noised, weight: Tensor, original: Tensor) -> None:
    if isinstance(edit, Zeroed):
        weight.view(-1)[list(edit.places)] = 0
        return
    noise = torch.randn(original.shape, generator=torch.Generator().manual_seed(edit.seed))
    weight.add_((noise.to(original.device) * (edit.share * original.float().std())).to(weight.dtype))


def _largest(action: RemoveWeights, before: Mapping[str, Edits], weights: Weights, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The places of the largest unrounded weights by layer: of each the largest, and of these the largest of all."""
    candidates: list[tuple[float, str, int]] = []
    for name in names:
        plain, _ = edited(weights[name], _unrounded(before[name]))
        sizes = plain.view(-1).abs().float()
        top = sizes.topk(min(action.count, len(sizes)))
        candidates += zip(top.values.tolist(), [name] * len(top.indices), top.indices.tolist(), strict=True)
    candidates.sort(key=lambda found: -found[0])
    return _by_layer([(name, place) for _, name, place in candidates[: action.count]])


def _random(action: RemoveWeights, weights: Weights, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Places that are drawn from all weights alike."""
    ends = np.cumsum([weights[name].numel() for name in names])
    drawn = np.random.default_rng(action.seed).choice(int(ends[-1]), min(action.count, int(ends[-1])), replace=False)
    layers = np.searchsorted(ends, drawn, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return _by_layer([(names[int(layer)], int(place - starts[layer])) for layer, place in zip(layers, drawn, strict=True)])


def _by_layer(found: Sequence[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(sorted(place for other, place in found if other == name)) for name in dict.fromkeys(name for name, _ in found)}
