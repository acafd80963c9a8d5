"""The only place that judges a variant's speed: “1.8× faster”, “≈ same”, or nothing.

Another program that runs at times makes single runs up to four times as long. So a claim from a few paired rounds needs a widened interval
beyond the noise of the original's own rounds, and more if other programs were seen to use the machine. From nine rounds on the ratios
themselves show the disturbances: an interval that hardly ever errs must lie beyond the smallest difference that counts. With equal schemes
and disturbed runs, fewer than five in a thousand comparisons claim a difference (a test simulates it, with verdicts sought after every
round).
"""

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from typing import Literal

from qdash.present.language import N_, _, decimal
from qdash.records import BUSY_SHARE, Comparison, NoiseFloor, Ratio, Timing, VariantResult
from qdash.stats.paired import MANY_PAIRS

LEAST_NOISE = 0.005
"""Half a percent: the clock of a busy system is no more precise."""

LEAST_CLAIM = 0.05
"""A difference of less than a twentieth is imperceptible and is never reported."""

SAME_WITHIN = 0.1
"""“≈ same” needs an interval that lies within a tenth of the original's time, to either side."""

BUSY_NOISE = 0.3
"""If two unpaired timings of the original differ by more, something else was running."""

BUSY_MARGIN = 1.5
"""On a busy machine a difference must be larger than the noise by this factor."""

LEAST_ROUNDS = 3
_WIDER = {3: 3.0, 4: 2.0}
"""How many times wider than at 95% an interval must be, by its rounds, to err in a few of a thousand comparisons."""
_WIDER_FROM_5 = 1.5

ROUNDING = 1 + 1e-9
"""A difference as large as the noise is inside it, whichever way the last digits of the two were rounded."""

TimePart = Literal["total", "ttft", "tpot"]
Told = Literal["faster", "slower", "same", "untold"]

BUSY = N_("the machine seems busy")
FEW = N_("at least three timed runs are needed")
VARYING = N_("timings vary too much")
UNKNOWN_NOISE = N_("how much timings vary is not known")


@dataclass(frozen=True)
class Times:
    """The evidence about a speed; NaN is not known.

    `ratio`: the time divided by the original's. `low`, `high`: its 95% interval from `rounds` paired rounds, if `paired`; else two
    separate series of `rounds` runs were timed. `strict_low`, `strict_high`: the interval that errs in two of a thousand cases, from nine
    paired rounds on. `noise`: how far equal timings of the original lie apart; `busy`: the share of the machine that other programs took.
    """

    ratio: float = nan
    low: float = nan
    high: float = nan
    rounds: int = 0
    noise: float = nan
    busy: float = nan
    paired: bool = False
    strict_low: float = nan
    strict_high: float = nan


@dataclass(frozen=True)
class Pace:
    """A judgement on a speed. `least` and `most`: the bounds of the ratio with all uncertainty, NaN if unknown. `cause`: an English clause
    that says why speeds are not compared, such as `BUSY`; empty if there was nothing to compare.
    """

    told: Told = "untold"
    ratio: float = nan
    least: float = nan
    most: float = nan
    cause: str = ""

    @property
    def why(self) -> str:
        """The cause, as it is shown."""
        return _(self.cause)

    @property
    def words(self) -> str:
        """“1.8× faster”, “1.3× slower”, “≈ same”; empty where nothing may be said."""
        return self._said({"faster": N_("{factor}× faster"), "slower": N_("{factor}× slower"), "same": N_("≈ same")})

    @property
    def words_here(self) -> str:
        """The words beside those of a size: “1.8× faster here”, “≈ same speed”."""
        return self._said({"faster": N_("{factor}× faster here"), "slower": N_("{factor}× slower here"), "same": N_("≈ same speed")})

    @property
    def words_or_why(self) -> str:
        """The words, or “not compared: the machine seems busy”."""
        return self.words or (_("not compared: {reason}", reason=self.why) if self.cause else "")

    def _said(self, sentences: dict[Told, str]) -> str:
        if self.told == "untold" or (self.told == "faster" and not self.ratio > 0):
            return ""
        factor = 1 / self.ratio if self.told == "faster" else self.ratio
        return _(sentences[self.told], factor=decimal(factor, 1, grouped=False))


def pace_for(times: Times) -> Pace:
    """The judgement that `times` support."""
    ratio = times.ratio
    if not (isfinite(ratio) and ratio > 0):
        return Pace()
    if times.rounds < LEAST_ROUNDS:
        return Pace(ratio=ratio, cause=FEW)
    if not 0 <= times.noise < inf:
        return Pace(ratio=ratio, cause=UNKNOWN_NOISE)
    return _paired(times) if times.paired else _separate(times)


def _paired(times: Times) -> Pace:
    ratio, low, high = times.ratio, times.low, times.high
    busy = not isnan(times.busy) and times.busy > BUSY_SHARE
    untold = Pace(ratio=ratio, cause=BUSY if busy else VARYING)
    if not (isfinite(low) and isfinite(high) and 0 < low <= ratio <= high):
        return untold
    if times.rounds >= MANY_PAIRS and 0 < times.strict_low <= ratio <= times.strict_high < inf:
        margin = (1 + LEAST_CLAIM) * ROUNDING
        least, most = times.strict_low / margin, times.strict_high * margin
    else:
        wider = _WIDER.get(times.rounds, _WIDER_FROM_5)
        margin = (1 + max(times.noise, LEAST_NOISE)) * (BUSY_MARGIN if busy else 1.0) * ROUNDING
        least, most = ratio * _power(low / ratio, wider) / margin, ratio * _power(high / ratio, wider) * margin
    told = _claim(ratio, least, most)
    if told is None:
        told = "same" if _narrow(low, high) else "untold"
    return Pace(told, ratio, least, most, untold.cause if told == "untold" else "")


def _power(base: float, exponent: float) -> float:
    try:
        return base**exponent
    except OverflowError:
        return inf


def _separate(times: Times) -> Pace:
    """Judges runs of earlier versions, timed one variant after another, by the two timings of the original."""
    ratio, noise = times.ratio, max(times.noise, LEAST_NOISE) * ROUNDING
    if noise > BUSY_NOISE or times.busy > BUSY_SHARE:
        return Pace(ratio=ratio, cause=BUSY)
    least, most = ratio - noise, ratio + noise
    told = _claim(ratio, least, most)
    if told is None:
        told = "same" if _narrow(least, most) else "untold"
    return Pace(told, ratio, least, most, VARYING if told == "untold" else "")


def _claim(ratio: float, least: float, most: float) -> Told | None:
    if least > 1 and ratio >= 1 + LEAST_CLAIM:
        return "slower"
    return "faster" if most < 1 and ratio <= 1 / (1 + LEAST_CLAIM) else None


def _narrow(low: float, high: float) -> bool:
    return low >= 1 / (1 + SAME_WITHIN) and high <= 1 + SAME_WITHIN


def times_of(result: VariantResult, comparison: Comparison, part: TimePart = "total") -> Times:
    """The evidence about one time of a variant: paired rounds where there were some, else the medians of two separate series."""
    baseline = comparison.variants[0]
    if result.kind == "simulated" or result.latency is None or baseline.latency is None:
        return Times()
    own, original = (getattr(of.latency, f"{part}_s") for of in (result, baseline))
    runs = min(len(own.runs), len(original.runs))
    rounds, paired = comparison.rounds, getattr(result.relative, part) if result.relative else None
    busy = None if rounds is None or rounds.busy is None else inf if isnan(rounds.busy) else rounds.busy
    if rounds is None and paired is None:
        ratio = own.median / original.median if original.median > 0 else nan
        return Times(ratio, rounds=runs, noise=time_noise(result, comparison, part))
    if paired is None:
        return Times()
    return times_in_rounds(paired, 0 if rounds is None else rounds.taken, floor_of(comparison.noise_floor, part), busy)


def times_in_rounds(ratio: Ratio, taken: int, noise: float, busy: float | None) -> Times:
    """The evidence in a ratio of paired rounds. `taken`, `noise` and `busy` (None: not known) are the run's, for ratios without."""
    ends = (nan if end is None else end for end in (ratio.low, ratio.high, ratio.strict_low, ratio.strict_high))
    low, high, strict_low, strict_high = ends
    rounds, noise = taken if ratio.rounds is None else ratio.rounds, noise if ratio.noise is None else ratio.noise
    busy = busy if ratio.busy is None else ratio.busy
    others = nan if busy is None else busy
    return Times(ratio.value, low, high, rounds, noise, others, paired=True, strict_low=strict_low, strict_high=strict_high)


def time_noise(result: VariantResult, comparison: Comparison, part: TimePart = "total") -> float:
    """For times that were not paired: the share of the original's by which equal ones may differ; NaN if the original was timed once."""
    timings = [getattr(of.latency, f"{part}_s") for of in (result, comparison.variants[0]) if of.latency is not None]
    found = [floor_of(comparison.noise_floor, part), *map(_spread, timings), LEAST_NOISE]
    return nan if any(map(isnan, found)) else max(found)


def floor_of(floor: NoiseFloor | None, part: TimePart) -> float:
    """The noise floor of one time, as a share; NaN if it is not known."""
    if floor is None:
        return nan
    own = None if part == "total" else getattr(floor, part)
    return floor.relative if own is None else own


def _spread(timing: Timing) -> float:
    return (timing.p90 - timing.p10) / 2 / timing.median if timing.median else nan
