"""Block formats against torchao's emulation of them, bit for bit, and integer formats against their formulas in float64."""

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchao.prototype.mx_formats.constants import DTYPE_FP6_E2M3
from torchao.prototype.mx_formats.mx_tensor import MXTensor
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

from qdash.catalog.formats import FORMATS
from qdash.engine.formats import round_activations, round_trip

ELEMENTS = {"mxfp8": torch.float8_e4m3fn, "mxfp6": DTYPE_FP6_E2M3, "mxfp4": torch.float4_e2m1fn_x2}
each_mx = pytest.mark.parametrize("key", ELEMENTS)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
AFFINE = ("int3-g64", "int2-g64", "minmax-6", "minmax-4")
whole_range = st.floats(width=32)
weights = st.tuples(st.integers(1, 4), st.sampled_from([1, 63, 64, 65, 150]))


def torchao_mx(weight: torch.Tensor, key: str) -> torch.Tensor:
    return MXTensor.to_mx(weight, ELEMENTS[key], block_size=32).dequantize(weight.dtype)


def torchao_nvfp4(weight: torch.Tensor) -> torch.Tensor:
    scale = per_tensor_amax_to_scale(weight.abs().max())
    return NVFP4Tensor.to_nvfp4(weight, per_tensor_scale=scale).dequantize(weight.dtype)


def rows(kind: str, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 128, generator=generator)
    magnitudes = {
        "random": weight,
        "weights": weight * 0.02,
        "all magnitudes": weight * torch.exp2(torch.randint(-60, 60, (64, 128), generator=generator).float()),
        "rows of all magnitudes": weight * torch.exp2(torch.linspace(-126, 125, 64))[:, None],
        "subnormal": weight * 2.0**-130,
        "overflowing": weight.sign() * 3e38,
        "zero": torch.zeros(64, 128),
        "half zero": weight * (torch.arange(64) % 2)[:, None],
    }
    return magnitudes[kind].to(dtype)


@each_mx
@each_dtype
@pytest.mark.parametrize(
    "kind", ["random", "weights", "all magnitudes", "rows of all magnitudes", "subnormal", "overflowing", "zero", "half zero"]
)
def test_mx_equals_torchao(key, dtype, kind):
    weight = rows(kind, dtype)
    assert torch.equal(round_trip(weight, key), torchao_mx(weight, key))


@each_mx
@each_dtype
@pytest.mark.parametrize("broken", [torch.nan, -torch.nan, torch.inf, -torch.inf])
def test_mx_equals_torchao_on_what_is_no_number(key, dtype, broken):
    weight = rows("random", dtype)
    weight[::3, 40] = broken
    weight[5] = broken
    ours, theirs = round_trip(weight, key), torchao_mx(weight, key)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    assert not ours.isfinite()[::3, 40].any()


@each_mx
@given(values=arrays(np.float32, (2, 32), elements=whole_range))
def test_mx_equals_torchao_on_anything(key, values):
    weight = torch.from_numpy(values)
    torch.testing.assert_close(round_trip(weight, key), torchao_mx(weight, key), rtol=0, atol=0, equal_nan=True)


@each_dtype
@pytest.mark.parametrize("kind", ["random", "weights", "all magnitudes", "half zero", "overflowing"])
def test_nvfp4_equals_torchao(dtype, kind):
    weight = rows(kind, dtype)
    assert torch.equal(round_trip(weight, "nvfp4"), torchao_nvfp4(weight))


@given(values=arrays(np.float32, (2, 32), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_nvfp4_equals_torchao_on_anything_but_dust(values):
    """A tensor whose largest number is below 2^-109 gets the smallest tensor scale here; torchao divides by a subnormal or by zero."""
    weight = torch.from_numpy(values)
    if weight.abs().max() >= 2688 * 2.0**-121:
        assert torch.equal(round_trip(weight, "nvfp4"), torchao_nvfp4(weight))
    else:
        assert round_trip(weight, "nvfp4").isfinite().all()


def test_the_tensor_scale_of_nvfp4_activations_is_that_of_all_tokens():
    hidden = rows("random", torch.bfloat16).view(4, 16, 128)
    assert torch.equal(round_activations(hidden, "nvfp4").view(64, 128), torchao_nvfp4(hidden.view(64, 128)))


@pytest.mark.parametrize("key", ["mxfp8", "mxfp4", "nvfp4"])
def test_a_linear_layer_multiplies_what_torchao_emulates(key):
    """The product of rounded weight and rounded input, against the product of torchao's two tensors."""
    hidden, weight = rows("random", torch.bfloat16)[:8], rows("weights", torch.bfloat16)
    as_torchao = torchao_nvfp4 if key == "nvfp4" else lambda tensor: torchao_mx(tensor, key)
    expected = as_torchao(hidden) @ as_torchao(weight).T
    assert torch.equal(round_activations(hidden, key) @ round_trip(weight, key).T, expected)


@pytest.mark.parametrize("key", ["int8-row", "int4-row"])
@given(values=arrays(np.float32, weights, elements=st.floats(-1e4, 1e4, width=32)))
def test_symmetric_integers_follow_their_formula(key, values):
    """In float64: no weight ends further from where it was than the nearest level, but for float32's last bits."""
    wide, largest = values.astype(np.float64), FORMATS[key].element.largest
    scale = np.maximum(np.abs(wide).max(axis=1, keepdims=True) / largest, 2.0**-126)
    codes = np.clip(np.rint(wide / scale), -largest, largest)
    assert_as_near(round_trip(torch.from_numpy(values), key), wide, codes * scale)
    assert np.abs(wide - codes * scale).max() <= scale.max() / 2 * (1 + 1e-12)


@pytest.mark.parametrize("key", AFFINE)
@given(values=arrays(np.float32, weights, elements=st.floats(-1e4, 1e4, width=32)))
def test_affine_integers_follow_their_formula(key, values):
    """Groups by a loop, the last one shorter; scale and minimum of groups in bfloat16, of a range with zero in it."""
    number_format, wide = FORMATS[key], values.astype(np.float64)
    expected = np.empty_like(wide)
    for row in range(len(wide)) if number_format.rule.shares == "group" else [slice(None)]:
        size = number_format.size or wide.shape[1]
        for start in range(0, wide.shape[1], size):
            group = wide[row, start : start + size]
            expected[row, start : start + size] = affine(group, number_format.element.largest, number_format.rule.shares == "group")
    assert_as_near(round_trip(torch.from_numpy(values), key), wide, expected)


def affine(group: np.ndarray, largest: float, in_sixteen_bits: bool) -> np.ndarray:
    low, high = (min(group.min(), 0), max(group.max(), 0)) if in_sixteen_bits else (group.min(), group.max())
    low = in_bfloat16(low) if in_sixteen_bits else low
    scale = float(np.float32(np.float32(high - low) / np.float32(largest)))
    scale = max(in_bfloat16(scale) if in_sixteen_bits else scale, 2.0**-126)
    return np.clip(np.rint((group - low) / scale), 0, largest) * scale + low


def in_bfloat16(number: float) -> float:
    return float(np.float32(number).astype(ml_dtypes.bfloat16))


def assert_as_near(ours: torch.Tensor, original: np.ndarray, expected: np.ndarray) -> None:
    """As near to the original as the formula's result: at a tie, which float32 decides otherwise, both neighbours are."""
    last_bits = 2.0**-21 * np.abs(original).max() + 2.0**-126
    found = ours.double().numpy()
    assert np.all(np.abs(found - original) <= np.abs(expected - original) + last_bits)
    agree = np.abs(found - expected) <= last_bits
    at_a_tie = np.abs(np.abs(found - original) - np.abs(expected - original)) <= last_bits
    assert np.all(agree | at_a_tie)


@pytest.mark.parametrize("key", ["int3-g64", "int2-g64"])
@pytest.mark.parametrize("inputs", [1, 63, 64, 65, 200])
def test_the_last_group_may_be_shorter(key, inputs):
    weight = torch.randn(5, inputs, generator=torch.Generator().manual_seed(0))
    pieces = [round_trip(piece.contiguous(), key) for piece in weight.split(64, dim=1)]
    assert torch.equal(round_trip(weight, key), torch.cat(pieces, dim=1))


def test_zero_is_kept_by_groups_without_negative_weights():
    """Their minimum is zero, though no weight may be; with negative weights the nearest level is as near as bfloat16 allows."""
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)).abs()
    weight[:, ::2] = 0
    assert (round_trip(weight, "int3-g64")[:, ::2] == 0).all()
    assert (round_trip(-weight, "int3-g64")[:, ::2].abs() <= weight.amax() * 2.0**-7).all()


@pytest.mark.parametrize(("key", "levels"), [("minmax-6", 64), ("minmax-4", 16)])
def test_minmax_uses_all_its_levels_of_the_whole_tensor(key, levels):
    weight = torch.randn(200, 300, generator=torch.Generator().manual_seed(0))
    result = round_trip(weight, key)
    found = result.unique()
    assert len(found) <= levels and found[0] == weight.min()
    torch.testing.assert_close(found[-1], weight.max(), rtol=1e-6, atol=0)
    step = (weight.max() - weight.min()).item() / (levels - 1)
    assert (result - weight).abs().max() <= step / 2 * (1 + 1e-5)
