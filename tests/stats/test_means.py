"""The interval of a mean is scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.stats.means import mean_interval


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_interval_is_scipys(values: list[float]) -> None:
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(float(np.mean(values)), abs=1e-12)
    if np.std(values) > 1e-9:
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert (low, high) == pytest.approx(tuple(map(float, expected)), rel=1e-6, abs=1e-9)
