"""The passes over every weight: how often each code occurs, and sums and histograms over weights and what they became.

They are compiled if this machine has a C compiler, and in torch's own operations if not, to the same result. `kernels_for` chooses. Tensors
are (rows, columns), of one shape and on one device. NaN and infinite pairs are counted and left out of everything else.
"""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from qdash.catalog.formats import FORMATS
from qdash.engine.formats import round_trip, tensor_stats
from qdash.engine.kernels import compiled, portable
from qdash.engine.kernels.sums import BINS, HALF, MARGIN, PairSums, Rounding

__all__ = ["BINS", "HALF", "MARGIN", "Kernels", "PairSums", "Rounder", "Rounding", "kernels_for", "round_in_place"]

AT_ONCE = 1 << 24  # weights that are copied to float32 at a time


class Kernels(Protocol):
    """Both passes."""

    def pairs(self, weight: Tensor, restored: Tensor | Rounding, group: int, per_restored: float, per_error: float) -> PairSums:
        """Sums and histograms of weights and what they became. `restored` may be how to round them: then that is done on the way.

        `group`: how many neighbours share a scale, for what is clipped; 0: do not look for it. Histograms of ŵ and of ŵ − w have `BINS`
        bins of width 1/`per_…`, zero in the middle of the middle one. What lies beyond them is left out; `largest` tells whether any does.
        """
        ...

    def code_counts(self, codes: Tensor) -> np.ndarray:
        """How often each pattern of 16 bits occurs (65 536), from int16."""
        ...


@dataclass(frozen=True)
class Rounder:
    """A `RowDequantizer` that rounds rows, where they are to be."""

    rounding: Rounding
    device: str

    def __call__(self, rows: Tensor, start: int) -> Tensor:
        """What `formats.round_trip` makes of rows, to the same bit, as float32."""
        rounding, carried = self.rounding, rows.to(self.device, self.rounding.dtype)
        kernels = kernels_for(carried)
        if isinstance(kernels, compiled.Compiled) and compiled.knows(rounding.key):
            return kernels.round_rows(carried, rounding).float()
        return round_trip(carried, rounding.key, whole=rounding.whole).float()

    def fused(self, rows: Tensor) -> Rounding | None:
        """What to give kernels instead of these rows rounded, if they can do that."""
        as_it_is = self.rounding.dtype == torch.float32 and compiled.knows(self.rounding.key)
        return self.rounding if as_it_is and isinstance(kernels_for(rows), compiled.Compiled) else None


def round_in_place(weight: Tensor, key: str) -> None:
    """`formats.round_trip` of a weight (out, in) into itself, to the same bit; compiled where scales are searched, which takes long."""
    # Asked for where they are used alone: the first time they are compiled, which takes a quarter of a minute.
    kernels = kernels_for(weight) if FORMATS[key].rule.effort > 1 and compiled.knows(key) else None
    if not isinstance(kernels, compiled.Compiled):
        round_trip(weight, key, out=weight)
        return
    rounding = Rounding(key, tensor_stats(weight, key), weight.dtype)
    for part in weight.split(max(1, AT_ONCE // max(1, weight.shape[1]))):
        part.copy_(kernels.round_rows(part, rounding))


def kernels_for(*tensors: Tensor) -> Kernels:
    """The quickest that can do it: compiled ones take floats of 16 and 32 bits, on the CPU."""
    fits = all(tensor.device.type == "cpu" and tensor.dtype in compiled.KINDS for tensor in tensors)
    return (_compiled() if fits else None) or portable.KERNELS


@cache
def _compiled() -> compiled.Compiled | None:
    return compiled.build()
