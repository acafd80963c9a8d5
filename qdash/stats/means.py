"""The mean of some values and its 95% interval, by Student's t, which supposes that means of so many spread evenly to both sides."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from qdash.stats.paired import t_quantile


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of two or more values, and the low and high end of its interval."""
    mean, half_width = fmean(values), t_quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
    return mean, mean - half_width, mean + half_width
