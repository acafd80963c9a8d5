"""How sure a share of right answers is, and whether two shares differ: Wilson's interval and McNemar's exact test.

Both need only small whole numbers and the normal quantile, so the standard library is enough.
"""

from math import comb, sqrt
from statistics import NormalDist

from qdash.records import Paired, Proportion

_Z = NormalDist().inv_cdf(0.975)  # 95%, two-sided


def proportion(successes: int, total: int) -> Proportion:
    """`successes` of `total` ≥ 1 with its 95% score interval (Wilson 1927, without continuity correction)."""
    share = successes / total
    spread = _Z * sqrt(share * (1 - share) / total + (_Z / (2 * total)) ** 2)
    middle, scale = share + _Z**2 / (2 * total), 1 + _Z**2 / total
    # Rounding must not push an interval off the share at 0 and 1, where its end is the share itself.
    low = 0.0 if successes == 0 else (middle - spread) / scale
    high = 1.0 if successes == total else (middle + spread) / scale
    return Proportion(value=share, low=low, high=high, successes=successes, total=total)


def paired_difference(only_first: int, only_second: int, total: int) -> tuple[float, float]:
    """The 95% interval of the first share of successes minus the second, both of the same `total` ≥ 1 trials, from those that only one of
    them won: the square-and-add rule of Newcombe (1998) on their two shares, whose difference it is.
    """
    first, second = proportion(only_first, total), proportion(only_second, total)
    middle = first.value - second.value
    low = middle - sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    high = middle + sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return max(low, -1.0), min(high, 1.0)


def paired(original: list[bool], variant: list[bool]) -> Paired:
    """McNemar's exact test on answers to the same questions, in the same order: the binomial test of the discordant pairs."""
    only_original = sum(a and not b for a, b in zip(original, variant, strict=True))
    only_variant = sum(b and not a for a, b in zip(original, variant, strict=True))
    p_value = mcnemar_exact(only_original, only_variant)
    return Paired(only_original=only_original, only_variant=only_variant, p_value=p_value)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p-value: twice the smaller tail of a fair coin, at most 1 (McNemar 1947, exact form)."""
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(tosses, heads) for heads in range(fewer + 1))
    return min(1.0, 2 * tail / 2**tosses)
