"""The multiple-choice knapsack against every choice there is, and against scipy's integer programs where there are too many."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from qdash.stats.knapsack import Option, least_cost, least_size, smallest_size

OPTIONS = st.builds(Option, st.integers(0, 60), st.one_of(st.integers(0, 12).map(float), st.floats(1e-100, 5)))
GROUPS = st.lists(st.lists(OPTIONS, min_size=1, max_size=4), max_size=6)


def every_choice(groups: list[list[Option]]) -> list[tuple[int, float]]:
    choices = itertools.product(*groups)
    return [(sum(option.size for option in choice), sum(option.cost for option in choice)) for choice in choices]


def of(groups: list[list[Option]], places: list[int]) -> tuple[int, float]:
    chosen = [options[place] for options, place in zip(groups, places, strict=True)]
    return sum(option.size for option in chosen), sum(option.cost for option in chosen)


@given(GROUPS, st.integers(-1, 250))
def test_nothing_that_fits_costs_less(groups: list[list[Option]], room: int) -> None:
    fitting = [cost for size, cost in every_choice(groups) if size <= room]
    found = least_cost(groups, room)
    assert (found is None) == (not fitting)
    if found is not None:
        size, cost = of(groups, found)
        assert size <= room and cost == pytest.approx(min(fitting), abs=1e-9)


@given(GROUPS, st.floats(0, 30))
def test_nothing_that_costs_as_little_is_smaller(groups: list[list[Option]], most: float) -> None:
    allowed = [size for size, cost in every_choice(groups) if cost <= most * (1 - 1e-9)]
    found = least_size(groups, most)
    if found is not None:
        size, cost = of(groups, found)
        assert cost <= most * (1 + 1e-9) and size <= min(allowed, default=size)
    assert found is not None or not allowed


@given(GROUPS)
def test_the_smallest_size_is_one_that_fits(groups: list[list[Option]]) -> None:
    smallest = smallest_size(groups)
    assert least_cost(groups, smallest) is not None and least_cost(groups, smallest - 1) is None


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_many_layers_come_out_as_from_an_integer_program(share: float) -> None:
    drawn = random.Random(round(share * 10))
    groups = [
        [Option(values * 2, 0.0), *(Option(values * bits // 8 + drawn.randrange(99), drawn.random() * 4.0**-bits) for bits in (2, 3, 4, 8))]
        for values in drawn.choices((4_096, 16_384, 45_056), k=40)
    ]
    smallest, largest = smallest_size(groups), sum(max(option.size for option in options) for options in groups)
    room = int(smallest + share * (largest - smallest))
    found = least_cost(groups, room)
    assert found is not None
    flat = [option for options in groups for option in options]
    one_each = np.kron(np.eye(40), np.ones(5))
    fits = LinearConstraint(np.array([[option.size for option in flat]]), -np.inf, room)
    costs = np.array([option.cost for option in flat])
    best = milp(1e3 * costs, integrality=1, bounds=Bounds(0, 1), constraints=[LinearConstraint(one_each, 1, 1), fits])
    size, cost = of(groups, found)
    assert size <= room and cost <= best.fun / 1e3 * (1 + 1e-6)


def test_costs_too_small_to_divide_by_are_none() -> None:
    groups = [[Option(9, 0.0), Option(1, 5e-324)], [Option(9, 0.0), Option(1, 1.0)]]
    assert least_cost(groups, 10) == [1, 0]
    assert least_size(groups, 0.5) == [1, 0]
