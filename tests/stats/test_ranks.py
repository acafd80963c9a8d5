"""Spearman's ρ against scipy's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.stats.ranks import spearman

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.floats(-1e6, 1e6)), min_size=2, max_size=30)


@given(PAIRS)
def test_it_is_scipys_with_ties_too(pairs: list[tuple[int, float]]) -> None:
    one, other = zip(*pairs, strict=True)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert spearman(one, other) is None
    else:
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-9)
