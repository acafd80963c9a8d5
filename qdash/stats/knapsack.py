"""The multiple-choice knapsack: one option of each group, so that what they weigh stays within a limit and they cost the least.

Solved exactly, by dynamic programming over what can still be best (Dyer, Kayal and Walker 1984; Pisinger 1995). A price on weight gives a
bound, and a greedy choice a cost to beat. An option is left out once its cost and the price of its weight exceed its group's least by more
than the gap between the two; few options of few groups remain. Integer program solvers would do, but HiGHS, which scipy has, takes several
times as long and writes to standard output while it works.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-12
"""Bounds are compared with this much room, relative to the largest of the numbers, as sums of floats depend on their order."""

_NOTHING = 1e-200
"""A cost below this is none: dividing by it would overflow."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Option:
    """What may be taken of a group: its `size` in whole units, and its `cost`, 0 or more."""

    size: int
    cost: float


Groups = Sequence[Sequence[Option]]
"""At least one option each."""


def least_cost(groups: Groups, room: int) -> list[int] | None:
    """The place of the option to take of each group, for the least cost within `room`; None if nothing fits."""
    pairs = [[_Pair(_cost(option), float(option.size), at) for at, option in enumerate(options)] for options in groups]
    return _solved(pairs, float(room))


def least_size(groups: Groups, most: float) -> list[int] | None:
    """The place of the option to take of each group, for the least size at a cost of at most `most`; None if nothing costs so little."""
    pairs = [[_Pair(float(option.size), _cost(option), at) for at, option in enumerate(options)] for options in groups]
    return _solved(pairs, most * (1 + _ROUNDING))


def smallest_size(groups: Groups) -> int:
    """What the smallest options of all groups come to."""
    return sum(min(option.size for option in options) for options in groups)


def _cost(option: Option) -> float:
    return option.cost if option.cost >= _NOTHING else 0.0


class _Pair(NamedTuple):
    cost: float
    weight: float
    place: int


def _solved(groups: Sequence[Sequence[_Pair]], limit: float) -> list[int] | None:
    """The places of the options that cost the least in all and weigh at most `limit`."""
    kept = [_undominated(options) for options in groups]
    if sum(options[0].weight for options in kept) > limit:
        return None
    return _best(kept, limit, *_greedy(kept, limit))


def _undominated(options: Sequence[_Pair]) -> list[_Pair]:
    """The options that no other beats in both, from the lightest to the cheapest."""
    kept: list[_Pair] = []
    for option in sorted(options, key=lambda option: (option.weight, option.cost)):
        if not kept or option.cost < kept[-1].cost:
            kept.append(option)
    return kept


def _greedy(groups: Sequence[Sequence[_Pair]], limit: float) -> tuple[float, float]:
    """A price of weight near the best one, and what a good choice costs: from the lightest on, first the step where weight saves most."""
    steps = [(saved, number, option) for number, options in enumerate(groups) for saved, option in _hull_steps(options)]
    chosen = [options[0] for options in groups]
    room, price = limit - sum(option.weight for option in chosen), 0.0
    blocked: set[int] = set()
    for saved, number, option in sorted(steps, reverse=True):
        more = option.weight - chosen[number].weight
        if number in blocked or more > room:
            # The price at which the first step is left out is the one that uses up the limit.
            price = price or saved
            blocked.add(number)
        else:
            room -= more
            chosen[number] = option
    return price, sum(option.cost for option in chosen)


def _hull_steps(options: Sequence[_Pair]) -> list[tuple[float, _Pair]]:
    """The steps along the lower convex hull, each with what a unit of weight saves there, which only falls."""
    steps: list[tuple[float, _Pair]] = []
    at = 0
    while at < len(options) - 1:
        here = options[at]
        slopes = (((here.cost - options[to].cost) / (options[to].weight - here.weight), to) for to in range(at + 1, len(options)))
        saved, at = max(slopes)
        steps.append((saved, options[at]))
    return steps


def _best(groups: Sequence[Sequence[_Pair]], limit: float, price: float, found: float) -> list[int]:
    """The best choice, which costs at most `found`: group by group, every sum that may still become it."""
    excesses = [_excess(options, price) for options in groups]
    floor = sum(min(option.cost + price * option.weight for option in options) for options in groups) - price * limit
    slack = found - floor + _ROUNDING * (abs(found) + price * limit)
    # Groups in which nothing is left to decide come first, as they multiply nothing.
    order = sorted(range(len(groups)), key=lambda number: int((excesses[number] <= slack).sum()))
    sums, rest = _Sums(np.zeros(1), np.zeros(1), np.zeros(1)), sum(options[0].weight for options in groups)
    chosen = [0] * len(groups)
    trail: list[tuple[int, NDArray[np.intp], NDArray[np.intp]]] = []
    for number in order:
        rest -= groups[number][0].weight
        left = np.flatnonzero(excesses[number] <= slack)
        sums, alive = sums.extended(
            [groups[number][at] for at in left.tolist()], excesses[number][left], limit * (1 + _ROUNDING) - rest, slack
        )
        trail.append((number, alive // len(left), left[alive % len(left)]))
    at = -1  # the heaviest sum is the cheapest
    for number, before, taken in reversed(trail):
        chosen[number] = groups[number][int(taken[at])].place
        at = int(before[at])
    return chosen


def _excess(options: Sequence[_Pair], price: float) -> Floats:
    lifted = np.array([option.cost + price * option.weight for option in options])
    return lifted - lifted.min()


@dataclass(frozen=True)
class _Sums:
    """What choices among some of the groups cost and weigh, and by how much they exceed the bound."""

    cost: Floats
    weight: Floats
    excess: Floats

    def extended(self, options: Sequence[_Pair], excess: Floats, room: float, slack: float) -> "tuple[_Sums, NDArray[np.intp]]":
        """With each of `options`: the sums that fit into `room`, may still be best and cost less than lighter ones; and where they are."""
        cost = np.add.outer(self.cost, [option.cost for option in options]).ravel()
        weight = np.add.outer(self.weight, [option.weight for option in options]).ravel()
        exceeds = np.add.outer(self.excess, excess).ravel()
        alive = np.flatnonzero((weight <= room) & (exceeds <= slack))
        alive = alive[np.lexsort((cost[alive], weight[alive]))]
        cheapest = np.minimum.accumulate(cost[alive])
        alive = alive[np.concatenate(([True], cost[alive][1:] < cheapest[:-1]))]
        return _Sums(cost[alive], weight[alive], exceeds[alive]), alive
