"""Every number format: the values its codes stand for, and how a scale is chosen for them.

A format is data. An *element* says which numbers a code can be, a *rule* what shares a scale and how the scale is stored; the rounding in
`engine/formats`, the sizes in the catalogue of schemes and any table or number line that people see are all made from these rows.
"""

from dataclasses import dataclass
from functools import cached_property
from math import frexp
from typing import Literal

Rule = Literal["row", "mx", "nvfp4", "group", "tensor"]
"""What shares a scale, and how that is found; `engine/formats/rules.py` has the arithmetic of each.

- row: s = max|w| / largest, a float32 for each row (output channel, or token of an activation).
- mx: a power of two (E8M0) for each block along the input: 2^(⌊log2 max|w|⌋ − ⌊log2 largest⌋), so the largest weights may saturate.
- nvfp4: an E4M3 scale for each block, and one float32 for the whole tensor.
- group: w ≈ s · code + minimum for each group along the input, both in bfloat16, of a range that always includes zero; the last group is
  shorter where the size does not divide the row.
- tensor: w ≈ s · code + minimum for the whole tensor, both in float32.
"""


@dataclass(frozen=True)
class Float:
    """A sign, `exponent_bits` and `mantissa_bits`, with subnormals; what is too large becomes ±`largest`, never an infinity.

    A code with exponent field E > 0 and mantissa field M is ±2^(E − bias) · (1 + M/2^mantissa_bits); with E = 0 it is
    ±2^(1 − bias) · M/2^mantissa_bits. Codes beyond `largest` are the format's infinities and NaN.
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int
    largest: float

    @property
    def bits(self) -> int:
        """Width of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def largest_exponent(self) -> int:
        """⌊log2 largest⌋."""
        return frexp(self.largest)[1] - 1

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


@dataclass(frozen=True)
class Integer:
    """Whole numbers from `lowest` to `largest`: symmetric about zero, or counted up from it with a minimum that is stored beside."""

    lowest: int
    largest: int

    @property
    def bits(self) -> int:
        """Width of a code."""
        return (self.largest - self.lowest).bit_length()

    @property
    def values(self) -> tuple[float, ...]:
        """Every value, ascending."""
        return tuple(map(float, range(self.lowest, self.largest + 1)))


@dataclass(frozen=True)
class Format:
    """One row: how the numbers of a tensor (out, in) are stored. `size` is the length of a block or group; None: the rule's own extent."""

    key: str
    element: Float | Integer
    rule: Rule
    source: str
    size: int | None = None
    scale_bits: int = 32
    """Bits of the scale, and of the minimum where there is one, for each row, block or group."""

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self.element.bits

    @property
    def values(self) -> tuple[float, ...]:
        """What the codes stand for before scaling, ascending, ±0 counted once."""
        return self.element.values

    @property
    def stored_bits(self) -> float:
        """Per weight, with the scales of blocks and groups; what is stored once for a row or a tensor is not in it."""
        return self.bits + (self.scale_bits / self.size if self.size else 0)

    @property
    def row_scale_bits(self) -> int:
        """Once for each row."""
        return self.scale_bits if self.rule == "row" else 0

    @property
    def divides_only(self) -> bool:
        """Whether `size` has to divide the inputs of a layer, as the kernels of block formats want it."""
        return self.rule in ("mx", "nvfp4")


_OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0, section 5"
_OCP_MX = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6"
_NVFP4 = "NVIDIA cuDNN and Blackwell documentation of NVFP4; per-tensor scale as torchao 0.18 computes it"
_INT_ROW = "symmetric, without the lowest code of two's complement, as LLM.int8() (Dettmers et al. 2022, section 2)"
_INT_GROUP = "asymmetric round-to-nearest in groups, as the baseline of GPTQ (Frantar et al. 2022, section 2)"
_MINMAX = "linear min–max quantization of a whole tensor (Jacob et al. 2018, section 2.1)"

E4M3 = Float(exponent_bits=4, mantissa_bits=3, bias=7, largest=448.0)
E5M2 = Float(exponent_bits=5, mantissa_bits=2, bias=15, largest=57344.0)
E2M3 = Float(exponent_bits=2, mantissa_bits=3, bias=1, largest=7.5)
E3M2 = Float(exponent_bits=3, mantissa_bits=2, bias=3, largest=28.0)
E2M1 = Float(exponent_bits=2, mantissa_bits=1, bias=1, largest=6.0)

FORMATS: dict[str, Format] = {
    number_format.key: number_format
    for number_format in (
        Format("fp8-e4m3", E4M3, "row", _OCP_FP8),
        Format("fp8-e5m2", E5M2, "row", _OCP_FP8),
        Format("fp6-e2m3", E2M3, "row", _OCP_MX),
        Format("fp6-e3m2", E3M2, "row", _OCP_MX),
        Format("fp4-e2m1", E2M1, "row", _OCP_MX),
        Format("mxfp8", E4M3, "mx", _OCP_MX, size=32, scale_bits=8),
        Format("mxfp6", E2M3, "mx", _OCP_MX, size=32, scale_bits=8),
        Format("mxfp4", E2M1, "mx", _OCP_MX, size=32, scale_bits=8),
        Format("nvfp4", E2M1, "nvfp4", _NVFP4, size=16, scale_bits=8),
        Format("int8-row", Integer(-127, 127), "row", _INT_ROW),
        Format("int4-row", Integer(-7, 7), "row", _INT_ROW),
        Format("int3-g64", Integer(0, 7), "group", _INT_GROUP, size=64),
        Format("int2-g64", Integer(0, 3), "group", _INT_GROUP, size=64),
        Format("minmax-6", Integer(0, 63), "tensor", _MINMAX),
        Format("minmax-4", Integer(0, 15), "tensor", _MINMAX),
    )
}

NF4_VALUES = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The levels of NF4, quantiles of a normal distribution (Dettmers et al. 2023, "QLoRA", appendix E). bitsandbytes rounds to them."""
