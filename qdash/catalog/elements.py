"""The numbers that a code of a small format can stand for, before scaling.

An element is data: its values in ascending order, and between each two neighbours the threshold at which rounding goes from one to the
other. Torch, C and JavaScript all round to these; for floats and integers torch and C have quicker arithmetic with the same result.
"""

import struct
from dataclasses import dataclass
from functools import cache, cached_property
from math import frexp
from typing import Literal


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
    def name(self) -> str:
        """The usual short name: E4M3."""
        return f"E{self.exponent_bits}M{self.mantissa_bits}"

    @property
    def smallest_normal(self) -> float:
        """The smallest positive value with the full precision of the mantissa."""
        return 2.0 ** (1 - self.bias)

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
class Table:
    """Any float32 levels, ascending; a code is the place of its level."""

    values: tuple[float, ...]

    @property
    def bits(self) -> int:
        """Width of a code."""
        return (len(self.values) - 1).bit_length()

    @property
    def largest(self) -> float:
        """The last level, onto which the largest weight that shares a scale is scaled."""
        return self.values[-1]


Element = Float | Integer | Table

Ties = Literal["even", "up", "away"]
"""Where a number goes that lies halfway between two values.

even: to the even code; in a `Table` to the lower level, as in bitsandbytes' kernels. Of integers only: away from zero, or up, which is
found as ggml does, by cutting x − lowest + ½ in float32 (a sum that is rounded to a whole number counts as one).
"""


def largest_exponent(element: Element) -> int:
    """⌊log2 of the element's largest value⌋."""
    return frexp(element.largest)[1] - 1


@cache
def thresholds(element: Element, ties: Ties = "even") -> tuple[float, ...]:
    """For each two neighbours the greatest float32 that is rounded down: x becomes the value number |{t : t < x}|."""
    values = element.values
    if ties == "up":
        return tuple(_threshold_of_sum(high, 0.5 - values[0]) for high in values[1:])
    pairs = enumerate(zip(values, values[1:], strict=False))
    return tuple(_threshold(low, high, _tie_goes_down(element, at, ties)) for at, (low, high) in pairs)


def _tie_goes_down(element: Element, at: int, ties: Ties) -> bool:
    """Whether the value number `at` is chosen of itself and the next, where both are as near."""
    if ties == "away":
        return element.values[at] < 0
    return isinstance(element, Table) or (at - element.values.index(0.0)) % 2 == 0


def _threshold(low: float, high: float, tie_goes_down: bool) -> float:
    middle = (low + high) / 2
    rounded = _in_float32(middle)
    return rounded if rounded < middle or (rounded == middle and tie_goes_down) else _float32_below(rounded)


def _threshold_of_sum(high: float, added: float) -> float:
    """The greatest float32 whose sum with `added`, in float32, is less than that of `high` − ½."""
    found = high - 0.5
    while _in_float32(found + added) >= high - 0.5 + added:
        found = _float32_below(found)
    return found


def _in_float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _float32_below(value: float) -> float:
    """The next smaller float32; float32s of one sign are in the order of their bits."""
    (bits,) = struct.unpack("<i", struct.pack("<f", value or -0.0))
    return struct.unpack("<f", struct.pack("<I", (bits - 1 if value > 0 else bits + 1) & 0xFFFFFFFF))[0]


E4M3 = Float(exponent_bits=4, mantissa_bits=3, bias=7, largest=448.0)
E5M2 = Float(exponent_bits=5, mantissa_bits=2, bias=15, largest=57344.0)
E2M3 = Float(exponent_bits=2, mantissa_bits=3, bias=1, largest=7.5)
E3M2 = Float(exponent_bits=3, mantissa_bits=2, bias=3, largest=28.0)
E2M1 = Float(exponent_bits=2, mantissa_bits=1, bias=1, largest=6.0)

NF4 = Table((
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
))  # fmt: skip
"""Quantiles of a normal distribution (Dettmers et al. 2023, "QLoRA", appendix E). bitsandbytes rounds to them."""

IQ4 = Table(tuple(map(float, (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113))))
"""The levels of ggml's IQ4_NL and IQ4_XS: 8-bit integers, close together in the middle. None is zero."""
