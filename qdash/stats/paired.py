"""Two things measured side by side several times: the typical ratio of a pair, and how far it may be off.

With three to five pairs no method is exact. The t interval on the logarithms supposes that they spread evenly to both sides, which one
disturbed pair breaks; the interval of the median from the order of the ratios supposes nothing, and with fewer than six pairs is as wide as
all of them. The one given here covers both. From nine pairs on the order alone also gives an interval that hardly ever errs.
"""

from collections.abc import Sequence
from functools import cache
from math import atan, comb, cos, exp, log, pi, sin, sqrt
from statistics import fmean, median, stdev

LEAST_PAIRS = 3
"""With fewer there is no interval worth the name."""

CONFIDENCE = 0.95

MANY_PAIRS = 9
"""From this many on, the order of the ratios gives an interval that errs in about two or three of a thousand cases."""

STRICT = 0.998


def median_with_interval(ratios: Sequence[float]) -> tuple[float, float, float] | None:
    """The median of at least three positive ratios, and the low and high end of its 95% interval; None with fewer."""
    if len(ratios) < LEAST_PAIRS:
        return None
    middle, (low, high), (least, most) = median(ratios), t_interval(ratios), order_interval(ratios)
    return middle, min(low, least), max(high, most)


def strict_interval(ratios: Sequence[float]) -> tuple[float, float] | None:
    """The interval of the median of at least nine positive ratios that errs in two of a thousand cases (nine: four); None with fewer."""
    return order_interval(ratios, STRICT) if len(ratios) >= MANY_PAIRS else None


def t_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """The 95% t interval of the geometric mean of two or more positive ratios."""
    logs = [log(ratio) for ratio in ratios]
    mean, half_width = fmean(logs), t_quantile(len(logs) - 1) * stdev(logs) / sqrt(len(logs))
    return exp(mean - half_width), exp(mean + half_width)


def order_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two of the values, in order, between which the median lies in at least `confidence` of cases; with too few, the outermost."""
    ordered, outside, place = sorted(values), 0.0, 0
    for below in range(len(ordered) // 2):
        outside += comb(len(ordered), below) / 2 ** len(ordered)
        if outside > (1 - confidence) / 2:
            break
        place = below
    return ordered[place], ordered[-1 - place]


@cache
def t_quantile(freedom: int, inside: float = CONFIDENCE) -> float:
    """How far from 0 a variable of Student's t distribution with `freedom` ≥ 1 degrees of freedom lies in `inside` of cases at most."""
    low, high = 0.0, 1.0
    while _t_inside(high, freedom) < inside:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, freedom) < inside else (low, middle)
    return high


def _t_inside(bound: float, freedom: int) -> float:
    """The probability that |t| ≤ `bound`: a finite sum for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(bound / sqrt(freedom))
    odd = freedom % 2
    term = total = (cos(angle) if odd else 1.0) if freedom > 1 else 0.0
    for step in range(2 if odd else 1, freedom - 1, 2):
        term *= cos(angle) ** 2 * step / (step + 1)
        total += term
    return (angle + sin(angle) * total) * 2 / pi if odd else sin(angle) * total
