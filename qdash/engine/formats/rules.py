"""The arithmetic of `catalog.formats.ScaleRule`: values that share a scale, rounded as the format stores them.

`round_shared` takes float32 `values` (…, n), whose last dimension shares a scale, and writes what the codes stand for to `out`, of the same
shape, which may be `values` itself. A NaN or an infinity makes NaN of all that share its scale, so that a broken weight is never hidden;
with a scale of "e8m0" an infinity follows the reference. `SCALES` has one pure function for each kind of scale.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from qdash.catalog.elements import Element, Float, Table, largest_exponent
from qdash.catalog.formats import Format
from qdash.engine.formats.casting import FLOAT32_MANTISSA, nearest_, saturate_
from qdash.engine.formats.searching import best_scale
from qdash.engine.formats.superblocks import superblocks_of

TensorStats = tuple[Tensor, ...]
"""What a rule has to know of the whole tensor, from `stats_of`: float32 scalars, none for most rules."""

SMALLEST_NORMAL = 2.0**-126  # of float32; a scale below it would be too coarse itself


def round_shared(values: Tensor, out: Tensor, number_format: Format, whole: TensorStats) -> Tensor:
    """Ŵ = s · nearest(W/s), or s · nearest((W − m)/s) + m where the rule is affine; see `ScaleRule`."""
    rule, element = number_format.rule, number_format.element
    if rule.superblock:
        return out.copy_(superblocks_of(values, number_format).restored().flatten(-2))
    if rule.affine and rule.scale.kind == "float16":
        return _affine_in_float16(values, out, number_format)
    if rule.affine:
        low, scale = whole if rule.shares == "tensor" else minimum_and_scale(values, number_format)
        return on_steps(values, low, scale, element, out)
    largest = whole[-1] if rule.shares == "tensor" else _extreme(values) if rule.spans == "extreme" else _largest(values)
    scaled, scale = SCALES[rule.scale.kind](values, largest, number_format, whole)
    # With a float32 scale W/s is within range by construction.
    rounded = nearest_(scaled, element) if rule.scale.kind == "float32" else saturate_(scaled, element, rule.ties)
    return torch.mul(rounded, scale, out=out)


def minimum_and_scale(values: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """(m, s) as stored, of an affine rule, for the float32 `values` (…, n) whose last dimension shares them; both (…, 1)."""
    return _minimum_and_scale(*torch.aminmax(values, dim=-1, keepdim=True), number_format)


def on_steps(values: Tensor, low: Tensor, scale: Tensor, element: Element, out: Tensor | None = None) -> Tensor:
    """Round to s · code + m, codes saturating."""
    scale = scale.clamp(min=SMALLEST_NORMAL)
    codes = saturate_((values - low).div_(scale), element)
    return torch.add(codes.mul_(scale), low, out=out)


def stored_affine(low: Tensor, scale: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """A minimum and a scale that were found in another way than from the range, in the type that the rule stores them in."""
    stored = STORED[number_format.rule.scale.kind]
    return stored(low), stored(scale)


def _affine_in_float16(values: Tensor, out: Tensor, number_format: Format) -> Tensor:
    """As `_float16` with a minimum: codes are found before scale and minimum are rounded."""
    low, high = _range(*torch.aminmax(values, dim=-1, keepdim=True), number_format)
    scale = _divided_(high - low, number_format.element.largest)
    codes = saturate_((values - low).mul_(_inverse(scale)), number_format.element, number_format.rule.ties)
    return torch.add(codes.mul_(scale.half().float()), low.half().float(), out=out)


def stats_of(tensor: Tensor, number_format: Format) -> TensorStats:
    """What rounding some rows needs of the whole tensor: its scale of scales; and minimum and scale, or max|W|, if all share these."""
    rule, (low, high) = number_format.rule, torch.aminmax(tensor)
    if rule.affine:
        return _minimum_and_scale(low.float(), high.float(), number_format) if rule.needs_tensor else ()
    largest = torch.maximum(low.abs(), high.abs()).float()
    scale = (_tensor_scale(largest.clone(), number_format),) if rule.tensor_scale else ()
    return (*scale, largest) if rule.shares == "tensor" else scale


def _minimum_and_scale(low: Tensor, high: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """(m, s), stored in the type of the scale. Where the range includes zero, |m| is at most `largest` steps and 8 bits do for it."""
    rule = number_format.rule
    low, high = _range(low, high, number_format)
    low = STORED[rule.scale.kind](low)
    return low, STORED[rule.scale.kind](_divided_(high - low, number_format.element.largest))


def _range(low: Tensor, high: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """What the codes span."""
    spans = number_format.rule.spans
    return low if spans == "minmax" else low.clamp(max=0), high.clamp(min=0) if spans == "minmax with zero" else high


def _tensor_scale(largest: Tensor, number_format: Format) -> Tensor:
    scale = number_format.rule.scale.element
    assert isinstance(scale, Float)
    # Below 2^-127 / the smallest scale, the inverse of both together would be no float32.
    return _divided_(largest, scale.largest * number_format.element.largest).clamp_(min=2.0**-127 / scale.smallest_normal)


STORED: dict[str, Callable[[Tensor], Tensor]] = {"float32": lambda values: values, "bfloat16": lambda values: values.bfloat16().float()}
"""Of the kinds of scale that a minimum can be stored in too."""


def _plain(values: Tensor, largest: Tensor, number_format: Format, whole: TensorStats) -> tuple[Tensor, Tensor]:
    """Largest weight over largest code."""
    if isinstance(number_format.element, Table):  # for others, ∞/∞ is NaN and so is 0 · ∞; a table may have no zero
        largest = _nan_if_infinite(largest)
    wanted = _divided_(largest, number_format.end)
    scale = STORED[number_format.rule.scale.kind](wanted).clamp_(min=SMALLEST_NORMAL)
    return values / scale, scale


def _e8m0(values: Tensor, largest: Tensor, number_format: Format, whole: TensorStats) -> tuple[Tensor, Tensor]:
    """The OCP specification's own scale, with all that torchao 0.18 does at the edges (`to_mx`, scaling mode FLOOR).

    An infinity stays one, and the numbers beside it vanish. The smallest scale is 2^-127 where torchao multiplies by it, but 2^-126
    where it divides, so blocks below 2^(largest exponent − 126) are halved. E8M0 ends at 2^127; what an infinity would need beyond is NaN.
    """
    exponent = (largest.view(torch.int32) >> FLOAT32_MANTISSA).sub_(largest_exponent(number_format.element)).clamp_(min=0)
    bits = exponent << FLOAT32_MANTISSA
    inverse = bits.clamp(min=1 << FLOAT32_MANTISSA).view(torch.float32).reciprocal_()
    scale = bits.clamp_(min=1 << (FLOAT32_MANTISSA - 1)).view(torch.float32).masked_fill_(largest.isnan() | (exponent > 254), torch.nan)
    return values * inverse, scale


def _float(values: Tensor, largest: Tensor, number_format: Format, whole: TensorStats) -> tuple[Tensor, Tensor]:
    """With a tensor scale as torchao 0.18 (`nvfp4_quantize`, its scale from max|W|); but zeros stay zeros, which there become NaN."""
    rule = number_format.rule
    element = rule.scale.element
    assert isinstance(element, Float)
    wanted = _divided_(largest if rule.tensor_scale else _nan_if_infinite(largest), number_format.element.largest)
    if not rule.tensor_scale:
        scale = nearest_(wanted.clamp_(element.smallest_normal, element.largest), element)
        return values * scale.reciprocal(), scale
    tensor_scale = whole[0]
    scale = nearest_(wanted.div_(tensor_scale).clamp_(element.smallest_normal, element.largest), element)
    return values * (tensor_scale.reciprocal() / scale), scale.mul_(tensor_scale)


def _float16(values: Tensor, largest: Tensor, number_format: Format, whole: TensorStats) -> tuple[Tensor, Tensor]:
    """As ggml: weights are multiplied by the inverse of the scale before that is rounded. Beyond float16's range it is infinite."""
    if number_format.rule.search is None:
        wanted = _divided_(largest, number_format.end)
    else:
        found = best_scale(values.flatten(0, -2).t().contiguous(), number_format).view_as(largest)
        wanted = _nan_if_infinite(largest) * 0 + found
    return values * _inverse(wanted), wanted.half().float()


SCALES: dict[str, Callable[[Tensor, Tensor, Format, TensorStats], tuple[Tensor, Tensor]]] = {
    "float32": _plain,
    "bfloat16": _plain,
    "e8m0": _e8m0,
    "float": _float,
    "float16": _float16,
}
"""(values, largest of all that share a scale, format, stats of the tensor) → values over the scale, and the scale. The largest is
max|values|, or the one farthest from zero where the rule spans "extreme"."""


def _divided_(values: Tensor, number: float) -> Tensor:
    """`values` / `number` in place, correctly rounded on every device.

    CUDA divides by a Python number by multiplying by its reciprocal, which leaves many quotients one unit in the last place off. It divides
    exactly by a tensor on the same device.
    """
    return values.div_(values.new_full((), number))


def _largest(values: Tensor) -> Tensor:
    """max|values| over the last dimension, NaN if one is. The bits of positive floats are in their order, and integers compare faster."""
    return values.abs().view(torch.int32).amax(-1, keepdim=True).view(torch.float32)


def _extreme(values: Tensor) -> Tensor:
    """The value farthest from zero over the last dimension, the first of several; NaN if one is."""
    return values.gather(-1, values.abs().argmax(-1, keepdim=True))


def _inverse(scale: Tensor) -> Tensor:
    """1/scale; zero where that is too large for float32: float16 stores such a scale as zero."""
    inverse = scale.reciprocal()
    return inverse.masked_fill_(inverse.isinf(), 0)


def _nan_if_infinite(largest: Tensor) -> Tensor:
    return largest + (largest - largest)
