"""Figures and histograms against numpy in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.engine.kernels import BINS, HALF, portable
from qdash.engine.weights.stats import Counts, ErrorSums, common_exponent, pooled_sqnr_db, sqnr_db, worst_row

numbers = st.floats(-1e3, 1e3, width=32)
pairs = st.integers(1, 40).flatmap(lambda n: st.tuples(*[arrays(np.float32, (2, n), elements=numbers)] * 2))


def sums(original: np.ndarray, dequantized: np.ndarray) -> ErrorSums:
    found = portable.KERNELS.pairs(torch.from_numpy(original), torch.from_numpy(dequantized), original.shape[1], 1.0, 1.0)
    return ErrorSums.of(found, original.shape[1])


def counted(values: np.ndarray) -> Counts:
    counts = Counts()
    counts.make_room(float(np.abs(values).max()))
    counts.add_values(values.astype(np.float64), np.ones(len(values), np.int64))
    return counts


@given(pairs)
def test_summary_equals_numpy(pair):
    w, restored = (array.astype(np.float64) for array in pair)
    error, summary = restored - w, sums(*pair).summary()
    assert summary.mse == pytest.approx(np.mean(error**2), rel=1e-12, abs=1e-300)
    assert summary.max_abs_error == np.abs(error).max()
    assert summary.zeroed == np.mean((restored == 0) & (w != 0))
    norms = np.linalg.norm(w) * np.linalg.norm(restored)
    if norms > 1e-30:
        assert summary.cosine == pytest.approx(np.vdot(w, restored) / norms, rel=1e-9, abs=1e-9)
    if np.any(error) and np.sum(w**2) > 0:
        assert summary.sqnr_db == pytest.approx(10 * np.log10(np.sum(w**2) / np.sum(error**2)), rel=1e-9, abs=1e-9)


@given(pairs, pairs)
def test_sums_of_two_layers_add_up_to_the_sums_of_both(first, second):
    flat = [[array.reshape(1, -1) for array in pair] for pair in (first, second)]
    together = sums(*(np.concatenate(arrays_, axis=1) for arrays_ in zip(*flat, strict=True)))
    added = sums(*first)
    added += sums(*second)
    assert (added.parameters, added.nonfinite, added.zeroed) == (together.parameters, together.nonfinite, together.zeroed)
    np.testing.assert_allclose(added.squares, together.squares, rtol=1e-12, atol=1e-12 * together.squares.max())
    np.testing.assert_array_equal(added.largest, together.largest)


def test_no_error_has_no_sqnr():
    ones = np.ones((1, 10), np.float32)
    summary = sums(ones, ones).summary()
    assert (summary.sqnr_db, summary.mse, summary.max_abs_error, summary.cosine) == (None, 0, 0, 1)


def test_zeros_are_numbers_too():
    zeros, ones = np.zeros((1, 10), np.float32), np.ones((1, 10), np.float32)
    assert sums(zeros, zeros).summary().cosine == 1
    lost, gained = sums(ones, zeros).summary(), sums(zeros, ones).summary()
    assert (lost.sqnr_db, lost.cosine, lost.mse, lost.zeroed, lost.clipped) == (0, 0, 1, 1, 1)
    assert (gained.cosine, gained.zeroed) == (0, 0)
    assert gained.sqnr_db is not None and math.isfinite(gained.sqnr_db) and gained.sqnr_db < -3000


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-(2.0**100), 2.0**100, width=32)), st.integers(10, 300), st.floats(0.01, 1)
)
def test_a_histogram_equals_numpy_and_loses_nothing(values, most, share):
    counts, limit = counted(values), float(np.abs(values).max()) * share
    histogram = counts.histogram(limit, common_exponent(limit, most, counts))
    assert sum(histogram.counts) == len(values)
    assert len(histogram.counts) % 2 == 1 and len(histogram.counts) <= 2 * max(most, 1) + 1
    assert histogram.low == -histogram.high and histogram.high >= limit
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    inside = np.clip(values.astype(np.float64), edges[0], edges[-1])
    if np.abs(inside[:, None] - edges[1:-1]).min() > 1e-9 * histogram.high:  # on an edge, rounding decides
        np.testing.assert_array_equal(histogram.counts, np.histogram(inside, edges)[0])


@given(*[arrays(np.float32, st.integers(1, 60), elements=st.floats(-(2.0**66), 2.0**66, width=32))] * 2)
def test_histograms_of_two_layers_add_up_to_that_of_both(first, second):
    added, together = counted(first), counted(np.concatenate([first, second]))
    added += counted(second)
    assert added.exponent == together.exponent
    # Numbers on an edge may go either way when they are counted in finer bins first.
    assert np.abs(np.cumsum(added.counts) - np.cumsum(together.counts)).max() <= 2
    assert added.counts.sum() == len(first) + len(second)


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=8))
def test_room_is_made_without_losing_count(sizes):
    counts = Counts()
    for done, size in enumerate(sizes):
        counts.make_room(size)
        assert size * counts.per <= HALF
        counts.add_values(np.array([size, -size, 0.0]), np.array([1, 1, 1]))
        assert counts.counts.sum() == 3 * (done + 1)
    assert max(sizes) * counts.per > HALF / 3.0001  # no coarser than it had to be


def test_zero_is_in_the_middle_bin():
    counts = counted(np.array([3.0, 0, 0, 0, -0.0]))
    assert counts.counts[BINS // 2] == 4
    shown = counts.histogram(3.0, common_exponent(3.0, 50, counts)).counts
    assert shown[len(shown) // 2] == 4


def test_the_range_of_a_histogram_stops_before_outliers():
    body = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(0)).numpy()
    assert sums(body, body).limits() == (np.abs(body).max(), 0)
    body[0, 0] = 1000
    assert sums(body, body).limits()[0] == pytest.approx(8 * math.sqrt((1000**2 + 1e5) / 1e5), rel=0.01)


@given(arrays(np.float64, st.tuples(st.integers(1, 400), st.just(4)), elements=st.just(0.0) | st.floats(1e-3, 1e6)), st.integers(1, 128))
def test_rows_are_pooled_and_the_worst_is_found(rows, most):
    pooled, entries = pooled_sqnr_db(rows, most), min(len(rows), most)
    assert len(pooled) == entries
    for index, found in enumerate(pooled):
        part = rows[index * len(rows) // entries : (index + 1) * len(rows) // entries].sum(0)
        expected = sqnr_db(part[0], part[2])
        assert found == (expected if expected is None else pytest.approx(expected, abs=0.0051))
    worst = worst_row(rows)
    each = [math.inf if (value := sqnr_db(row[0], row[2])) is None else value for row in rows]
    assert (worst is None) == (min(each) == math.inf)
    assert worst is None or each[worst] == pytest.approx(min(each), abs=1e-6) or rows[worst][0] == 0
