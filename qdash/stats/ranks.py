"""Rank correlation: whether two things put their cases in the same order."""

from collections.abc import Sequence
from statistics import StatisticsError, correlation


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's ρ, −1 to 1, of pairs of finite numbers; equal ones share the mean of their ranks. None if one side is constant."""
    try:
        return correlation(ranks(one), ranks(other))
    except StatisticsError:
        return None


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 0, ascending; equal ones share the mean of their ranks."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [(first[value] + last[value]) / 2 for value in values]
