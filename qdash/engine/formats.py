"""Small number formats as data, and the round trip of a weight through one.

A simulated scheme keeps its weights in 16 or 32-bit tensors but lets them take only values that the small format has. A format
here is a row of `FORMATS`; one function rounds to any of them with additions on whole tensors, which on a CPU is quicker than
torch's own conversion to `float8_e4m3fn` and back. Weights pass through in blocks small enough to stay in one core's cache: that beats
splitting every operation between threads, which on a busy machine wait for each other ten times longer than they compute.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

FLOAT32_MANTISSA = 23
FLOAT32_EXPONENT = 0x7F800000
FLOAT32_BIAS = 127
BLOCK = 32_000  # weights: fits the L2 cache with its scratch, and is just below the size at which torch wakes a second thread


@dataclass(frozen=True)
class FloatFormat:
    """A sign, `exponent_bits` and `mantissa_bits`, with subnormals; what is too large becomes ±`largest`, never an infinity.

    A code with exponent field E > 0 and mantissa field M is ±2^(E − bias) · (1 + M/2^mantissa_bits); with E = 0 it is
    ±2^(1 − bias) · M/2^mantissa_bits. Codes beyond `largest` are the format's infinities and NaN.
    """

    key: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    largest: float
    source: str

    @property
    def bits(self) -> int:
        """Width of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @cached_property
    def values(self) -> tuple[float, ...]:
        """Every finite value, ascending, ±0 counted once."""
        codes = range(1 << (self.exponent_bits + self.mantissa_bits))
        positive = [value for value in map(self._decode, codes) if 0 < value <= self.largest]
        return (*(-value for value in reversed(positive)), 0.0, *positive)

    def _decode(self, code: int) -> float:
        exponent, mantissa = divmod(code, 1 << self.mantissa_bits)
        fraction = mantissa / (1 << self.mantissa_bits)
        return 2.0 ** (exponent - self.bias) * (1 + fraction) if exponent else 2.0 ** (1 - self.bias) * fraction


_OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0, section 5"
_OCP_MX = "OCP Microscaling Formats (MX) Specification 1.0, section 5.3"

FORMATS: dict[str, FloatFormat] = {
    number_format.key: number_format
    for number_format in (
        FloatFormat("e4m3fn", exponent_bits=4, mantissa_bits=3, bias=7, largest=448.0, source=_OCP_FP8),
        FloatFormat("e2m3fn", exponent_bits=2, mantissa_bits=3, bias=1, largest=7.5, source=_OCP_MX),
    )
}


def cast(values: Tensor, number_format: str) -> Tensor:
    """Round to the nearest value of the format, ties to even; ±inf and all beyond the largest value saturate, NaN stays.

    Any shape and dtype; computed and returned in float32.
    """
    return _cast_(values.to(torch.float32, copy=True), FORMATS[number_format])


def round_trip(weight: Tensor, number_format: str, out: Tensor | None = None) -> Tensor:
    """Ŵ = s · cast(W/s) with one float32 scale s = max|w|/largest for each row of `weight` (out, in …).

    Computed in float32; returned in `weight`'s dtype, or written to `out`, which may be `weight` itself. A row of zeros, or of
    weights so small that s underflows, becomes zeros. A row that holds a NaN or an infinity has no scale and becomes NaN as a
    whole: a broken weight is never hidden. A second round trip changes at most the last bit of float32, where s rounds anew.
    """
    if weight.ndim < 2:
        raise ValueError(f"A weight has at least two dimensions (out, in); this one has the shape {tuple(weight.shape)}.")
    result = torch.empty_like(weight, memory_format=torch.contiguous_format) if out is None else out
    if weight.numel() == 0:
        return result
    columns = weight[0].numel()
    # A GPU gains nothing from blocks that fit a cache, and loses by launching many small kernels.
    rows = max(1, BLOCK // columns) if weight.device.type == "cpu" else weight.shape[0]
    for block, target in zip(weight.split(rows), result.split(rows), strict=True):
        target.copy_(_round_trip_rows(block.flatten(1).float(), FORMATS[number_format]).view_as(target))
    return result


def _round_trip_rows(block: Tensor, number_format: FloatFormat) -> Tensor:
    scale = block.abs().amax(dim=1, keepdim=True).div_(number_format.largest)
    scale.masked_fill_(scale == 0, 1.0)
    return _cast_(block / scale, number_format).mul_(scale)


def _cast_(values: Tensor, number_format: FloatFormat) -> Tensor:
    """`cast`, in place, of a float32 tensor.

    Adding c = 1.5 · 2^23 · step to x and taking it away again leaves x rounded to a multiple of `step`, ties to even, because
    `step` is the spacing of float32 around c. The step at x is 2^(exponent of x − mantissa_bits), and below the smallest normal
    number what it is there; so c is made from the exponent bits of x with integer operations.
    """
    values.clamp_(-number_format.largest, number_format.largest)
    smallest_normal = (FLOAT32_BIAS + 1 - number_format.bias) << FLOAT32_MANTISSA
    to_magic = ((FLOAT32_MANTISSA - number_format.mantissa_bits) << FLOAT32_MANTISSA) | (1 << (FLOAT32_MANTISSA - 1))
    exponent = values.view(torch.int32).bitwise_and(FLOAT32_EXPONENT)
    magic = exponent.clamp_(min=smallest_normal).add_(to_magic).view(torch.float32)
    rounded = torch.add(values, magic).sub_(magic)
    return torch.copysign(rounded, values, out=values)  # x − x is +0, and −0 is a code of its own
