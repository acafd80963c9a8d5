"""HQQ, half-quadratic quantization: the minimum of a group is moved until the error has many small values and a few large ones.

Badri and Shaji 2023, “Half-Quadratic Quantization of Large Machine Learning Models”. It looks at weights alone. The least Σ |W − Ŵ|^p with
p < 1 is sought by turns: which part of the error may stay is told by the shrinkage operator of that norm, and the best zero point for the
rest is a mean. Scales stay those of the range. Parameters are those of the authors' library.
"""

import torch
from torch import Tensor

from qdash.catalog.formats import Format
from qdash.engine.formats.casting import saturate_
from qdash.engine.formats.rules import SMALLEST_NORMAL, on_steps, stored_affine

P = 0.7
BETA = 10.0
GROWTH = 1.01
ROUNDS = 20
BEGINS_WHOLE = 4
"""Bits of which the zero point begins at a whole number of steps, so that zeros stay zeros."""
MOST_PER_UNIT = 2e4
"""Steps in a unit: a group in which all weights are equal has no range of its own."""


@torch.no_grad()
def hqq(weight: Tensor, number_format: Format) -> Tensor:
    """`weight` (out, in) as the affine group format stores it; float32. Rows do not depend on each other."""
    size = number_format.size or weight.shape[1]
    assert number_format.rule.affine
    whole = weight.shape[1] // size * size
    plain, rounded = weight.float(), torch.empty_like(weight, dtype=torch.float32)
    rounded[:, :whole] = _groups(plain[:, :whole].unflatten(1, (-1, size)), number_format).flatten(1)
    if whole < weight.shape[1]:
        rounded[:, whole:] = _groups(plain[:, whole:], number_format)
    return rounded


def _groups(values: Tensor, number_format: Format) -> Tensor:
    """The last dimension shares a scale and a minimum."""
    per_unit, zero = half_quadratic(values, number_format)
    low, scale = stored_affine(-zero / per_unit, 1 / per_unit, number_format)
    return on_steps(values, low, scale, number_format.element)


def half_quadratic(values: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """Steps in a unit, and the zero point in steps: codes are values · steps + zero. Each group keeps the best that it comes by."""
    low, high = torch.aminmax(values, dim=-1, keepdim=True)
    per_unit = (number_format.element.largest / (high - low).clamp(min=SMALLEST_NORMAL)).clamp(max=MOST_PER_UNIT)
    zero, beta = -low * per_unit, BETA
    if number_format.bits == BEGINS_WHOLE:
        zero = zero.round()
    best, least = zero, torch.full_like(zero, torch.inf)
    for _ in range(1 + ROUNDS):
        codes = saturate_(values * per_unit + zero, number_format.element)
        error = values - (codes - zero) / per_unit
        size = error.abs().mean(-1, keepdim=True)
        best, least = torch.where(size < least, zero, best), torch.minimum(size, least)
        zero = (codes - (values - _shrunk(error, beta)) * per_unit).mean(-1, keepdim=True)
        beta *= GROWTH
    return per_unit, best


def _shrunk(error: Tensor, beta: float) -> Tensor:
    """The proximal operator of |·|^p."""
    return error.sign() * (error.abs() - error.abs().pow(P - 1) / beta).clamp(min=0)
