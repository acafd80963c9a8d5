"""Drawn numbers are always the same, and what they are called."""

import numpy as np
from scipy import stats

from qdash.learn.distributions import COUNT, SPREAD, drawn


def test_always_the_same_float32_numbers():
    first, second = drawn(), drawn()
    for name, values in first.items():
        assert values.dtype == np.float32 and values.shape == (COUNT,)
        np.testing.assert_array_equal(values, second[name])


def test_shapes_are_what_they_are_called():
    samples = {name: values.astype(np.float64) for name, values in drawn().items()}
    assert stats.kstest(samples["normal"] / SPREAD, "norm").pvalue > 0.01
    assert stats.kstest(samples["uniform"], "uniform", args=(-3 * SPREAD, 6 * SPREAD)).pvalue > 0.01
    assert stats.skew(samples["skewed"]) > 1 and samples["skewed"].min() >= -0.021
    assert np.sum(np.abs(samples["outliers"]) > 7 * SPREAD) == 4
    assert np.sum(samples["outliers"] != samples["normal"]) == 4
