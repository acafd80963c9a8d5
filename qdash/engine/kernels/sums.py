"""What the kernels agree on: how many bins, what counts as clipped, what they are given and return."""

from dataclasses import dataclass

import numpy as np
import torch

from qdash.engine.formats import TensorStats

HALF = (3**8 - 1) // 2
BINS = 2 * HALF + 1
"""A power of three: three neighbours make one bin of a histogram three times as coarse, and zero stays in the middle of the middle one."""

MARGIN = 1.01
"""A weight is clipped that lies farther out than this times the largest |ŵ| that shares its scale. Scales are rounded to 8 bits or more, so
that the outermost weights of formats that do not clip lie a fraction of a percent beyond."""


@dataclass(frozen=True)
class Rounding:
    """To a format of `catalog.formats`; `whole` is what that has to know of the tensor, `dtype` what the rounded weights are carried in."""

    key: str
    whole: TensorStats
    dtype: torch.dtype


@dataclass
class PairSums:
    """Sums and histograms over pairs (w, ŵ), e = ŵ − w, in float64."""

    rows: np.ndarray
    """Σw², Σŵ², Σe², Σw·ŵ of each row (rows, 4)."""
    largest: np.ndarray
    """max |w|, |ŵ|, |e| (3)."""
    tally: np.ndarray
    """How many pairs are NaN or infinite, became zero, were clipped (3)."""
    restored_counts: np.ndarray
    """Histogram of ŵ (`BINS`)."""
    error_counts: np.ndarray
    """Histogram of e (`BINS`)."""
