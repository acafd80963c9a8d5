"""Intervals and tests against scipy's."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.stats.binomial import mcnemar_exact, paired, paired_difference, proportion


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    successes, total = counts
    expected = stats.binomtest(successes, total).proportion_ci(0.95, method="wilson")
    share = proportion(successes, total)
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.value == successes / total


@pytest.mark.parametrize(("first", "second"), list(product((0, 1, 2, 5, 17, 60), repeat=2)))
def test_mcnemar_is_the_binomial_test_of_discordant_pairs(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-12)


def test_thousands_of_pairs_are_no_trouble() -> None:
    assert mcnemar_exact(2600, 2400) == pytest.approx(stats.binomtest(2600, 5000).pvalue, rel=1e-9)
    assert mcnemar_exact(5000, 0) == 0.0  # less than the smallest float


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_pairs_are_counted_by_who_alone_is_right(answers: list[tuple[bool, bool]]) -> None:
    result = paired([a for a, _ in answers], [b for _, b in answers])
    assert result.only_original == answers.count((True, False))
    assert result.only_variant == answers.count((False, True))
    assert 0 <= result.p_value <= 1


def test_the_same_answers_are_no_difference() -> None:
    assert paired([True, False] * 50, [True, False] * 50).p_value == 1.0


def test_the_interval_of_a_difference_covers_it() -> None:
    """Of 2,000 pairs of shares that differ by 10 points, drawn at random, the interval holds the difference in about 95%."""
    rng = random.Random(0)
    covered = 0
    for _ in range(2000):
        drawn = rng.choices(("first", "second", "both"), (0.18, 0.08, 0.74), k=100)
        low, high = paired_difference(drawn.count("first"), drawn.count("second"), 100)
        covered += low <= 0.1 <= high
    assert 0.93 < covered / 2000 < 0.98
    assert paired_difference(0, 0, 5) == (-proportion(0, 5).high, proportion(0, 5).high)
