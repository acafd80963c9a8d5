"""One pure function for each rule of `catalog.formats`: values that share a scale, rounded as the format stores them.

Each takes float32 `values` (…, n), whose last dimension shares a scale, and writes what the codes stand for to `out`, of the same shape,
which may be `values` itself. A NaN or an infinity makes NaN of all that share its scale, so that a broken weight is never hidden; with
"mx" an infinity follows the reference.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from qdash.catalog.formats import E4M3, Float, Format, Rule
from qdash.engine.formats.casting import FLOAT32_MANTISSA, nearest_, saturate_

TensorStats = tuple[Tensor, ...]
"""What a rule has to know of the whole tensor, from `WHOLE`: float32 scalars, none for most rules."""

SMALLEST_NORMAL = 2.0**-126  # of float32; a scale below it would be too coarse itself
SMALLEST_TENSOR_SCALE = 2.0**-121  # its inverse, divided by the smallest block scale, is still a float32


def by_row(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """Ŵ = s · nearest(W/s), s = max|W| / largest. W/s is within range by construction, so nothing has to be clamped."""
    scale = _divided_(_largest(values), number_format.element.largest).clamp_(min=SMALLEST_NORMAL)
    return torch.mul(nearest_(values / scale, number_format.element), scale, out=out)


def by_mx_block(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """The OCP specification's own scale, with all that torchao 0.18 does at the edges (`to_mx`, scaling mode FLOOR).

    An infinity stays one, and the numbers beside it vanish. The smallest scale is 2^-127 where torchao multiplies by it, but 2^-126
    where it divides, so blocks below 2^(largest exponent − 126) are halved.
    """
    element = number_format.element
    assert isinstance(element, Float)
    largest = _largest(values)
    exponent = (largest.view(torch.int32) >> FLOAT32_MANTISSA).sub_(element.largest_exponent).clamp_(min=0)
    bits = exponent << FLOAT32_MANTISSA
    inverse = bits.clamp(min=1 << FLOAT32_MANTISSA).view(torch.float32).reciprocal_()
    scale = bits.clamp_(min=1 << (FLOAT32_MANTISSA - 1)).view(torch.float32).masked_fill_(largest.isnan(), torch.nan)
    return torch.mul(saturate_(values * inverse, element), scale, out=out)


def by_nvfp4_block(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """As torchao 0.18 (`nvfp4_quantize` with a per-tensor scale from max|W|), but that a tensor of zeros stays one; there it is NaN."""
    (tensor_scale,) = whole
    wanted = _divided_(_largest(values), number_format.element.largest).div_(tensor_scale)
    scale = nearest_(wanted.clamp_(2.0 ** (1 - E4M3.bias), E4M3.largest), E4M3)
    # Rounding the scale down to 4 bits lets numbers grow to 17/16 of the largest at most, which is still its own nearest code.
    rounded = nearest_(values * (tensor_scale.reciprocal() / scale), number_format.element)
    return torch.mul(rounded, scale.mul_(tensor_scale), out=out)


def by_group(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """Ŵ = s · code + m; m and s are bfloat16. As the range includes zero, |m| is at most `largest` steps and 8 bits do for it."""
    low = values.amin(-1, keepdim=True).clamp_(max=0).bfloat16().float()
    high = values.amax(-1, keepdim=True).clamp_(min=0)
    scale = _divided_(high.sub_(low), number_format.element.largest).bfloat16().float()
    return _affine(values, out, number_format, low, scale)


def by_tensor(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """Ŵ = s · code + min W, s = (max W − min W) / largest, all float32. A range beyond float32 makes everything NaN."""
    return _affine(values, out, number_format, *whole)


def _affine(values: Tensor, out: Tensor, number_format: Format, low: Tensor, scale: Tensor) -> Tensor:
    scale = scale.clamp(min=SMALLEST_NORMAL)
    codes = saturate_((values - low).div_(scale), number_format.element)
    return torch.add(codes.mul_(scale), low, out=out)


def _divided_(values: Tensor, number: float) -> Tensor:
    """`values` / `number` in place, correctly rounded on every device.

    CUDA divides by a Python number by multiplying by its reciprocal, which leaves many quotients one unit in the last place off. It divides
    exactly by a tensor on the same device.
    """
    return values.div_(values.new_full((), number))


def _largest(values: Tensor) -> Tensor:
    """max|values| over the last dimension, NaN if one is. The bits of positive floats are in their order, and integers compare faster."""
    return values.abs().view(torch.int32).amax(-1, keepdim=True).view(torch.float32)


def _tensor_scale(tensor: Tensor, number_format: Format) -> TensorStats:
    low, high = torch.aminmax(tensor)
    largest = torch.maximum(low.abs(), high.abs()).float()
    return (_divided_(largest, E4M3.largest * number_format.element.largest).clamp_(min=SMALLEST_TENSOR_SCALE),)


def _tensor_range(tensor: Tensor, number_format: Format) -> TensorStats:
    low, high = (end.float() for end in torch.aminmax(tensor))
    return low, _divided_(high - low, number_format.element.largest)


ROUND: dict[Rule, Callable[[Tensor, Tensor, Format, TensorStats], Tensor]] = {
    "row": by_row,
    "mx": by_mx_block,
    "nvfp4": by_nvfp4_block,
    "group": by_group,
    "tensor": by_tensor,
}

WHOLE: dict[Rule, Callable[[Tensor, Format], TensorStats]] = {"nvfp4": _tensor_scale, "tensor": _tensor_range}
