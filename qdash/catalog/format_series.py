"""Formats at every width: what the slider of the Play page goes through.

At the widths that `formats` has, the format is the same: as integers INT2 to INT4 in groups and the weights of W4A4 and W8A8, as floats
FP4 to FP8. The others follow the same rule with more or fewer bits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qdash.catalog.elements import E2M1, E2M3, E4M3, NF4, Element, Float, Integer, Table
from qdash.catalog.formats import Format
from qdash.catalog.scale_rules import BY_GROUP, BY_ROW, FLOAT32, ScaleRule

GROUP = 64
WIDEST = 16


@dataclass(frozen=True)
class Series:
    """A format of `narrowest` to `widest` bits. `element`: the values of its codes at that many; weights share scales by `rule`."""

    key: str
    label: str
    narrowest: int
    widest: int
    element: Callable[[int], Element]
    rule: ScaleRule
    source: str

    def at(self, bits: int) -> Format:
        """The format at `bits`, or at the nearest width that there is."""
        width = self.nearest(bits)
        size = GROUP if self.rule.shares == "group" else None
        return Format(f"{self.key}-{width}", self.label, self.element(width), self.rule, self.source, about="", size=size)

    def nearest(self, bits: int) -> int:
        """The width that is nearest to `bits`."""
        return min(max(bits, self.narrowest), self.widest)


def _symmetric(bits: int) -> Element:
    """Without the lowest code of two's complement; of one bit, only the sign is left."""
    largest = 2 ** (bits - 1) - 1
    return Integer(-largest, largest) if bits > 1 else Table((-1.0, 1.0))


def _from_zero(bits: int) -> Element:
    return Integer(0, 2**bits - 1)


def _float(bits: int) -> Element:
    """The floats of OCP at 8, 6 and 4 bits; float16 at 16; else as many bits of exponent as their neighbours."""
    known = {8: E4M3, 6: E2M3, 4: E2M1}
    if bits in known:
        return known[bits]
    exponent = 5 if bits > 8 else 3 if bits == 7 else 2
    mantissa, bias = bits - 1 - exponent, 2 ** (exponent - 1) - 1
    # From 9 bits on the highest exponent stands for infinities and NaN, as in float16.
    highest = 2**exponent - (2 if bits > 8 else 1) - bias
    return Float(exponent, mantissa, bias, (2 - 2.0**-mantissa) * 2.0**highest)


SERIES: dict[str, Series] = {
    series.key: series
    for series in (
        Series("int-row", "Integers by row", 1, WIDEST, _symmetric, BY_ROW, "symmetric, as LLM.int8() (Dettmers et al. 2022)"),
        Series(
            "int-g64", "Integers in groups", 1, WIDEST, _from_zero, BY_GROUP, "asymmetric, as the baseline of GPTQ (Frantar et al. 2022)"
        ),
        Series("float", "Floats", 3, WIDEST, _float, BY_ROW, "OCP MX 1.0 and IEEE 754"),
        Series(
            "nf4", "NF4", 4, 4, lambda bits: NF4, ScaleRule("group", FLOAT32), "Dettmers et al. 2023, QLoRA, without double quantization"
        ),
    )
}
