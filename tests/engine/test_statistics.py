"""Sums and histograms against numpy in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.engine import statistics
from qdash.engine.statistics import BINS, Counts, ErrorSums, Spread

numbers = st.floats(-1e3, 1e3, width=32)
pairs = st.integers(1, 40).flatmap(lambda n: st.tuples(*[arrays(np.float32, n, elements=numbers)] * 2))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that a test's few numbers already make several blocks."""
    monkeypatch.setattr(statistics, "CACHED_BLOCK", 7)


def sums(original: np.ndarray, dequantized: np.ndarray) -> ErrorSums:
    return ErrorSums.of(torch.from_numpy(original), torch.from_numpy(dequantized))


@given(pairs)
def test_summary_equals_numpy(pair):
    w, restored = (array.astype(np.float64) for array in pair)
    error, summary = restored - w, sums(*pair).summary()
    assert summary.mse == pytest.approx(np.mean(error**2), rel=1e-12, abs=1e-300)
    assert summary.max_abs_error == np.abs(error).max()
    norms = np.linalg.norm(w) * np.linalg.norm(restored)
    if norms > 1e-30:
        assert summary.cosine == pytest.approx(w @ restored / norms, rel=1e-12)
    if np.any(error) and np.sum(w**2) > 0:
        assert summary.sqnr_db == pytest.approx(10 * np.log10(np.sum(w**2) / np.sum(error**2)), rel=1e-9, abs=1e-9)


@given(pairs, pairs)
def test_sums_of_two_layers_add_up_to_the_sums_of_both(first, second):
    together = sums(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])).summary()
    added = sums(*first)
    added += sums(*second)
    for name, value in added.summary():
        expected = getattr(together, name)
        assert value == (expected and pytest.approx(expected, rel=1e-9, abs=1e-9)), name


def test_no_error_has_no_sqnr():
    summary = sums(np.ones(10, np.float32), np.ones(10, np.float32)).summary()
    assert (summary.sqnr_db, summary.mse, summary.max_abs_error, summary.cosine) == (None, 0, 0, 1)


def test_zeros_are_numbers_too():
    zeros, ones = np.zeros(10, np.float32), np.ones(10, np.float32)
    assert sums(zeros, zeros).summary().cosine == 1
    lost, gained = sums(ones, zeros).summary(), sums(zeros, ones).summary()
    assert (lost.sqnr_db, lost.cosine, lost.mse) == (0, 0, 1)
    assert gained.cosine == 0
    assert gained.sqnr_db is not None and math.isfinite(gained.sqnr_db) and gained.sqnr_db < -3000


def test_accumulation_is_in_float64(monkeypatch):
    monkeypatch.setattr(statistics, "CACHED_BLOCK", 1 << 15)
    count = (1 << 24) + 1000  # in float32, adding ones stops at 2^24
    ones = torch.ones(count, dtype=torch.bfloat16)
    assert ErrorSums.of(ones, ones).original == count


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_noticed(broken):
    good, bad = np.ones(20, np.float32), np.ones(20, np.float32)
    bad[8] = broken
    assert sums(good, good).finite
    assert not sums(good, bad).finite
    assert not sums(bad, good).finite
    assert Spread.of(torch.from_numpy(bad)).limit(otherwise=2.0) == 2.0


@given(arrays(np.float32, st.integers(1, 60), elements=numbers), st.floats(0.125, 100))
def test_counts_equal_numpy_and_lose_nothing(values, limit):
    counts = Counts(limit)
    for (block,) in statistics.blocks(torch.from_numpy(values)):
        counts.add(block)
    histogram = counts.histogram()
    inside = np.clip(values.astype(np.float64), -limit, limit)
    edges = np.linspace(-limit, limit, BINS + 1)
    if np.abs(inside[:, None] - edges[1:-1]).min() > 1e-9 * limit:  # on an edge, rounding decides
        np.testing.assert_array_equal(histogram.counts, np.histogram(inside, edges)[0])
    assert sum(histogram.counts) == len(values)
    assert (histogram.low, histogram.high) == (-limit, limit)


def test_zero_is_in_the_middle_bin():
    counts = Counts(3.0)
    counts.add(torch.zeros(5, dtype=torch.float64))
    assert counts.histogram().counts[BINS // 2] == 5


def test_the_range_of_a_histogram_stops_before_outliers():
    body = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert Spread.of(body).limit() == body.abs().max().item()
    body[0] = 1000
    spread = Spread.of(body)
    assert spread.limit() == pytest.approx(8 * math.sqrt((1000**2 + 1e5) / 1e5), rel=0.01)
    assert Spread.of(torch.zeros(9)).limit(otherwise=0.5) == 0.5
