"""Which weights become zeros: whole rows, the smallest of all layers together, or two of every four.

A mask tells it of some rows at a time, so that it never takes more room than these. Whatever is equal is decided by place: the first goes.
NaN counts as large, and stays.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from qdash.catalog.families.pruning import rows_zeroed
from qdash.engine.pruning.weights import Weights

AT_ONCE = 1 << 22
"""Weights that are sorted into bins at a time."""

EVERYWHERE = 1 << 62
"""A place behind every layer."""

_LOW_BITS = 16
_BINS = 1 << _LOW_BITS


class Mask(Protocol):
    """Which weights of one layer become zeros."""

    def zero_(self, rows: Tensor, start: int) -> None:
        """Zero some rows in place, of which the first is row `start` of the layer. What is zeroed once may be zeroed again."""
        ...


@dataclass(frozen=True)
class RowMask:
    """Whole rows: `dropped` is true for those that go."""

    dropped: Tensor

    def zero_(self, rows: Tensor, start: int) -> None:
        """See `Mask`."""
        rows.masked_fill_(self.dropped[start : start + len(rows), None].to(rows.device), 0)


@dataclass(frozen=True)
class SmallMask:
    """All below a magnitude, and those equal to it up to a place in the layer, row by row."""

    threshold: float
    equal_before: int

    def zero_(self, rows: Tensor, start: int) -> None:
        """See `Mask`."""
        size, before = rows.abs(), self.equal_before - start * rows.shape[1]
        dropped = size < self.threshold
        if before > 0:
            places = torch.arange(rows.numel(), device=rows.device).view(rows.shape)
            dropped |= (size == self.threshold) & (places < before)
        rows.masked_fill_(dropped, 0)


@dataclass(frozen=True)
class TwoOfFourMask:
    """Of every four neighbours the two smallest."""

    def zero_(self, rows: Tensor, start: int) -> None:
        """See `Mask`."""
        fours = rows.abs().reshape(len(rows), -1, 4)
        order = torch.sort(fours, dim=-1, stable=True).indices  # NaN last
        dropped = torch.zeros_like(fours, dtype=torch.bool).scatter_(-1, order[..., :2], True)
        rows.masked_fill_(dropped.view(rows.shape), 0)


def row_mask(weight: Tensor, percent: int) -> RowMask:
    """Of a layer (out, in): the rows with the smallest L1 norm."""
    norms = torch.cat([rows.abs().sum(1, dtype=torch.float64) for rows in _chunks(weight)])
    order = torch.sort(norms, stable=True).indices
    dropped = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
    dropped[order[: rows_zeroed(len(weight), percent)]] = True
    return RowMask(dropped)


def small_masks(weights: Weights, names: Collection[str], percent: int) -> Mapping[str, SmallMask]:
    """Of the layers at `names` together: exactly ⌊percent/100 · number⌋ weights with the smallest magnitudes.

    The threshold is found in three passes over the weights, by counting the upper, then the lower 16 bits of magnitudes as float32, whose
    order is that of their bits; no copy of the weights is made and none is sorted.
    """
    upper = _counts(weights, names, None)
    total = int(upper.sum())
    wanted = total * percent // 100
    first = _bin(upper, wanted)
    lower = _counts(weights, names, first)
    second = _bin(lower, wanted - int(upper[:first].sum()))
    ties = wanted - int(upper[:first].sum()) - int(lower[:second].sum())
    threshold = torch.tensor((first << _LOW_BITS) | second, dtype=torch.int32).view(torch.float32).item()
    return {name: SmallMask(threshold, place) for name, place in _places(weights, names, threshold, ties).items()}


def _counts(weights: Weights, names: Collection[str], within: int | None) -> Tensor:
    """How many magnitudes have each pattern of upper 16 bits; `within` one of these: of lower 16 bits."""
    counts = torch.zeros(_BINS, dtype=torch.int64)
    for _, weight in weights(names):
        for rows in _chunks(weight):
            bits = rows.abs().float().view(torch.int32)
            codes = bits >> _LOW_BITS if within is None else bits[(bits >> _LOW_BITS) == within] & (_BINS - 1)
            counts += torch.bincount(codes.flatten(), minlength=_BINS).cpu()
    return counts


def _bin(counts: Tensor, wanted: int) -> int:
    """The bin in which the smallest `wanted` end."""
    return int(torch.searchsorted(counts.cumsum(0), wanted)) if wanted else 0


def _places(weights: Weights, names: Collection[str], threshold: float, ties: int) -> dict[str, int]:
    """Up to which place of each layer weights equal to the threshold go, so that `ties` go in all: the first ones, in `names`' order."""
    equal = {name: sum(int((rows.abs() == threshold).sum()) for rows in _chunks(weight)) for name, weight in weights(names)}
    places = dict[str, int]()
    for name in names:
        taken = min(equal.get(name, 0), ties)
        ties -= taken
        places[name] = 0 if not taken else EVERYWHERE if taken == equal[name] else _place(weights, name, threshold, taken)
    return places


def _place(weights: Weights, name: str, threshold: float, number: int) -> int:
    """The place behind the one that is the `number`th of a layer's weights equal to the threshold."""
    ((_, weight),) = weights([name])
    return int((weight.abs() == threshold).flatten().nonzero().flatten()[number - 1]) + 1


def _chunks(weight: Tensor) -> tuple[Tensor, ...]:
    return weight.split(max(AT_ONCE // max(weight.shape[1], 1), 1))
