"""Formats against ml_dtypes (which implements the OCP specifications in C++), and against what every rounding has to obey."""

import ml_dtypes
import numpy as np
import pytest
import torch
from bitsandbytes import functional
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from qdash.catalog.elements import NF4, Float, largest_exponent
from qdash.catalog.formats import FORMATS
from qdash.catalog.scale_rules import E8M0, FLOAT16, Descent
from qdash.engine.formats import blocks, cast, round_activations, round_trip

REFERENCE = {
    "fp8-e4m3": ml_dtypes.float8_e4m3fn,
    "fp8-e5m2": ml_dtypes.float8_e5m2,
    "fp6-e2m3": ml_dtypes.float6_e2m3fn,
    "fp6-e3m2": ml_dtypes.float6_e3m2fn,
    "fp4-e2m1": ml_dtypes.float4_e2m1fn,
}
each_float = pytest.mark.parametrize("key", REFERENCE)
each_format = pytest.mark.parametrize("key", FORMATS)
EXACT = [key for key, row in FORMATS.items() if row.rule.search is None]  # the scale follows from the range; test_gguf has the others
each_exact_format = pytest.mark.parametrize("key", EXACT)
COLUMNS = 256  # a superblock
any_float32 = st.floats(allow_nan=False, width=32)
weights = arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=9), elements=st.floats(-1e4, 1e4, width=32))
SMALLEST_NORMAL = np.float32(2.0**-126)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def reference_cast(values: np.ndarray, key: str) -> np.ndarray:
    """ml_dtypes turns what is beyond the range of some types into NaN or infinity, so saturate first."""
    largest = FORMATS[key].element.largest
    return np.clip(values, -largest, largest).astype(REFERENCE[key]).astype(np.float32)


def assert_same_bits(ours: torch.Tensor, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(ours.numpy().view(np.uint32), theirs.view(np.uint32))


@each_float
def test_the_table_agrees_with_the_specification(key):
    reference, number_format = ml_dtypes.finfo(REFERENCE[key]), FORMATS[key]
    assert isinstance(number_format.element, Float)
    assert number_format.bits == reference.bits
    assert number_format.element.mantissa_bits == reference.nmant
    assert number_format.element.largest == float(reference.max)
    assert largest_exponent(number_format.element) == np.floor(np.log2(float(reference.max)))
    codes = np.arange(1 << reference.bits, dtype=np.uint8).view(REFERENCE[key]).astype(np.float64)
    assert number_format.values == tuple(sorted(set(codes[np.isfinite(codes)])))


@each_format
def test_values_are_as_many_as_the_bits_allow_and_ascend(key):
    number_format = FORMATS[key]
    assert 2 ** (number_format.bits - 1) < len(number_format.values) <= 2**number_format.bits
    assert list(number_format.values) == sorted(set(number_format.values))
    assert number_format.stored_bits >= number_format.bits and number_format.source


def test_sizes_of_scales():
    sizes = {key: (row.stored_bits, row.row_scale_bits) for key, row in FORMATS.items()}
    assert sizes["mxfp4"] == (4.25, 0) and sizes["nvfp4"] == (4.5, 0) and sizes["int3-g64"] == (3.5, 0)
    assert sizes["fp6-e3m2"] == (6, 32) and sizes["int4-row"] == (4, 32) and sizes["minmax-4"] == (4, 0)


def test_nf4_is_what_bitsandbytes_computes_with():
    assert torch.equal(torch.tensor(NF4.values), functional.get_4bit_type("nf4", device="cpu"))


@each_float
def test_cast_equals_ml_dtypes_on_a_grid_of_all_magnitudes(key):
    generator = np.random.default_rng(0)
    exponents = generator.uniform(-20, 18, 200_000)
    values = (np.exp2(exponents) * generator.choice([-1, 1], exponents.shape)).astype(np.float32)
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_float
def test_cast_equals_ml_dtypes_at_ties_and_beside_them(key):
    codes = np.array(FORMATS[key].values, dtype=np.float32)
    ties = (codes[:-1] + codes[1:]) / 2
    values = np.concatenate([codes, ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)]).astype(np.float32)
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_float
@given(values=arrays(np.float32, st.integers(1, 50), elements=any_float32))
def test_cast_equals_ml_dtypes_on_anything(key, values):
    assert_same_bits(cast(torch.from_numpy(values), key), reference_cast(values, key))


@each_format
@given(values=arrays(np.float32, st.integers(1, 50), elements=any_float32))
def test_cast_finds_the_nearest_value(key, values):
    codes = np.array(FORMATS[key].values)
    within = np.clip(values.astype(np.float64), codes[0], codes[-1])
    distance = np.abs(within[:, None] - codes).min(axis=1)
    np.testing.assert_array_equal(np.abs(cast(torch.from_numpy(values), key).double().numpy() - within), distance)


@each_float
def test_cast_saturates_and_keeps_nan_and_the_sign_of_zero(key):
    largest = FORMATS[key].element.largest
    values = torch.tensor([torch.inf, -torch.inf, 3e38, largest, torch.nan, 0.0, -0.0, -1e-30])
    result = cast(values, key)
    assert result[:4].tolist() == [largest, -largest, largest, largest]
    assert result[4].isnan()
    assert torch.signbit(result[5:]).tolist() == [False, True, True]


@each_format
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_cast_takes_any_dtype_and_leaves_it_alone(key, dtype):
    values = torch.linspace(-9, 9, 1001).to(dtype)
    before = values.clone()
    assert torch.equal(cast(values, key), cast(values.float(), key))
    assert torch.equal(values, before)


@each_format
@given(values=arrays(np.float32, st.integers(1, 50), elements=any_float32))
def test_cast_is_idempotent_and_monotonic(key, values):
    ordered = torch.from_numpy(np.sort(values))
    once = cast(ordered, key)
    assert torch.equal(cast(once, key), once)
    assert bool((once.diff() >= 0).all())


@each_exact_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_code_survives_at_any_scale_that_is_exact(key, dtype):
    number_format = FORMATS[key]
    if number_format.rule.scale is E8M0:  # the shared power of two is chosen by the largest number alone
        codes = [value for value in number_format.values if value != -number_format.values[-1]]
    else:
        codes = list(number_format.values)
    size = number_format.size or len(codes)
    end = number_format.end
    # Groups that each hold the largest code, so that the scale is known, and together every code.
    groups = [[*codes[start : start + size - 1], end] for start in range(0, len(codes), size - 1)]
    padded = torch.tensor([[*group, *([0.0] * (size - len(group)))] for group in groups])
    if number_format.rule.shares == "tensor":
        padded = torch.tensor([codes])
    narrow = number_format.rule.tensor_scale or number_format.rule.scale is FLOAT16
    shifts = range(-8, 9) if narrow else range(-30, 31)
    for shift in shifts:
        rows = (padded * 2.0**shift).to(dtype)
        assert torch.equal(round_trip(rows, key), rows), shift


@each_exact_format
@settings(max_examples=60)
@given(values=arrays(np.float32, st.tuples(st.integers(1, 4), st.just(64)), elements=st.floats(-1e4, 1e4, width=32)))
def test_round_trip_again_changes_nothing_but_the_last_bits(key, values):
    """Exact for mx, but for the dust that torchao halves. Elsewhere the scale is computed anew: one last place of the largest number."""
    once = round_trip(torch.from_numpy(values), key)
    last_place = 2.0**-118 if FORMATS[key].rule.scale is E8M0 else once.abs().max() * 2.0**-22 + 1e-42
    assert (round_trip(once, key) - once).abs().max() <= last_place


@pytest.mark.parametrize("key", [key for key in FORMATS if not isinstance(FORMATS[key].rule.search, Descent)])
@given(values=weights)
def test_round_trip_is_symmetric_where_codes_are(key, values):
    number_format, weight = FORMATS[key], torch.from_numpy(values)
    if number_format.divisor > 1:
        weight = weight.flatten()[: 1 + weight.numel() // 2].repeat(number_format.divisor).view(-1, number_format.divisor)
    if not number_format.rule.affine:
        assert torch.equal(round_trip(-weight, key), -round_trip(weight, key))
    else:
        assert number_format.values[0] == 0


@each_float
@given(values=weights)
def test_the_error_is_at_most_half_a_step(key, values):
    element = FORMATS[key].element
    assert isinstance(element, Float)
    weight = torch.from_numpy(values).double()
    scale = weight.flatten(1).abs().amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / element.largest
    smallest_step = 2.0 ** (1 - element.bias - element.mantissa_bits)
    bound = torch.maximum(weight.abs() * 2.0 ** -(element.mantissa_bits + 1), scale.clamp(min=2.0**-126) * smallest_step / 2)
    error = (round_trip(weight.float(), key).double() - weight).abs()
    assert bool((error <= bound * (1 + 2**-20) + 1e-42).all())


@each_float
@settings(max_examples=30)
@given(values=weights)
def test_round_trip_equals_the_formula_in_numpy(key, values):
    rows = values.reshape(values.shape[0], -1)
    scale = (np.abs(rows).max(axis=1, keepdims=True) / np.float32(FORMATS[key].element.largest)).astype(np.float32)
    scale = np.maximum(scale, SMALLEST_NORMAL)
    expected = reference_cast(rows / scale, key) * scale
    np.testing.assert_array_equal(round_trip(torch.from_numpy(values), key).numpy(), expected.reshape(values.shape))


MORE_BITS = [("fp6-e2m3", "fp4-e2m1"), ("fp8-e4m3", "fp6-e3m2", "fp4-e2m1"), ("fp8-e4m3", "fp8-e5m2"), ("mxfp8", "mxfp4")]
MORE_BITS += [("q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k"), ("q5_0", "iq4_nl", "q4_0"), ("q5_1", "q4_1")]
MORE_BITS += [("mxfp6", "mxfp4"), ("int8-row", "int4-row"), ("int3-g64", "int2-g64"), ("minmax-6", "minmax-4")]


def mean_square_error(weight: torch.Tensor, key: str) -> float:
    return (round_trip(weight, key) - weight).square().mean().item()


@pytest.mark.parametrize("family", MORE_BITS, ids=" ".join)
@pytest.mark.parametrize("spread", ["normal", "uniform", "outliers"])
def test_more_precision_errs_less(family, spread):
    """In the mean square: a single weight may be luckier with fewer bits."""
    weight = normal(64, 256) if spread != "uniform" else torch.rand(64, 256, generator=torch.Generator().manual_seed(0)) - 0.5
    if spread == "outliers":
        weight[:, ::50] *= 20
    errors = [mean_square_error(weight, key) for key in family]
    assert errors == sorted(errors)


def test_more_range_is_worth_it_only_with_outliers():
    """E4M3 and E2M3 have the same three bits of mantissa; the two bits more of E4M3 are exponent."""
    even, uneven = torch.rand(64, 256, generator=torch.Generator().manual_seed(0)) - 0.5, normal(64, 256)
    uneven[:, ::50] *= 1000
    assert mean_square_error(even, "fp8-e4m3") > mean_square_error(even, "fp6-e2m3")
    assert mean_square_error(uneven, "fp8-e4m3") < mean_square_error(uneven, "fp6-e2m3")


@each_format
@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_neither_blocks_nor_threads_show(key, patience, monkeypatch):
    weight, threads = normal(37, COLUMNS), torch.get_num_threads()
    whole = round_trip(weight, key)
    monkeypatch.setattr(blocks, "BLOCK", 150)
    monkeypatch.setattr(blocks, "SLOW_BLOCK_S", patience)
    monkeypatch.setattr(blocks, "_alone_until", 0.0)
    torch.set_num_threads(3)
    try:
        assert torch.equal(round_trip(weight, key), whole)
        assert (blocks._alone_until > 0) == (patience == 0)
        assert torch.equal(round_trip(weight, key, out=weight), whole)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


@each_format
def test_layout_does_not_show(key):
    weight = normal(COLUMNS, 96).t()
    expected = round_trip(weight.contiguous(), key)
    assert torch.equal(round_trip(weight, key), expected)
    assert torch.equal(round_trip(weight, key, out=weight), expected)
    assert torch.equal(weight, expected)
    strided = normal(64, 2 * COLUMNS)[:, ::2]
    assert torch.equal(round_trip(strided, key), round_trip(strided.contiguous(), key))


@each_format
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bit_weights_are_rounded_in_float32_and_returned_as_they_came(key, dtype):
    weight = normal(16, COLUMNS).to(dtype)
    result = round_trip(weight, key)
    assert result.dtype == dtype
    assert torch.equal(result, round_trip(weight.float(), key).to(dtype))


@each_format
def test_in_place(key):
    weight = normal(300, 2048)
    before = weight.clone()
    expected = round_trip(weight, key)
    assert torch.equal(weight, before)
    assert round_trip(weight, key, out=weight) is weight
    assert torch.equal(weight, expected)


@each_format
@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_weight_breaks_all_that_share_its_scale_and_no_other(key, broken):
    number_format, weight = FORMATS[key], normal(4, 256)
    expected = round_trip(weight, key)
    weight[2, 70] = broken
    result = round_trip(weight, key)
    size = number_format.extent or 256
    if number_format.rule.needs_tensor:
        assert result.isnan().all()
        return
    shared = torch.zeros(4, 256, dtype=torch.bool)
    shared[2, 70 // size * size : (70 // size + 1) * size] = True
    assert torch.equal(result[~shared], expected[~shared])
    if number_format.rule.scale is E8M0 and broken.__abs__() == torch.inf:  # as in torchao
        assert result[2, 70] == broken and not result.isnan().any()
    else:
        assert result[shared].isnan().all()


@each_format
@pytest.mark.parametrize("value", [0.0, 1e-45, -3e-39])
def test_weights_too_small_for_a_scale_stay_about_zero(key, value):
    assert round_trip(torch.full((2, COLUMNS), value), key).abs().max() <= 2 * abs(value)


@each_format
def test_equal_weights_stay_equal(key):
    """A constant keeps its value to the precision of scale and codes: the range is never divided by zero."""
    result = round_trip(torch.full((3, COLUMNS), 0.37), key)
    assert result.unique().numel() == 1
    assert result[0, 0].item() == pytest.approx(0.37, rel=0.13 if FORMATS[key].divisor > 1 else 2.0**-7)


@each_format
def test_activations_are_rows_of_tokens(key):
    hidden = normal(2, 5, COLUMNS).bfloat16()
    rounded = round_activations(hidden, key)
    assert rounded.shape == hidden.shape and rounded.dtype == hidden.dtype
    assert torch.equal(rounded, round_trip(hidden.view(10, COLUMNS), key).view(2, 5, COLUMNS))
    assert torch.equal(round_activations(hidden[0, 0], key), round_trip(hidden[0, :1], key)[0])
    assert round_activations(hidden[:0], key).shape == (0, 5, COLUMNS)


def test_parameters_are_rounded_in_place():
    parameter = torch.nn.Parameter(normal(4, 64))
    expected = round_trip(parameter.detach(), "int4-row")
    round_trip(parameter, "int4-row", out=parameter)
    assert torch.equal(parameter, expected) and parameter.requires_grad


def test_empty_weights_pass_and_what_cannot_be_stored_is_refused():
    assert round_trip(torch.empty(0, 4), "fp8-e4m3").shape == (0, 4)
    assert round_trip(torch.empty(4, 0), "fp8-e4m3").shape == (4, 0)
    with pytest.raises(ValueError, match=r"\(5,\)"):
        round_trip(torch.zeros(5), "fp8-e4m3")
    with pytest.raises(ValueError, match=r"Rows of 80 are not a multiple of 32, the block of mxfp6"):
        round_trip(torch.zeros(2, 80), "mxfp6")
    with pytest.raises(ValueError, match=r"Rows of 288 are not a multiple of 256, the block of q4_k"):
        round_trip(torch.zeros(2, 288), "q4_k")
