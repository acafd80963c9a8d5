"""The passes over every weight, compiled and portable: against numpy in float64, and against each other."""

import logging
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.catalog.formats import FORMATS
from qdash.engine import kernels
from qdash.engine.formats import round_trip, tensor_stats
from qdash.engine.kernels import BINS, HALF, MARGIN, Rounding, compiled, portable
from tests.support.formats import MADE

BUILT = compiled.build()
KERNELS = [portable.KERNELS, pytest.param(BUILT, marks=pytest.mark.skipif(BUILT is None, reason="no C compiler"))]
needs_compiler = pytest.mark.skipif(BUILT is None, reason="no C compiler")

ordinary = st.floats(-1e3, 1e3, width=32)
any_number = st.floats(width=32) | st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-38, 3.4e38])
shapes = st.tuples(st.integers(1, 9), st.integers(1, 150))


@st.composite
def pairs(draw, elements=any_number) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(shapes)
    return draw(arrays(np.float32, shape, elements=elements)), draw(arrays(np.float32, shape, elements=elements))


@pytest.fixture(autouse=True)
def made_formats(monkeypatch):
    for key, row in MADE.items():
        monkeypatch.setitem(FORMATS, key, row)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that a test's few numbers already make several blocks, and several threads."""
    monkeypatch.setattr(portable, "CACHED_BLOCK", 70)
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 50)
    torch.set_num_threads(2)


@pytest.mark.parametrize("kernel", KERNELS)
@given(pair=pairs(), group=st.sampled_from([0, 1, 7, 16, 64, 150]))
def test_sums_equal_numpy(kernel, pair, group):
    found = kernel.pairs(*map(torch.from_numpy, pair), min(group, pair[0].shape[1]), 1.0, 1.0)
    w, r = (array.astype(np.float64) for array in pair)
    fine = np.isfinite(w) & np.isfinite(r)
    w0, r0 = np.where(fine, w, 0), np.where(fine, r, 0)
    e0 = r0 - w0
    expected = np.stack([(values**2).sum(1) for values in (w0, r0, e0)] + [(w0 * r0).sum(1)], axis=1)
    np.testing.assert_allclose(found.rows, expected, rtol=1e-12, atol=1e-12 * np.sqrt(expected[:, :1] * expected[:, 1:2]).max())
    np.testing.assert_array_equal(found.largest, [np.abs(values).max() for values in (w0, r0, e0)])
    vanished = ((r0 == 0) & (w0 != 0)).sum()
    assert found.tally.tolist() == [(~fine).sum(), vanished, clipped(w, r, fine, group)]


def clipped(w: np.ndarray, r: np.ndarray, fine: np.ndarray, group: int) -> int:
    count, columns = 0, w.shape[1]
    group = min(group, columns)
    for start in range(0, columns, group) if group else ():
        part = slice(start, start + group)
        for row in range(len(w)):
            end = np.nan_to_num(np.abs(r[row, part]), nan=0, posinf=np.inf).max() * MARGIN
            count += int(((np.abs(w[row, part]) > end) & fine[row, part]).sum())
    return count


@pytest.mark.parametrize("kernel", KERNELS)
@given(pair=pairs(ordinary | st.sampled_from([np.nan, np.inf])), width=st.floats(1e-3, 100))
def test_counts_equal_numpy(kernel, pair, width):
    found = kernel.pairs(*map(torch.from_numpy, pair), 0, 1 / width, 1 / width)
    w, r = (array.astype(np.float64) for array in pair)
    fine = np.isfinite(w) & np.isfinite(r)
    for counts, values in ((found.restored_counts, r[fine]), (found.error_counts, r[fine] - w[fine])):
        place = np.floor(values * (1 / width) + (HALF + 0.5)).astype(int)
        np.testing.assert_array_equal(counts, np.bincount(place[(place >= 0) & (place < BINS)], minlength=BINS))
        if np.abs(values).max(initial=0) / width < HALF:
            assert counts.sum() == fine.sum()


@pytest.mark.parametrize("kernel", KERNELS)
@given(codes=arrays(np.int16, shapes, elements=st.integers(-(2**15), 2**15 - 1)))
def test_codes_are_counted(kernel, codes):
    expected = np.bincount(codes.view(np.uint16).ravel(), minlength=1 << 16)
    np.testing.assert_array_equal(kernel.code_counts(torch.from_numpy(codes)), expected)


@needs_compiler
@given(pair=pairs(any_number), group=st.sampled_from([0, 1, 16, 64]), per=st.floats(1e-3, 1))
def test_compiled_and_portable_agree(pair, group, per):
    assert BUILT is not None
    weight, restored = (torch.from_numpy(np.clip(array, -1e3, 1e3)) for array in pair)  # keeps NaN
    group = min(group, weight.shape[1])
    ours, theirs = (kernel.pairs(weight, restored, group, per, per) for kernel in (BUILT, portable.KERNELS))
    np.testing.assert_allclose(ours.rows, theirs.rows, rtol=1e-12, atol=1e-12 * np.abs(theirs.rows).max())
    np.testing.assert_array_equal(ours.largest, theirs.largest)
    for name in ("tally", "restored_counts", "error_counts"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@needs_compiler
@pytest.mark.parametrize("key", [*FORMATS, *MADE])
@given(data=st.data())
def test_rows_are_rounded_to_the_same_bit(key, data):
    number_format = FORMATS[key]
    step = number_format.divisor
    shape = data.draw(st.integers(1, 5)), step * data.draw(st.integers(1, max(1, 200 // step)))
    elements = data.draw(st.sampled_from([any_number, ordinary, st.floats(-(2.0**-123), 2.0**-123, width=32), st.just(0.5)]))
    drawn = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=elements)))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert_rounded_alike(drawn.to(dtype), key, dtype)


def assert_rounded_alike(weight, key, dtype):
    restored = round_trip(weight.float(), key)
    expected = restored.to(dtype)  # as `round_trip` of the weight itself, which test_formats asserts
    rounding = Rounding(key, tensor_stats(weight, key), torch.float32)
    assert BUILT is not None
    found = BUILT.round_rows(weight, rounding)
    assert found.dtype == dtype
    assert torch.equal(found.nan_to_num(123.0), expected.nan_to_num(123.0)) and torch.equal(found.isnan(), expected.isnan())
    rows = BUILT.round_rows(weight[1:].contiguous(), rounding)
    assert torch.equal(rows.nan_to_num(123.0), expected[1:].nan_to_num(123.0))
    per = 100 / max(float(weight.abs().nan_to_num(0, 0).max()), 1e-30)
    on_the_way, before = (BUILT.pairs(weight, one, 16, per, per) for one in (rounding, restored))
    for field in fields(before):
        np.testing.assert_array_equal(getattr(on_the_way, field.name), getattr(before, field.name))


@pytest.mark.parametrize("key", ["fp6-e2m3", "nvfp4", "q4_k", "iq4_nl", "nf4-steps"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_weights_are_rounded_in_place(key, dtype, monkeypatch):
    monkeypatch.setattr(kernels, "AT_ONCE", 3 * 768)
    transposed = torch.randn(768, 20, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = round_trip(transposed.T, key)
    kernels.round_in_place(transposed.T, key)
    assert torch.equal(transposed.T, expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_accumulation_is_in_float64(kernel, monkeypatch):
    monkeypatch.setattr(portable, "CACHED_BLOCK", 1 << 20)
    count = (1 << 24) + 1000  # in float32, adding ones stops at 2^24
    ones = torch.ones(1, count)
    assert kernel.pairs(ones, ones, 0, 1.0, 1.0).rows[0].tolist() == [count, count, 0, count]


def test_float64_is_not_narrowed():
    one = torch.ones(1, 1, dtype=torch.float64)
    above = one + 2.0**-40
    assert kernels.kernels_for(one, above).pairs(one, above, 0, 1.0, 1.0).largest[2] == 2.0**-40


def test_without_a_compiler_it_goes_on(monkeypatch):
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    assert compiled.build() is None


def test_with_a_compiler_that_fails_it_goes_on(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(compiled, "settings", lambda: type("Settings", (), {"cache_dir": tmp_path}))
    monkeypatch.setattr(compiled.shutil, "which", lambda name: "/bin/false")
    caplog.set_level(logging.INFO, "qdash")
    assert compiled.build() is None
    assert "without compiled code" in caplog.text
    assert not list(Path(tmp_path).rglob("*.so"))


@needs_compiler
def test_what_is_compiled_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "settings", lambda: type("Settings", (), {"cache_dir": tmp_path}))
    assert compiled.build() is not None
    (library,) = tmp_path.rglob("*.so")
    before = library.stat().st_mtime_ns
    assert compiled.build() is not None and library.stat().st_mtime_ns == before
