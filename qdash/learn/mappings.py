"""The ways to quantize that can be played with, as data: what each rounds to, what shares a scale, what that costs to store.

The page's own script does the arithmetic, so that a slider answers at once. All it has about a format comes from here, that is from
`catalog.formats`; tests hold its results to those of `engine/formats`, bit for bit.
"""

from dataclasses import dataclass
from typing import Any, Literal

from qdash.catalog import formats
from qdash.catalog.formats import FORMATS, NF4_VALUES, Float, Integer

Rule = Literal["row", "mx", "nvfp4", "group", "tensor", "affine"]
"""As `catalog.formats.Rule`, each for whatever shares a scale here; and affine, the textbook's: r ≈ S · (q − Z) with a whole number Z."""

BITS = range(2, 9)
"""Widths of the integers."""

SIZES = (None, 256, 128, 64, 32, 16, 8)
"""How many weights share a scale; None: all that are shown."""


@dataclass(frozen=True)
class Codes:
    """The numbers that a code of this many bits can represent before scaling, ascending. The range is scaled onto `largest`."""

    name: str
    bits: int
    values: tuple[float, ...]
    largest: float
    layout: tuple[int, int, int] | None = None
    """Of a float: exponent bits, mantissa bits and bias."""

    @classmethod
    def of(cls, name: str, element: Float | Integer) -> "Codes":
        """Those of an element of the catalogue."""
        layout = (element.exponent_bits, element.mantissa_bits, element.bias) if isinstance(element, Float) else None
        return cls(name, element.bits, element.values, float(element.largest), layout)


@dataclass(frozen=True)
class Mapping:
    """One choice. Its `codes` differ in bits, fewest first; `size` is that of a format which leaves no choice."""

    key: str
    label: str
    family: Literal["Integers", "Floats", "Quantiles", "Blocks"]
    rule: Rule
    codes: tuple[Codes, ...]
    about: str
    shared_bits: int
    """Stored for each group: the scale, and a minimum where there is one."""
    code_stored: bool = False
    """Whether the zero point, as wide as a code, is stored beside it."""
    once_bits: int = 0
    """Stored once for all."""
    size: int | None = None
    usual_size: int | None = None
    """What is set when this is chosen while all share one scale."""

    def to_page(self) -> dict[str, Any]:
        """What the page's script wants to know, for JSON."""
        return {
            "key": self.key, "label": self.label, "family": self.family, "rule": self.rule, "about": self.about,
            "shared": self.shared_bits, "zero": self.code_stored, "once": self.once_bits, "size": self.size, "usual": self.usual_size,
            "codes": [
                {"name": codes.name, "bits": codes.bits, "values": codes.values, "largest": codes.largest, "layout": codes.layout}
                for codes in self.codes
            ],
        }  # fmt: skip


def _symmetric(bits: int) -> Codes:
    end = 2 ** (bits - 1) - 1
    return Codes.of(f"INT{bits}", Integer(-end, end))


def _signed(bits: int) -> Codes:
    return Codes.of(f"INT{bits}", Integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))


def _counted(bits: int) -> Codes:
    return Codes.of(f"UINT{bits}", Integer(0, 2**bits - 1))


def _of_catalogue(key: str, label: str, about: str) -> Mapping:
    row = FORMATS[key]
    once = 32 if row.rule == "nvfp4" else 0
    family = "Blocks" if row.size else "Floats"
    return Mapping(key, label, family, row.rule, (Codes.of(label, row.element),), about, row.scale_bits, once_bits=once, size=row.size)


_INT_GROUP = FORMATS["int3-g64"]

MAPPINGS: dict[str, Mapping] = {
    mapping.key: mapping
    for mapping in (
        Mapping(
            "symmetric", "Symmetric", "Integers", "row", tuple(map(_symmetric, BITS)),
            "Whole numbers times a scale S. Zero stays zero.", shared_bits=32,
        ),
        Mapping(
            "affine", "Affine", "Integers", "affine", tuple(map(_signed, BITS)),
            "A scale S and a zero point Z, which moves the levels to where the numbers are.", shared_bits=32, code_stored=True,
        ),
        Mapping(
            "minmax", "Min–max", "Integers", "tensor", tuple(map(_counted, BITS)),
            "Levels at equal steps from the smallest number to the largest.", shared_bits=64,
        ),
        Mapping(
            "group", "Groups", "Integers", "group", tuple(map(_counted, BITS)),
            "A scale and a minimum for each group, 16 bits each, as in INT3 and INT2 under Compare.", shared_bits=_INT_GROUP.scale_bits,
            usual_size=_INT_GROUP.size,
        ),
        _of_catalogue("fp8-e4m3", "FP8 E4M3", "Four bits of exponent, three of fraction: finer."),
        _of_catalogue("fp8-e5m2", "FP8 E5M2", "Five bits of exponent, two of fraction: wider, coarser."),
        _of_catalogue("fp6-e2m3", "FP6 E2M3", "Two bits of exponent, three of fraction: finer."),
        _of_catalogue("fp6-e3m2", "FP6 E3M2", "Three bits of exponent, two of fraction: wider, coarser."),
        _of_catalogue("fp4-e2m1", "FP4 E2M1", "Two bits of exponent, one of fraction."),
        Mapping(
            "nf4", "NF4", "Quantiles", "row", (Codes("NF4", 4, NF4_VALUES, 1.0),),
            "16 levels at the quantiles of a normal distribution, with one for zero.", shared_bits=32,
        ),
        _of_catalogue("mxfp8", "MXFP8", "FP8 in blocks of 32, each with a power of two as its scale."),
        _of_catalogue("mxfp6", "MXFP6", "FP6 in blocks of 32, each with a power of two as its scale."),
        _of_catalogue("mxfp4", "MXFP4", "FP4 in blocks of 32, each with a power of two as its scale."),
        _of_catalogue("nvfp4", "NVFP4", "FP4 in blocks of 16, each with an FP8 scale, and one scale for all."),
    )
}  # fmt: skip

SCALE_CODES = Codes.of("E4M3", formats.E4M3)
"""What the scale of an nvfp4 block is rounded to."""
