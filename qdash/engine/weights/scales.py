"""The scale and zero point of some weights, told from what became of them: how a layer keeps them differs from package to package.

What a scale would be by the scheme's rule is known to a few percent; which one it really is follows from the weights: they are whole
numbers of steps, or the codes of a float, apart.
"""

import math
from dataclasses import dataclass

import numpy as np

from qdash.catalog.sharing import Sharing

ALIKE = 1e-3  # of the smallest gap between codes


@dataclass(frozen=True)
class Scale:
    """ŵ = scale · (code − zero_point); `levels` are that for every code, in their order. None and no levels where it cannot be told."""

    scale: float | None
    zero_point: float | None
    levels: tuple[float, ...]


def scale_of(weight: np.ndarray, restored: np.ndarray, sharing: Sharing, ends: tuple[float, float]) -> Scale:
    """Of weights that share a scale and what became of them, float64; `ends`: least and largest weight that share it."""
    if not (sharing.codes and np.isfinite(restored).all() and all(map(math.isfinite, ends))):
        return Scale(None, None, ())
    codes = np.asarray(sharing.codes)
    if sharing.affine:
        return _affine(restored, codes, sharing, ends)
    scale = _symmetric(restored, codes, max(map(abs, ends)) / float(np.abs(codes).max()))
    if scale is None:
        return Scale(None, None, ())
    scale *= _sign(restored / scale, codes)
    return Scale(scale, 0.0, tuple((codes * scale).tolist()))


def _sign(values: np.ndarray, codes: np.ndarray) -> int:
    """−1 if the values are codes only with the other sign: codes need not be symmetric."""
    ours, theirs = (np.abs(side[:, None] - codes).min(axis=1).max() for side in (values, -values))
    return 1 if ours <= theirs else -1


def _symmetric(restored: np.ndarray, codes: np.ndarray, expected: float) -> float | None:
    """The scale under which the weights are codes; of several the one nearest to `expected`."""
    largest = float(np.abs(restored).max())
    if largest == 0:
        return None
    values = np.unique(np.abs(restored)) / largest
    magnitudes = np.unique(np.abs(codes[codes != 0]))
    residuals = [_residual(values * magnitude, magnitudes) for magnitude in magnitudes]
    fitting = magnitudes[np.asarray(residuals) <= min(residuals) + ALIKE]
    return min((largest / float(magnitude) for magnitude in fitting), key=lambda scale: abs(math.log(scale / expected)))


def _residual(values: np.ndarray, magnitudes: np.ndarray) -> float:
    """How far, in the worst case, a value lies from a code or 0, as a share of the gap there."""
    steps = np.concatenate([[0.0], magnitudes])
    above = np.searchsorted(steps, values).clip(1, len(steps) - 1)
    gaps = steps[above] - steps[above - 1]
    return float((np.minimum(np.abs(values - steps[above]), np.abs(values - steps[above - 1])) / gaps).max())


def _affine(restored: np.ndarray, codes: np.ndarray, sharing: Sharing, ends: tuple[float, float]) -> Scale:
    """Steps of one size from a minimum."""
    low, high = (min(ends[0], 0.0), max(ends[1], 0.0)) if sharing.includes_zero else ends
    expected = (high - low) / float(codes[-1] - codes[0])
    if expected == 0:
        return Scale(None, None, ())
    least, most = float(restored.min()), float(restored.max())
    span = int(codes[-1] - codes[0])
    steps = _steps(restored, span, (most - least) / expected) if sharing.searched else round((most - least) / expected)
    scale = (most - least) / steps if steps else expected
    below = round((least - low) / scale)
    minimum = least - (min(max(below, 0), span - steps) if sharing.searched else below) * scale
    return Scale(scale, -minimum / scale, tuple((codes * scale + minimum).tolist()))


def _steps(restored: np.ndarray, most: int, expected: float) -> int:
    """How many steps, up to `most`, lie between the least and the largest weight, if each is whole steps away; of several the likeliest."""
    above = restored - restored.min()
    if above.max() == 0:
        return 0
    counts = np.arange(1, most + 1)
    values = above / above.max() * counts[:, None]
    residuals = np.abs(values - np.round(values)).max(axis=1)
    return int(min(counts[residuals <= residuals.min() + ALIKE], key=lambda count: abs(count - expected)))
