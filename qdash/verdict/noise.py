"""How large a difference in time must be to mean anything, for one variant and one quantity.

Two timings of the same baseline lie so far apart; besides, the runs of either side spread. A difference within the larger of these is
“≈ same”. So a second timing of the original itself is never called another speed.
"""

from typing import Literal

from qdash.records import NoiseFloor, Timing, VariantResult

LEAST_NOISE = 0.005
"""Half a percent: no clock of a busy system is better."""

ROUNDING = 1 + 1e-9
"""A difference as large as the noise is inside it, whichever way the last digits of the two were rounded."""

Part = Literal["total", "ttft", "tpot"]


def time_noise(result: VariantResult, baseline: VariantResult, floor: NoiseFloor | None, part: Part = "total") -> float:
    """The share of the baseline's time that a difference must exceed."""
    spreads = [_spread(getattr(of.latency, f"{part}_s")) for of in (result, baseline) if of.latency is not None]
    return max(_floor(floor, part), *spreads, LEAST_NOISE) * ROUNDING


def _floor(floor: NoiseFloor | None, part: Part) -> float:
    if floor is None:
        return 0.0
    own = None if part == "total" else getattr(floor, part)
    return floor.relative if own is None else own


def _spread(timing: Timing) -> float:
    return (timing.p90 - timing.p10) / 2 / timing.median if timing.median else 0.0
