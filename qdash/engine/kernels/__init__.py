"""The passes over every weight: rounding rows, and sums and histograms over weights and what they became.

They are compiled if this machine has a C compiler, and in torch's own operations if not, to the same result. `kernels_for` chooses. Tensors
are flat or (rows, columns), of one shape and on one device. NaN and infinite pairs are counted and left out of everything else.
"""

from functools import cache
from typing import Protocol

import numpy as np
from torch import Tensor

from qdash.catalog.formats import FORMATS
from qdash.engine.formats import Whole, round_trip
from qdash.engine.kernels import compiled, portable
from qdash.engine.kernels.sums import BINS, HALF, MARGIN, PairSums

__all__ = ["BINS", "HALF", "MARGIN", "Kernels", "PairSums", "kernels_for", "round_rows"]


class Kernels(Protocol):
    """The three passes."""

    def pair_sums(self, weight: Tensor, restored: Tensor, group: int) -> PairSums:
        """Sums, row by row; `group`: how many neighbours share a scale, for what is clipped; 0: do not look for it."""
        ...

    def pair_counts(self, weight: Tensor, restored: Tensor, per_restored: float, per_error: float) -> tuple[np.ndarray, np.ndarray]:
        """Histograms of ŵ and of ŵ − w in `BINS` bins of width 1/`per_…`, zero in the middle of the middle one; all must lie inside."""
        ...

    def code_counts(self, codes: Tensor) -> np.ndarray:
        """How often each pattern of 16 bits occurs (65 536), from int16."""
        ...


def round_rows(rows: Tensor, key: str, whole: Whole) -> Tensor:
    """`formats.round_trip` of some rows (rows, columns), to the same bit; `whole`: `formats.whole_of` the tensor."""
    compiled_kernels = _compiled() if rows.device.type == "cpu" and rows.dtype.itemsize <= 4 else None
    if compiled_kernels is None:
        return round_trip(rows, key, whole=whole)
    return compiled_kernels.round_rows(rows, FORMATS[key], [float(value) for value in whole])


def kernels_for(*tensors: Tensor) -> Kernels:
    """The quickest that can do it: compiled ones take float32 and what fits in it, on the CPU."""
    fits = all(tensor.device.type == "cpu" and tensor.dtype.itemsize <= 4 for tensor in tensors)
    return (_compiled() if fits else None) or portable.KERNELS


@cache
def _compiled() -> compiled.Compiled | None:
    return compiled.build()
