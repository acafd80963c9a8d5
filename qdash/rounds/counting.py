"""Which rounds count, and how many are enough. Nothing here that decides over a disturbed round looks at the times in it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean

from qdash.records import BUSY_SHARE, Ratio, TimedRun
from qdash.verdict.pace import Times, pace_for

LEAST_ROUNDS = 3
"""With fewer there is no interval."""

PRECISE = 0.03
"""An interval that reaches this share of its ratio to either side is narrow enough."""

ATTEMPTS = 4
"""At most so many times the chosen rounds are taken, disturbed ones included."""

PATIENCE_S = 20.0
"""After so long, no more than the chosen rounds: who reads the answers wants to see an end."""

HOPELESS = 2
"""Without a single quiet one among so many times the chosen rounds, the machine will not get quiet."""


@dataclass(frozen=True)
class Taken:
    """A round: each variant's run by its index, and the share of the device's time that others took (None: not known)."""

    runs: dict[int, TimedRun]
    busy: float | None

    @property
    def disturbed(self) -> bool:
        """Whether other programs took more than a small share."""
        return self.busy is not None and self.busy > BUSY_SHARE


def counted(rounds: Sequence[Taken], chosen: int) -> list[Taken]:
    """The rounds that count, in order: the quiet ones, or, if they are too few, the `chosen` that were disturbed least."""
    quiet = [taken for taken in rounds if not taken.disturbed]
    if len(quiet) >= min(LEAST_ROUNDS, chosen):
        return quiet[:chosen]
    least = sorted(range(len(rounds)), key=lambda place: rounds[place].busy or 0.0)[:chosen]
    return [rounds[place] for place in sorted(least)]


def exhausted(rounds: Sequence[Taken], chosen: int, spent_s: float) -> bool:
    """Whether no further round is to be taken, whatever the times are. `spent_s`: seconds since the first began."""
    quiet = sum(not taken.disturbed for taken in rounds)
    most = 1 if spent_s >= PATIENCE_S else ATTEMPTS if quiet else HOPELESS
    return quiet >= chosen or len(rounds) >= most * chosen


def worth_judging(rounds: Sequence[Taken], chosen: int) -> bool:
    """Whether there are enough rounds to stop for what they show: three quiet ones, or as many as were chosen on a machine never quiet."""
    quiet = sum(not taken.disturbed for taken in rounds)
    return quiet >= LEAST_ROUNDS or (not quiet and len(rounds) >= max(LEAST_ROUNDS, chosen))


def settled(ratios: Sequence[tuple[Ratio, Collection[float]]], rounds: int, noise: float, busy: float | None) -> bool:
    """Whether further rounds would change nothing that is said: every ratio is precise, or clear of its bounds with all its doubt.

    `ratios` from `rounds` rounds, each with the bounds at which its variant's grade would change; `noise`: how far the baseline's own
    times lie apart, as a share; `busy`: what others took (None: not known). Without ratios there is nothing to be settled.
    """
    return bool(ratios) and all(_is_precise(ratio) or _is_decided(ratio, bounds, rounds, noise, busy) for ratio, bounds in ratios)


def busy_share(rounds: Iterable[Taken]) -> float | None:
    """What others took in the mean of `rounds`; None where it is not known."""
    shares = [taken.busy for taken in rounds if taken.busy is not None]
    return fmean(shares) if shares else None


def _is_precise(ratio: Ratio) -> bool:
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.low >= ratio.value * (1 - PRECISE) and ratio.high <= ratio.value * (1 + PRECISE)


def _is_decided(ratio: Ratio, bounds: Collection[float], rounds: int, noise: float, busy: float | None) -> bool:
    """Whether it may be called faster or slower, and no bound at which a grade changes lies within its doubt."""
    low, high, others = (nan if known is None else known for known in (ratio.low, ratio.high, busy))
    pace = pace_for(Times(ratio.value, low, high, rounds, noise, others, paired=True))
    return pace.told in ("faster", "slower") and not any(pace.least <= bound <= pace.most for bound in bounds)
