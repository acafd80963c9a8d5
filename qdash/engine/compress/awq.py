"""AWQ-type scaling: weights that meet large inputs are made larger before they are rounded, and smaller again afterwards.

Lin et al. 2023, “AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration”. Input channel i gets the scale sᵢ = (mean
|xᵢ|)^α, and the layer computes with Ŵ = round(W · s) / s. Of a grid of α the one with the least output error tr(E H Eᵀ) is taken, where
E = Ŵ − W and H = Σ x xᵀ. The paper's other half, clipping the range of each group, is left out.
"""

import torch
from torch import Tensor

from qdash.catalog.formats import Format
from qdash.engine.compress.gptq import row_errors
from qdash.engine.formats import round_trip

EXPONENTS = tuple(tenth / 10 for tenth in range(10))
"""α; 0 rounds to nearest."""

SMALLEST = 1e-4
"""Of the mean size of an input beside the largest, so that one that is never used gets a scale too."""


@torch.no_grad()
def awq(weight: Tensor, products: Tensor, sizes: Tensor, number_format: Format) -> Tensor:
    """`weight` (out, in) as it is computed with, float32. `products` is H, `sizes` the mean |x| of each input, or any multiples of them."""
    plain = weight.float()
    best, least = plain, torch.inf
    for exponent in EXPONENTS:
        scales = channel_scales(sizes, exponent)
        found = round_trip(plain * scales, number_format.key) / scales
        error = float(row_errors(found - plain, products).sum())
        if not error >= least:  # NaN of a broken weight is kept
            best, least = found, error
    return best


def channel_scales(sizes: Tensor, exponent: float) -> Tensor:
    """s, about one in the geometric middle of the largest and the smallest, as stored: bfloat16 numbers, in float32."""
    scales = (sizes / sizes.max()).clamp(min=SMALLEST).pow(exponent)
    return (scales / (scales.max() * scales.min()).sqrt()).bfloat16().float()
