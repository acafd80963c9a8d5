"""How far quantized weights lie from the originals: sums that combine, and histograms with fixed bins.

Pure functions over tensors. Everything is accumulated in float64 over every weight, block by block, so that the scratch stays in cache
and a layer of any size needs no memory of its own. Sums of two layers add up to the sums of both, which is how a model is summarised.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdash.records import Histogram, WeightError

CACHED_BLOCK = 32_000  # weights: fits the L2 cache, and is just below the size at which torch wakes, and waits for, a second thread
GPU_BLOCK = 1 << 24
BINS = 97  # odd, so that zero lies in the middle of a bin, not on the border of two
SPREADS_SHOWN = 8  # root mean squares on either side of zero: room for tails, and the body still has a shape
SMALLEST = 5e-324  # float64


def blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat float64 pieces of tensors of one size and device, side by side."""
    size = CACHED_BLOCK if tensors[0].device.type == "cpu" else GPU_BLOCK
    yield from zip(*(map(Tensor.double, tensor.reshape(-1).split(size)) for tensor in tensors), strict=True)


def _sum_of_products(a: Tensor, b: Tensor) -> float:
    # Not torch.dot: MKL splits even small ones between threads, and on a busy machine waits a hundred times longer than it computes.
    return (a * b).sum().item()


@dataclass
class Spread:
    """How widely numbers lie around zero: what the range of a histogram is chosen from."""

    count: int = 0
    squares: float = 0.0
    largest: float = 0.0

    @classmethod
    def of(cls, values: Tensor) -> "Spread":
        """The spread of all elements of a tensor."""
        spread = cls()
        for (block,) in blocks(values):
            spread += cls(block.numel(), _sum_of_products(block, block), block.abs().amax().item())
        return spread

    def __iadd__(self, other: "Spread") -> "Spread":
        self.count += other.count
        self.squares += other.squares
        self.largest = max(self.largest, other.largest)
        return self

    def limit(self, otherwise: float = 1.0) -> float:
        """Where to end a histogram: at the largest, or before it if that lies far out. `otherwise` if all are 0, or one is not finite."""
        if self.squares == 0 or not math.isfinite(self.squares):
            return otherwise
        return min(self.largest, SPREADS_SHOWN * math.sqrt(self.squares / self.count))


@dataclass
class ErrorSums:
    """Sums over weights w and their dequantized ŵ, with e = ŵ − w, from which every statistic follows."""

    original: float = 0.0
    """Σw²"""
    dequantized: float = 0.0
    """Σŵ²"""
    product: float = 0.0
    """Σw·ŵ"""
    error: Spread = field(default_factory=Spread)
    """Σe² and max |e|"""

    @classmethod
    def of(cls, original: Tensor, dequantized: Tensor) -> "ErrorSums":
        """The sums over two tensors of one size and device."""
        sums = cls()
        for w, restored in blocks(original, dequantized):
            error = restored - w
            sums.original += _sum_of_products(w, w)
            sums.dequantized += _sum_of_products(restored, restored)
            sums.product += _sum_of_products(w, restored)
            sums.error += Spread(error.numel(), _sum_of_products(error, error), error.abs().amax().item())
        return sums

    def __iadd__(self, other: "ErrorSums") -> "ErrorSums":
        self.original += other.original
        self.dequantized += other.dequantized
        self.product += other.product
        self.error += other.error
        return self

    @property
    def finite(self) -> bool:
        """Whether no weight is NaN or infinite, before or after."""
        return math.isfinite(self.error.squares)

    def summary(self) -> WeightError:
        """SQNR, MSE, max |e| and cosine; see `WeightError`. The cosine of two zero tensors is 1, of a zero tensor and another 0."""
        norms = math.sqrt(self.original * self.dequantized)
        cosine = self.product / norms if norms else float(self.original == self.dequantized)
        mse = self.error.squares / max(self.error.count, 1)
        return WeightError(sqnr_db=self._sqnr_db(), mse=mse, max_abs_error=self.error.largest, cosine=max(-1.0, min(1.0, cosine)))

    def _sqnr_db(self) -> float | None:
        if self.error.squares == 0:
            return None
        # Zeros that became something else have no signal; −∞ would not survive JSON, the smallest signal there is does.
        return 10 * (math.log10(max(self.original, SMALLEST)) - math.log10(self.error.squares))


@dataclass
class Counts:
    """A histogram being counted: equal bins between ±`limit`, the outermost of which also take what lies beyond."""

    limit: float
    counts: Tensor = field(default_factory=lambda: torch.zeros(BINS, dtype=torch.int64))

    def add(self, block: Tensor) -> None:
        """Count a flat float64 block in. Its numbers are finite."""
        position = (block * (BINS / (2 * self.limit))).add_(BINS / 2).clamp_(0, BINS - 1)
        self.counts += torch.bincount(position.int(), minlength=BINS).cpu()

    def histogram(self) -> Histogram:
        """The counts so far as a record."""
        return Histogram(low=-self.limit, high=self.limit, counts=tuple(self.counts.tolist()))
