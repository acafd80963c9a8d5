"""What `pairs.c` does in torch's own operations: for GPUs, for machines without a C compiler, and for float64.

On a CPU blocks are so small that their scratch stays in a core's cache, and just below the size at which torch would wake a second thread
for each operation and wait for it; on a GPU they are as large as is quick.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from qdash.engine.accelerator import float64_device
from qdash.engine.formats import round_trip
from qdash.engine.kernels.sums import BINS, HALF, MARGIN, PairSums, Rounding

CACHED_BLOCK = 32_000
GPU_BLOCK = 1 << 24
CODES = 1 << 16


class Portable:
    """`Kernels` on any device and in any dtype."""

    def pairs(self, weight: Tensor, restored: Tensor | Rounding, group: int, per_restored: float, per_error: float) -> PairSums:
        """See `Kernels`."""
        restored, home = _rounded(weight, restored), float64_device(weight.device)
        weight, restored = weight.to(home), restored.to(home)
        rows = torch.zeros(len(weight), 4, dtype=torch.float64, device=weight.device)
        largest = torch.zeros(3, dtype=torch.float64, device=weight.device)
        tally = torch.zeros(3, dtype=torch.int64, device=weight.device)
        counts = torch.zeros(2, BINS + 1, dtype=torch.int64, device=weight.device)
        for start, w, r in _blocks_of_rows(weight, restored):
            sums, top, found = _sums(w, r, group)
            rows[start : start + len(w)] = sums
            largest, tally = torch.maximum(largest, top), tally + found
            counts += _counts(w, r, per_restored, per_error)
        of_restored, of_error = counts.cpu().numpy()
        return PairSums(rows.cpu().numpy(), largest.cpu().numpy(), tally.cpu().numpy(), of_restored[:BINS], of_error[:BINS])

    def code_counts(self, codes: Tensor) -> np.ndarray:
        """See `Kernels`."""
        counts = torch.zeros(CODES, dtype=torch.int64, device=codes.device)
        for block in codes.reshape(-1).split(_block(codes)):
            counts += torch.bincount(block.int() & (CODES - 1), minlength=CODES)
        return counts.cpu().numpy()


KERNELS = Portable()


def _rounded(weight: Tensor, restored: Tensor | Rounding) -> Tensor:
    if isinstance(restored, Tensor):
        return restored
    return round_trip(weight.to(restored.dtype), restored.key, whole=restored.whole).float()


def _sums(weight: Tensor, restored: Tensor, group: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows: Σw², Σŵ², Σe², Σw·ŵ of each (rows, 4), the largest of each (3), and what is tallied (3)."""
    w, r = weight.double(), restored.double()
    error = r - w
    broken = ~error.isfinite()
    clipped = _clipped(w, r, group, broken) if group else 0
    w, r, error = (values.masked_fill(broken, 0) for values in (w, r, error))
    sums = torch.stack([(values * values).sum(1) for values in (w, r, error)] + [(w * r).sum(1)], dim=1)
    largest = torch.stack([values.abs().amax() for values in (w, r, error)])
    tally = [broken.sum(), ((r == 0) & (w != 0)).sum(), torch.as_tensor(clipped, device=w.device)]
    return sums, largest, torch.stack(tally)


def _counts(weight: Tensor, restored: Tensor, per_restored: float, per_error: float) -> Tensor:
    """Histograms of ŵ and of e (2, BINS + 1); the last bin has what is in none."""
    w, r = weight.double(), restored.double()
    error = r - w
    fine = error.isfinite()
    places = (values * per + (HALF + 0.5) for values, per in ((r, per_restored), (error, per_error)))
    inside = (torch.where(fine & (place >= 0) & (place < BINS), place, BINS) for place in places)
    return torch.stack([torch.bincount(place.reshape(-1).int(), minlength=BINS + 1) for place in inside])


def _clipped(w: Tensor, r: Tensor, group: int, broken: Tensor) -> Tensor:
    missing = -w.shape[1] % group
    if missing:
        w, r = (torch.nn.functional.pad(values, (0, missing)) for values in (w, r))
        broken = torch.nn.functional.pad(broken, (0, missing))
    end = r.nan_to_num(0, torch.inf, -torch.inf).abs().unflatten(1, (-1, group)).amax(-1, keepdim=True) * MARGIN
    return ((w.abs().unflatten(1, (-1, group)) > end) & ~broken.unflatten(1, (-1, group))).sum()


def _blocks_of_rows(weight: Tensor, restored: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    rows = max(1, _block(weight) // max(1, weight.shape[1]))
    for start in range(0, len(weight), rows):
        yield start, weight[start : start + rows], restored[start : start + rows]


def _block(tensor: Tensor) -> int:
    return CACHED_BLOCK if tensor.device.type == "cpu" else GPU_BLOCK
