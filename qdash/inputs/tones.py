"""Numbers of more than 8 bits as grey values that a person sees: what is black, what is white, and a sentence where that was a choice.

Full range stays full range: 65,535 is white, and so is 1.0. Where a picture leaves most of its range unused (12 bits of a camera or a
scanner in 16), or has no range (negative numbers, arbitrary floats), it is stretched as viewers of such pictures do, and a note says so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAMPLED = 1_000_000
_OUTLYING = 5
"""How many times wider the whole range is than that of 99% of the values before the rest counts as outliers (“no data” is often −9999)."""


@dataclass(frozen=True)
class Toned:
    """Grey values of 8 bits, rows × columns (× channels), and what is to be said of them."""

    values: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Range:
    black: float
    white: float
    note: str | None = None


def toned(values: NDArray, full: float | None) -> Toned:
    """Values as grey; `full`: the largest that their type holds, None for floats. NaN and −∞ are black, +∞ is white."""
    notes = []
    if values.dtype.kind == "f":
        nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        if nan:
            notes.append(f"{_several(nan, 'value is NaN', 'values are NaN')} and shown black.")
        if infinite:
            notes.append(f"{_several(infinite, 'value is infinite', 'values are infinite')} and shown black or white.")
        finite = values[np.isfinite(values)] if nan or infinite else values
    else:
        finite = values
    if not finite.size:
        return Toned(_scaled(values, _Range(0, 1)), tuple(notes))
    chosen = _integers(finite, full) if full is not None else _floats(finite)
    if chosen.note:
        notes.append(chosen.note)
    return Toned(_scaled(values, chosen), tuple(notes))


def _integers(values: NDArray, full: float) -> _Range:
    low, high = int(values.min()), int(values.max())
    if low < 0:
        return _stretched(values, low, high)
    if high == 0 or high >= (full + 1) / 4:
        return _Range(0, full)
    white = 2 ** high.bit_length() - 1
    return _Range(0, white, f"Its values go up to {high:,} of a possible {_number(full)}, so {white:,} is shown white.")


def _floats(values: NDArray) -> _Range:
    low, high = float(values.min()), float(values.max())
    # Resampling overshoots a little on both sides.
    for white in (1.0, 255.0, 65535.0):
        if -0.05 * white <= low and white / 16 <= high <= 1.05 * white:
            return _Range(0, white)
    return _Range(0, 1) if low == high == 0 else _stretched(values, low, high)


def _stretched(values: NDArray, low: float, high: float) -> _Range:
    if low == high:
        return _Range(float(np.nextafter(low, -np.inf)), low, f"All its values are {_number(low)} and shown white.")
    inner_low, inner_high = np.quantile(values.reshape(-1)[:: -(-values.size // _SAMPLED)].astype(np.float64), [0.005, 0.995])
    said = f"Its values run from {_number(low)} to {_number(high)}"
    if high - low > _OUTLYING * (inner_high - inner_low) > 0:
        inner = f"nearly all lie between {_number(inner_low)}, shown black, and {_number(inner_high)}, shown white"
        return _Range(float(inner_low), float(inner_high), f"{said}; {inner}.")
    return _Range(low, high, f"{said}: the lowest is shown black, the highest white.")


def _scaled(values: NDArray, chosen: _Range) -> NDArray[np.uint8]:
    """A band of rows at a time, so that no second copy of a large picture is held in float64."""
    result = np.empty(values.shape, np.uint8)
    rows = max(1, 2**20 // max(1, values[0].size))
    for start in range(0, len(values), rows):
        with np.errstate(all="ignore"):  # a signalling NaN is an error even where it is only cast
            band = np.clip(values[start : start + rows].astype(np.float64), chosen.black, chosen.white)
            share = (band / 2 - chosen.black / 2) / (chosen.white / 2 - chosen.black / 2)  # halves: the span of two floats may be infinite
        result[start : start + rows] = np.nan_to_num(share * 255 + 0.5, nan=0.0)
    return result


def _several(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 2**33:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")
