"""From sums and counts to what people see: figures that combine, and histograms that can be merged exactly.

A histogram is counted in thousands of bins whose width is a power of three. Three neighbours make one bin of a histogram three times as
coarse, and zero stays in the middle of a bin: so a range need not be known beforehand, layers add up to a model, and what is shown is as
fine as a chart can take. All in float64, on a few numbers only; what runs over every weight is in `kernels`.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from qdash.engine.kernels import BINS, HALF, PairSums
from qdash.records import Histogram, WeightError

SPREADS_SHOWN = 8  # root mean squares on either side of zero: room for tails, and the body still has a shape
SMALLEST = 5e-324  # float64
FINEST = -200  # exponent of three: finer than any float32


@dataclass
class Counts:
    """A histogram being counted, in bins of width 3^`exponent`, the middle one around zero."""

    exponent: int = FINEST
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def per(self) -> float:
        """Bins to a unit: what a number is multiplied with to find its place."""
        return 3.0**-self.exponent

    def make_room(self, largest: float) -> bool:
        """Become as coarse as ±`largest` needs to fit in; whether that made a difference."""
        if largest * self.per <= HALF:
            return False
        needed = math.ceil(math.log(largest / HALF, 3))
        self._coarsen(max(needed - self.exponent, 1))
        self.make_room(largest)  # a logarithm may be a hair too small
        return True

    def add_values(self, values: np.ndarray, counts: np.ndarray) -> None:
        """Count `counts` of each of `values` in; these are finite and fit in."""
        place = (values * self.per + (HALF + 0.5)).astype(np.int64)
        self.counts += np.bincount(place, weights=counts, minlength=BINS).astype(np.int64)

    def __iadd__(self, other: "Counts") -> "Counts":
        if other.exponent > self.exponent:
            self._coarsen(other.exponent - self.exponent)
        self.counts += coarser(other.counts, self.exponent - other.exponent)
        return self

    def _coarsen(self, steps: int) -> None:
        self.exponent += steps
        self.counts = coarser(self.counts, steps)

    def beyond(self, end: float) -> int:
        """How many numbers lie in bins that begin farther from zero than `end`."""
        first = min(math.ceil(end * self.per + 0.5), HALF + 1)
        return int(self.counts[: HALF + 1 - first].sum() + self.counts[HALF + first :].sum())

    def histogram(self, limit: float, exponent: int) -> Histogram:
        """A record in bins of width 3^`exponent`, no finer than these, as many as ±`limit` takes; the outermost hold what lies beyond."""
        counts, width = coarser(self.counts, exponent - self.exponent), 3.0**exponent
        half = min(max(math.ceil(limit / width - 0.5), 1), HALF)
        shown = counts[HALF - half : HALF + half + 1].copy()
        shown[0] += counts[: HALF - half].sum()
        shown[-1] += counts[HALF + half + 1 :].sum()
        end = (half + 0.5) * width
        return Histogram(low=-end, high=end, counts=tuple(shown.tolist()))


def common_exponent(limit: float, most: int, *histograms: Counts) -> int:
    """The finest that all can be shown with, at most `most` bins between zero and `limit`."""
    exponent = max(histogram.exponent for histogram in histograms)
    while limit / 3.0**exponent - 0.5 > most:
        exponent += 1
    return exponent


def coarser(counts: np.ndarray, steps: int) -> np.ndarray:
    """The same counts in bins 3^`steps` times as wide, of which the outer ones stay empty."""
    if steps == 0:
        return counts
    merged = counts.reshape(-1, 3 ** min(steps, 8)).sum(1)
    wider, outside = np.zeros_like(counts), (BINS - len(merged)) // 2
    wider[outside : BINS - outside] = merged
    return wider


@dataclass
class ErrorSums:
    """Sums over weights w and their dequantized ŵ, with e = ŵ − w, from which every figure follows. Sums of two layers add up."""

    parameters: int = 0
    squares: np.ndarray = field(default_factory=lambda: np.zeros(4))
    """Σw², Σŵ², Σe², Σw·ŵ"""
    largest: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """max |w|, |ŵ|, |e|"""
    nonfinite: int = 0
    zeroed: int = 0
    clipped: int = 0

    @classmethod
    def of(cls, sums: PairSums, columns: int) -> "ErrorSums":
        """The sums over a kernel's rows."""
        nonfinite, zeroed, clipped = map(int, sums.tally)
        return cls(len(sums.rows) * columns, sums.rows.sum(0), sums.largest, nonfinite, zeroed, clipped)

    def __iadd__(self, other: "ErrorSums") -> "ErrorSums":
        self.parameters += other.parameters
        self.squares = self.squares + other.squares
        self.largest = np.maximum(self.largest, other.largest)
        self.nonfinite += other.nonfinite
        self.zeroed += other.zeroed
        self.clipped += other.clipped
        return self

    @property
    def finite(self) -> int:
        """Over how many weights the sums are."""
        return self.parameters - self.nonfinite

    def limits(self) -> tuple[float, float]:
        """Where histograms of weights and of errors end: at the largest, or before it if that lies far out."""
        shown = SPREADS_SHOWN * np.sqrt(self.squares[:3] / max(self.finite, 1))
        weights = min(max(self.largest[0], self.largest[1]), max(shown[0], shown[1]))
        return float(weights), float(min(self.largest[2], shown[2]))

    def summary(self) -> WeightError:
        """See `WeightError`. The cosine of two zero tensors is 1, of a zero tensor and another 0."""
        original, restored, error, product = map(float, self.squares)
        norms = math.sqrt(original * restored)
        cosine = product / norms if norms else float(original == restored)
        count = max(self.finite, 1)
        return WeightError(
            sqnr_db=sqnr_db(original, error),
            mse=error / count,
            max_abs_error=float(self.largest[2]),
            cosine=max(-1.0, min(1.0, cosine)),
            clipped=self.clipped / count,
            zeroed=self.zeroed / count,
        )


def sqnr_db(signal: float, noise: float) -> float | None:
    """10·log10(Σw²/Σe²), None without any noise."""
    if noise == 0:
        return None
    # Zeros that became something else have no signal; −∞ would not survive JSON, the smallest signal there is does.
    return 10 * (math.log10(max(signal, SMALLEST)) - math.log10(noise))


def pooled_sqnr_db(rows: np.ndarray, most: int) -> tuple[float | None, ...]:
    """SQNR of a kernel's rows of sums, neighbouring rows together so that at most `most` entries remain; to a hundredth."""
    entries = min(len(rows), most)
    if not entries:
        return ()
    starts = np.arange(entries) * len(rows) // entries
    pooled = np.add.reduceat(rows, starts, axis=0)
    values = (sqnr_db(float(sums[0]), float(sums[2])) for sums in pooled)
    return tuple(value if value is None else round(value, 2) for value in values)


def worst_row(rows: np.ndarray) -> int | None:
    """The row of the lowest SQNR; None where none has an error."""
    if not rows[:, 2].any():
        return None
    # Ratios of subnormal sums may overflow; a row without signal is as bad as can be.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = rows[:, 2] / rows[:, 0]
    return int(np.nanargmax(np.where(rows[:, 2] == 0, -1.0, ratio)))
