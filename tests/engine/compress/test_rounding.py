"""GPTQ, AWQ-type scaling and HQQ, as functions of tensors, against plain references in numpy and against torchao."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchao.quantization import quant_primitives

from qdash.catalog.formats import FORMATS, Format
from qdash.engine.compress.awq import EXPONENTS, awq, channel_scales
from qdash.engine.compress.gptq import DAMPING, gptq, row_errors
from qdash.engine.compress.hqq import BETA, P, _shrunk, half_quadratic, hqq
from qdash.engine.formats import round_trip

AFFINE = ("int4-g64", "int3-g64", "int2-g64")


def drawn(rows: int, inputs: int, tokens: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs of which many go together and some are large."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(tokens, inputs, generator=generator) @ torch.randn(inputs, inputs, generator=generator) / inputs**0.5
    return torch.randn(rows, inputs, generator=generator), mixed * torch.exp(torch.randn(inputs, generator=generator))


def obq(weight: np.ndarray, hessian: np.ndarray, number_format: Format) -> np.ndarray:
    """Column by column in float64, and after each the inverse of H of the columns that are left, computed afresh: no factor, no blocks."""
    weight, size, levels = weight.astype(np.float64).copy(), number_format.size or weight.shape[1], number_format.element.largest
    damped = hessian + DAMPING * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    rounded, low, scale = np.zeros_like(weight), np.zeros(len(weight)), np.ones(len(weight))
    for column in range(weight.shape[1]):
        if column % size == 0:
            group = weight[:, column : column + size]
            low = stored(np.minimum(group.min(1), 0))
            scale = stored((np.maximum(group.max(1), 0) - low) / levels)
        rounded[:, column] = np.clip(np.rint((weight[:, column] - low) / scale), 0, levels) * scale + low
        inverse = np.linalg.inv(damped[column:, column:])
        error = (weight[:, column] - rounded[:, column]) / inverse[0, 0]
        weight[:, column:] -= np.outer(error, inverse[0])
    return rounded


def harm(found: np.ndarray | torch.Tensor, weight: torch.Tensor, tokens: torch.Tensor) -> np.ndarray:
    """Squared output error of each row, float64."""
    changed = np.asarray(found, dtype=np.float64) - weight.double().numpy()
    return np.square(tokens.double().numpy() @ changed.T).sum(0)


def stored(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).float().bfloat16().double().numpy()


@pytest.mark.parametrize("key", AFFINE)
@pytest.mark.parametrize("inputs", [64, 96, 200])
def test_gptq_is_column_by_column_compensation(key, inputs):
    """A weight halfway between two codes may go either way in another precision, and changes those after it in its row: few rows differ."""
    weight, tokens = drawn(24, inputs, 4 * inputs)
    hessian = tokens.T @ tokens
    found, nearest = gptq(weight, hessian, FORMATS[key]), round_trip(weight, key)
    compensated = obq(weight.numpy(), hessian.double().numpy(), FORMATS[key])
    better = harm(compensated, weight, tokens) < harm(nearest, weight, tokens)
    expected = np.where(better[:, None], compensated, nearest)
    alike = np.isclose(found, expected, atol=1e-5).all(axis=1)
    assert alike.mean() >= 0.8, alike
    assert harm(found, weight, tokens).sum() == pytest.approx(harm(expected, weight, tokens).sum(), rel=0.1)


def test_without_correlations_gptq_rounds_to_nearest():
    weight, _ = drawn(16, 128, 1)
    found = gptq(weight, torch.rand(128).add(0.1).diag(), FORMATS["int3-g64"])
    assert torch.equal(found, round_trip(weight, "int3-g64"))


@given(st.integers(0, 10_000), st.sampled_from(AFFINE), st.integers(3, 200))
def test_no_method_harms_the_output_more_than_rounding_to_nearest(seed, key, inputs):
    weight, tokens = drawn(12, inputs, 3 * inputs, seed)
    products, sizes = tokens.T @ tokens, tokens.abs().mean(0)

    nearest = harm(round_trip(weight, key), weight, tokens)
    assert harm(awq(weight, products, sizes, FORMATS[key]), weight, tokens).sum() <= nearest.sum() * (1 + 1e-4)
    assert (harm(gptq(weight, products, FORMATS[key]), weight, tokens) <= nearest * (1 + 1e-4)).all()


def test_gptq_changes_weights_more_and_the_output_less():
    weight, tokens = drawn(48, 128, 512)
    found, nearest = gptq(weight, tokens.T @ tokens, FORMATS["int3-g64"]), round_trip(weight, "int3-g64")
    assert (found - weight).square().sum() > 1.2 * (nearest - weight).square().sum()
    assert harm(found, weight, tokens).sum() < 0.7 * harm(nearest, weight, tokens).sum()


def test_inputs_that_samples_left_out_do_no_harm():
    """Fewer tokens than inputs, one input always zero: H has no inverse, its dampened form has."""
    weight, tokens = drawn(8, 128, 20)
    tokens[:, 5] = 0
    found = gptq(weight, tokens.T @ tokens, FORMATS["int4-g64"])
    assert found.isfinite().all() and (found[:, 5] - weight[:, 5]).abs().max() < 1
    assert awq(weight, tokens.T @ tokens, tokens.abs().mean(0), FORMATS["int4-g64"]).isfinite().all()


def test_a_broken_weight_breaks_its_row_alone():
    weight, tokens = drawn(4, 128, 256)
    products = tokens.T @ tokens
    for method in (lambda w: gptq(w, products, FORMATS["int4-g64"]), lambda w: hqq(w, FORMATS["int4-g64"])):
        expected, broken = method(weight), weight.clone()
        broken[2, 70] = torch.nan
        found = method(broken)
        assert found[2].isnan().any() and torch.equal(found[[0, 1, 3]], expected[[0, 1, 3]])


def test_awq_with_an_exponent_of_zero_rounds_to_nearest():
    """Scales of one; and inputs that are all alike have no other."""
    sizes = torch.rand(128).add(0.1)
    assert EXPONENTS[0] == 0 and torch.equal(channel_scales(sizes, 0.0), torch.ones(128))
    weight, _ = drawn(16, 128, 1)
    found = awq(weight, torch.eye(128), torch.ones(128), FORMATS["int4-g64"])
    assert torch.equal(found, round_trip(weight, "int4-g64"))


def test_awq_takes_the_best_of_its_exponents():
    weight, tokens = drawn(16, 128, 512)
    products, sizes = tokens.T @ tokens, tokens.abs().mean(0)
    errors = []
    for exponent in EXPONENTS:
        scales = channel_scales(sizes, exponent)
        errors.append(row_errors(round_trip(weight * scales, "int4-g64") / scales - weight, products).sum())
    found = row_errors(awq(weight, products, sizes, FORMATS["int4-g64"]) - weight, products).sum()
    assert found == min(errors) < 0.9 * errors[0]


@pytest.mark.parametrize("key", AFFINE)
def test_hqq_leaves_no_more_error_than_torchaos(key):
    """Each group keeps its best, where torchao keeps the last: so before scales are stored, mean |error| is as small or smaller."""
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(3)) ** 3
    codes, scale, zero, _ = quant_primitives._choose_qparams_and_quantize_affine_hqq(
        weight, FORMATS[key].bits, 64, compute_dtype=torch.float32, device="cpu", raw_output=True
    )
    theirs = ((codes.float().view(64, 4, 64) - zero.view(64, 4, 1)) * scale.view(64, 4, 1)).view_as(weight)
    steps, offset = half_quadratic(weight.view(64, 4, 64), FORMATS[key])
    found = ((weight.view(64, 4, 64) * steps + offset).round().clamp(0, FORMATS[key].values[-1]) - offset) / steps
    assert (found.view_as(weight) - weight).abs().mean() < 1.0001 * (theirs - weight).abs().mean()
    ours, nearest = hqq(weight, FORMATS[key]), round_trip(weight, key)
    assert (ours - weight).abs().mean() < min(1.02 * (theirs - weight).abs().mean(), (nearest - weight).abs().mean())


def test_hqq_shrinks_as_torchao_does():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(_shrunk(values, BETA), quant_primitives._shrink_lp_op(values, BETA, P))


def test_hqq_keeps_groups_without_a_range_and_shorter_last_groups():
    weight = torch.cat((torch.full((4, 64), 0.5), torch.zeros(4, 64), torch.linspace(-1, 1, 40).expand(4, 40)), dim=1)
    found = hqq(weight, FORMATS["int4-g64"])
    assert torch.allclose(found[:, :64], weight[:, :64], atol=1e-2) and not found[:, 64:128].any()
    assert (found - weight).abs().max() < 0.1
