"""Intervals of ratios against scipy, and that they hold what they promise."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.stats.paired import MANY_PAIRS, median_with_interval, order_interval, strict_interval, t_interval, t_quantile

ratios = st.lists(st.floats(0.01, 100), min_size=3, max_size=40)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 9, 10, 29, 98, 99])
@pytest.mark.parametrize("inside", [0.5, 0.9, 0.95, 0.99])
def test_quantiles_of_t_are_scipys(freedom: int, inside: float) -> None:
    assert t_quantile(freedom, inside) == pytest.approx(stats.t.ppf((1 + inside) / 2, freedom), rel=1e-9)


@given(ratios)
def test_the_t_interval_is_scipys(values: list[float]) -> None:
    logs = [log(value) for value in values]
    low, high = stats.t.interval(0.95, len(logs) - 1, loc=np.mean(logs), scale=stats.sem(logs)) if np.std(logs) > 1e-9 else (logs[0],) * 2
    assert t_interval(values) == pytest.approx((exp(low), exp(high)), rel=1e-6)


@given(ratios)
def test_the_interval_by_order_is_scipys_and_with_few_values_all_of_them(values: list[float]) -> None:
    found = order_interval(values)
    if len(values) < 6:
        assert found == (min(values), max(values))
        return
    test = stats.quantile_test(values, q=0, p=0.5)
    expected = test.confidence_interval(0.95)
    assert found == (expected.low, expected.high)


@given(ratios)
def test_the_strict_interval_is_scipys_too(values: list[float]) -> None:
    found = strict_interval(values)
    if len(values) < MANY_PAIRS:
        assert found is None
    elif len(values) == MANY_PAIRS:
        assert found == (min(values), max(values))
    else:
        expected = stats.quantile_test(values, q=0, p=0.5).confidence_interval(0.998)
        assert found == (expected.low, expected.high)


@given(ratios)
def test_the_median_lies_in_its_interval_which_covers_both(values: list[float]) -> None:
    found = median_with_interval(values)
    assert found is not None
    middle, low, high = found
    assert middle == pytest.approx(np.median(values)) and low <= middle <= high
    assert (low, high) == (min(t_interval(values)[0], order_interval(values)[0]), max(t_interval(values)[1], order_interval(values)[1]))
    swapped = median_with_interval([1 / value for value in values])
    assert swapped is not None and (swapped[1], swapped[2]) == pytest.approx((1 / high, 1 / low))


@given(st.lists(st.floats(0.01, 100), max_size=2))
def test_two_pairs_have_no_interval(values: list[float]) -> None:
    assert median_with_interval(values) is None


@pytest.mark.parametrize("pairs", [3, 4, 5, 8, 20])
@pytest.mark.parametrize("spread", ["normal", "one in five disturbed"])
def test_the_truth_lies_in_95_of_100_intervals(pairs: int, spread: str) -> None:
    random = np.random.default_rng(pairs)
    logs = random.normal(0, 0.05, (1500, pairs))
    if spread != "normal":
        logs += (random.random(logs.shape) < 0.2) * random.normal(0, 1, logs.shape)
    found = [median_with_interval(np.exp(row).tolist()) for row in logs]
    assert sum(item is not None and item[1] <= 1 <= item[2] for item in found) >= 0.935 * len(found)  # of 1500, by chance
