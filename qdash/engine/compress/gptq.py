"""GPTQ: one column after another is rounded, and those that are still to come take back what that did to the layer's output.

Frantar et al. 2022, “GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers”. With E = Ŵ − W, a layer's squared
output error over its inputs x is Σ |E x|² = tr(E H Eᵀ) with H = Σ x xᵀ. Once a column is rounded, the best change of the columns after it
is the column's error times a row of the upper Cholesky factor of H⁻¹. The numbers that are stored are those of the plain format.

With few levels the changes can grow until they cost more than they save. So a row whose output error is greater than after rounding to
nearest is rounded to nearest.
"""

import torch
from torch import Tensor

from qdash.catalog.formats import Format
from qdash.engine.formats import round_trip
from qdash.engine.formats.rules import minimum_and_scale, on_steps

DAMPING = 0.01
"""Of the mean of H's diagonal, added to it, as in the paper: inputs that samples left out, or that always go together, have no inverse."""

BLOCK = 128
"""Columns that are changed at once for the errors of those before them; whole groups."""


@torch.no_grad()
def gptq(weight: Tensor, hessian: Tensor, number_format: Format) -> Tensor:
    """`weight` (out, in) as the affine group format stores it, with little tr(E H Eᵀ) and never more than rounded to nearest; float32.

    `hessian` (in, in) is H or any multiple of it; it is finite and not all zero.
    """
    plain = weight.float()
    compensated, nearest = _compensated(plain, hessian, number_format), round_trip(plain, number_format.key)
    better = row_errors(compensated - plain, hessian) <= row_errors(nearest - plain, hessian)
    return torch.where(better.unsqueeze(1), compensated, nearest)


def row_errors(error: Tensor, hessian: Tensor) -> Tensor:
    """E H Eᵀ of each row of E: its share of the output error."""
    return ((error @ hessian) * error).sum(1)


def _compensated(weight: Tensor, hessian: Tensor, number_format: Format) -> Tensor:
    # By columns, so that each is contiguous.
    columns, size = weight.T.contiguous(), number_format.size or len(hessian)
    assert number_format.rule.affine and BLOCK % size == 0
    rounded, factor = torch.empty_like(columns), _factor(hessian)
    for begin in range(0, len(columns), BLOCK):
        block, own = columns[begin : begin + BLOCK], factor[begin : begin + BLOCK, begin : begin + BLOCK]
        errors = torch.empty_like(block)
        low = scale = block
        for place, column in enumerate(block):
            if place % size == 0:
                low, scale = (found.squeeze(-1) for found in minimum_and_scale(block[place : place + size].T.contiguous(), number_format))
            rounded[begin + place] = on_steps(column, low, scale, number_format.element)
            errors[place] = (column - rounded[begin + place]) / own[place, place]
            block[place + 1 :].addr_(own[place, place + 1 :], errors[place], alpha=-1)
        columns[begin + BLOCK :].addmm_(factor[begin : begin + BLOCK, begin + BLOCK :].T, errors, alpha=-1)
    return rounded.T.contiguous()


def _factor(hessian: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse of the damped H, float32: the inverse of the factor U of H = U Uᵀ."""
    # Not every accelerator has float64.
    place = hessian.device if hessian.device.type == "cuda" else "cpu"
    exact = hessian.to(place, torch.float64, copy=True)
    exact.diagonal().add_(DAMPING * exact.diagonal().mean())
    upper = torch.linalg.cholesky(exact.flip(0, 1)).flip(0, 1)
    identity = torch.eye(len(exact), dtype=exact.dtype, device=place)
    return torch.linalg.solve_triangular(upper, identity, upper=True).float().to(hessian.device)
