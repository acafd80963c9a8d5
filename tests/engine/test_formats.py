"""Formats against ml_dtypes (which implements the OCP specifications in C++) and against what rounding has to obey."""

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from qdash.engine.formats import FORMATS, cast, round_trip

REFERENCE = {"e4m3fn": ml_dtypes.float8_e4m3fn, "e2m3fn": ml_dtypes.float6_e2m3fn}
each_format = pytest.mark.parametrize("key", FORMATS)
any_float32 = st.floats(allow_nan=False, width=32)
weights = arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=9), elements=st.floats(-1e4, 1e4, width=32))


def reference_cast(values: np.ndarray, key: str) -> np.ndarray:
    """ml_dtypes turns what is beyond e4m3fn's range into NaN, so saturate first."""
    largest = FORMATS[key].largest
    return np.clip(values, -largest, largest).astype(REFERENCE[key]).astype(np.float32)


def assert_same_bits(ours: torch.Tensor, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(ours.numpy().view(np.uint32), theirs.view(np.uint32))


@each_format
def test_the_table_agrees_with_the_specification(key):
    reference, number_format = ml_dtypes.finfo(REFERENCE[key]), FORMATS[key]
    assert number_format.bits == reference.bits
    assert number_format.mantissa_bits == reference.nmant
    assert number_format.largest == float(reference.max)
    codes = np.arange(1 << reference.bits, dtype=np.uint8).view(REFERENCE[key]).astype(np.float64)
    assert number_format.values == tuple(sorted(set(codes[np.isfinite(codes)])))


@each_format
def test_cast_equals_ml_dtypes_on_a_grid_of_all_magnitudes(key):
    generator = np.random.default_rng(0)
    exponents = generator.uniform(-20, 14, 200_000)
    values = (np.exp2(exponents) * generator.choice([-1, 1], exponents.shape)).astype(np.float32)
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_format
def test_cast_equals_ml_dtypes_at_ties_and_beside_them(key):
    codes = np.array(FORMATS[key].values, dtype=np.float32)
    ties = (codes[:-1] + codes[1:]) / 2
    values = np.concatenate([codes, ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)]).astype(np.float32)
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_format
@given(values=arrays(np.float32, st.integers(1, 50), elements=any_float32))
def test_cast_equals_ml_dtypes_on_anything(key, values):
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_format
def test_cast_saturates_and_keeps_nan_and_the_sign_of_zero(key):
    largest = FORMATS[key].largest
    values = torch.tensor([torch.inf, -torch.inf, 3e38, largest, torch.nan, 0.0, -0.0, -1e-30])
    result = cast(values, key)
    assert result[:4].tolist() == [largest, -largest, largest, largest]
    assert result[4].isnan()
    assert torch.signbit(result[5:]).tolist() == [False, True, True]


@each_format
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_cast_takes_any_dtype_and_leaves_it_alone(key, dtype):
    values = torch.linspace(-9, 9, 1001).to(dtype)
    before = values.clone()
    assert torch.equal(cast(values, key), cast(values.float(), key))
    assert torch.equal(values, before)


@each_format
def test_every_code_survives_at_any_scale_that_is_exact(key):
    codes = torch.tensor(FORMATS[key].values)
    rows = torch.stack([codes * 2.0**shift for shift in range(-30, 31)])
    assert torch.equal(round_trip(rows, key), rows)


@each_format
@given(values=arrays(np.float32, st.integers(1, 50), elements=any_float32))
def test_cast_is_idempotent_symmetric_and_monotonic(key, values):
    ordered = torch.from_numpy(np.sort(values))
    once = cast(ordered, key)
    assert torch.equal(cast(once, key), once)
    assert torch.equal(cast(-ordered, key), -once)
    assert bool((once.diff() >= 0).all())


@each_format
@given(values=weights)
def test_round_trip_again_changes_nothing_but_the_last_bit(key, values):
    once = round_trip(torch.from_numpy(values), key)
    torch.testing.assert_close(round_trip(once, key), once, rtol=2**-22, atol=1e-44)


@each_format
@given(values=weights)
def test_round_trip_is_symmetric(key, values):
    weight = torch.from_numpy(values)
    assert torch.equal(round_trip(-weight, key), -round_trip(weight, key))


@each_format
@given(values=weights)
def test_the_error_is_at_most_half_a_step(key, values):
    number_format = FORMATS[key]
    weight = torch.from_numpy(values).double()
    scale = weight.flatten(1).abs().amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / number_format.largest
    smallest_step = 2.0 ** (1 - number_format.bias - number_format.mantissa_bits)
    bound = torch.maximum(weight.abs() * 2.0 ** -(number_format.mantissa_bits + 1), scale * smallest_step / 2)
    error = (round_trip(weight.float(), key).double() - weight).abs()
    assert bool((error <= bound * (1 + 2**-20) + 1e-42).all())


@each_format
@settings(max_examples=30)
@given(values=weights)
def test_round_trip_equals_the_formula_in_numpy(key, values):
    rows = values.reshape(values.shape[0], -1)
    scale = (np.abs(rows).max(axis=1, keepdims=True) / np.float32(FORMATS[key].largest)).astype(np.float32)
    scale[scale == 0] = 1
    expected = reference_cast(rows / scale, key) * scale
    np.testing.assert_array_equal(round_trip(torch.from_numpy(values), key).numpy(), expected.reshape(values.shape))


@each_format
def test_blocks_do_not_show(key, monkeypatch):
    weight = torch.randn(37, 11, generator=torch.Generator().manual_seed(0))
    whole = round_trip(weight, key)
    monkeypatch.setattr("qdash.engine.formats.BLOCK", 25)
    assert torch.equal(round_trip(weight, key), whole)
    assert torch.equal(round_trip(weight.t().contiguous().t(), key), whole)


@each_format
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bit_weights_are_rounded_in_float32_and_returned_as_they_came(key, dtype):
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    result = round_trip(weight, key)
    assert result.dtype == dtype
    assert torch.equal(result, round_trip(weight.float(), key).to(dtype))


@each_format
def test_in_place(key):
    weight = torch.randn(300, 2000, generator=torch.Generator().manual_seed(0))
    expected = round_trip(weight, key)
    assert round_trip(weight, key, out=weight) is weight
    assert torch.equal(weight, expected)


@each_format
def test_a_broken_weight_breaks_its_row_and_no_other(key):
    weight = torch.ones(4, 3)
    weight[0, 1], weight[1, 2], weight[2] = torch.nan, -torch.inf, 0
    result = round_trip(weight, key)
    assert result[:2].isnan().all()
    assert torch.equal(result[2:], weight[2:])


@each_format
def test_rows_too_small_for_a_scale_become_zero(key):
    assert torch.equal(round_trip(torch.full((2, 3), 1e-45), key), torch.zeros(2, 3))


def test_empty_weights_pass_and_vectors_are_refused():
    assert round_trip(torch.empty(0, 4), "e4m3fn").shape == (0, 4)
    assert round_trip(torch.empty(4, 0), "e4m3fn").shape == (4, 0)
    with pytest.raises(ValueError, match=r"\(5,\)"):
        round_trip(torch.zeros(5), "e4m3fn")
