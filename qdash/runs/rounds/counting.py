"""Which rounds count, and how many are enough. Nothing here that decides over a disturbed round looks at the times in it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from qdash.records import BUSY_SHARE, Ratio, TimedRun
from qdash.runs.rounds.figures import ratio_of
from qdash.stats.paired import MANY_PAIRS
from qdash.verdict.pace import Pace, pace_for, times_in_rounds

LEAST_ROUNDS = 3
"""With fewer there is no interval."""

PRECISE = 0.03
"""An interval that reaches this share of its ratio to either side is narrow enough."""

ROUGH = 1.25
"""On a busy machine more rounds are taken until the interval of a ratio reaches at most this factor to either side."""

MOST_ROUNDS = 30
"""The most rounds, unless more were chosen, where other programs disturb them or a large difference is unclear: enough to tell twice the
time from the same time on a machine that is never quiet."""

LARGE = 1.5
"""Where a variant seems to take this many times the original's time, or this many times less, and the times vary too much to tell, more
rounds are taken than were chosen."""

RESTLESS_SHARE = 1 / 3
"""Where this share of the rounds was disturbed, the quiet ones in between are few, and no calm either: then many rounds tell more."""

PATIENCE_S = 90.0
"""After so many seconds, no more than the chosen rounds: whoever reads the answers wants to see an end."""


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
    """The rounds that count, in order: the quiet ones, or all.

    All count where too few are quiet, and from nine on where the machine is restless: what disturbs some of many rounds evens out.
    """
    quiet = [taken for taken in rounds if not taken.disturbed]
    few = len(quiet) < min(LEAST_ROUNDS, chosen)
    return list(rounds) if few or (len(rounds) >= MANY_PAIRS and _is_restless(rounds, chosen)) else quiet


def _is_restless(rounds: Sequence[Taken], chosen: int) -> bool:
    """Whether other programs come and go: they disturbed a third of the rounds, and one of the last `chosen`."""
    disturbed = [taken.disturbed for taken in rounds]
    return any(disturbed[-chosen:]) and sum(disturbed) >= RESTLESS_SHARE * len(rounds)


def exhausted(rounds: Sequence[Taken], chosen: int, spent_s: float, *, unclear: bool = False) -> bool:
    """Whether no further round is to be taken. `spent_s`: seconds since the first began; `unclear`: whether some variant's speed is.

    Fewer than three chosen rounds allow no claim, so none of them is repeated.
    """
    quiet = sum(not taken.disturbed for taken in rounds)
    hurried = spent_s >= PATIENCE_S or chosen < LEAST_ROUNDS
    enough = quiet >= chosen and (hurried or not (unclear or _is_restless(rounds, chosen)))
    return enough or len(rounds) >= (chosen if hurried else _most(chosen))


def rounds_left(rounds: Sequence[Taken], chosen: int, *, unclear: bool = False) -> int:
    """How many further rounds may be taken: up to those that were chosen, or to the most where one was disturbed or a speed is unclear."""
    more = unclear or any(taken.disturbed for taken in rounds)
    return max(0, (_most(chosen) if more else chosen) - len(rounds))


def _most(chosen: int) -> int:
    return max(MOST_ROUNDS, chosen)


def worth_judging(rounds: Sequence[Taken], chosen: int) -> bool:
    """Whether there are enough rounds to stop for what they show: three quiet ones, nine, or as many as were chosen if none was quiet.

    With one or two quiet ones of a few the machine may be getting quiet, and further ones would count alone.
    """
    quiet = sum(not taken.disturbed for taken in rounds)
    return quiet >= LEAST_ROUNDS or len(rounds) >= (MANY_PAIRS if quiet else max(LEAST_ROUNDS, chosen))


@dataclass(frozen=True)
class Standing:
    """What is known of a variant's speed: its `ratios` to the baseline in the rounds that count, in order.

    `bounds`: the ratios at which its grade would change; `noise`: how far the baseline's own times lie apart, as a share; `busy`: what
    others took (None: not known).
    """

    ratios: tuple[float, ...]
    bounds: tuple[float, ...] = ()
    noise: float = 0.0
    busy: float | None = None

    @property
    def unclear(self) -> bool:
        """Whether a large difference seems to be there, and the times vary too much to tell it."""
        pace = self._pace(self.ratios)
        return pace.told == "untold" and not 1 / LARGE < pace.ratio < LARGE

    def settled(self, left: int) -> bool:
        """Whether the `left` rounds that may follow would change nothing that is said.

        Any of three will do: the ratio is precise; it is clear of its bounds with all its doubt; or the same would be said if all further
        rounds were like the lowest one so far, if they were like the highest, and if they were like the typical one. On a busy machine the
        last is not enough while the ratio is known roughly only.
        """
        ratio = ratio_of(self.ratios)
        if _is_precise(ratio) or _is_decided(ratio, self.bounds, self.noise, self.busy):
            return True
        if left and (self.busy or 0.0) > BUSY_SHARE and not _is_within(ratio, ROUGH):
            return False
        said = self._said(self.ratios)
        return all(self._said((*self.ratios, *[end] * left)) == said for end in (min(self.ratios), median(self.ratios), max(self.ratios)))

    def _said(self, ratios: Sequence[float]) -> tuple[object, ...]:
        pace = self._pace(ratios)
        return (pace.told, *(pace.most <= bound for bound in self.bounds))

    def _pace(self, ratios: Sequence[float]) -> Pace:
        return pace_for(times_in_rounds(ratio_of(ratios), len(ratios), self.noise, self.busy))


def busy_share(rounds: Iterable[Taken]) -> float | None:
    """What others took in the mean of `rounds`; None where it is not known."""
    shares = [taken.busy for taken in rounds if taken.busy is not None]
    return fmean(shares) if shares else None


def _is_precise(ratio: Ratio) -> bool:
    return _is_within(ratio, 1 + PRECISE)


def _is_within(ratio: Ratio, factor: float) -> bool:
    return ratio.low is not None and ratio.high is not None and ratio.low >= ratio.value / factor and ratio.high <= ratio.value * factor


def _is_decided(ratio: Ratio, bounds: Collection[float], noise: float, busy: float | None) -> bool:
    """Whether it may be called faster or slower, and no bound at which a grade changes lies within its doubt."""
    pace = pace_for(times_in_rounds(ratio, ratio.rounds or 0, noise, busy))
    return pace.told in ("faster", "slower") and not any(pace.least <= bound <= pace.most for bound in bounds)
