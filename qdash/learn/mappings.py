"""The ways to quantize that can be played with, as data: what each rounds to, what shares a scale, what that costs to store.

The page's own script does the arithmetic, so that a slider answers at once. All it has about a format comes from here, that is from
`catalog.formats`; tests hold its results to those of `engine/formats`, bit for bit.
"""

from dataclasses import dataclass
from typing import Any, Literal

from qdash.catalog.elements import NF4, Element, Float, Integer, Ties, thresholds
from qdash.catalog.formats import FORMATS, Format
from qdash.catalog.scale_rules import BY_GROUP, BY_ROW, BY_TENSOR, ScaleRule
from qdash.present.language import N_, _

MappingRule = ScaleRule | Literal["affine"]
"""As in `catalog.formats`, for whatever shares a scale here; or "affine", the textbook's: r ≈ S · (q − Z) with a whole number Z."""

Heading = Literal["Integers", "Floats", "Tables", "Blocks", "GGUF"]
HEADINGS: dict[Heading, str] = {
    "Integers": N_("Integers"), "Floats": N_("Floats"), "Tables": N_("Tables"), "Blocks": N_("Blocks"), "GGUF": N_("GGUF"),
}  # fmt: skip
"""The families, as sentences of the catalogue of messages."""

BITS = range(2, 9)
"""Widths of the integers."""

SIZES = (None, 256, 128, 64, 32, 16, 8)
"""How many weights share a scale; None: all that are shown."""


@dataclass(frozen=True)
class Codes:
    """An element of the catalogue, under the name that is shown."""

    name: str
    element: Element

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self.element.bits

    @property
    def values(self) -> tuple[float, ...]:
        """What the codes stand for before scaling, ascending."""
        return self.element.values

    @property
    def largest(self) -> float:
        """What the range is scaled onto."""
        return float(self.element.largest)

    def to_page(self, ties: Ties) -> dict[str, Any]:
        """For JSON; `layout`: exponent bits, mantissa bits and bias of a float. `ties`: as the rule has it."""
        element = self.element
        return {
            "name": self.name, "bits": self.bits, "kind": type(element).__name__.lower(),
            "values": self.values, "thresholds": thresholds(element, ties), "largest": self.largest,
            "layout": (element.exponent_bits, element.mantissa_bits, element.bias) if isinstance(element, Float) else None,
        }  # fmt: skip


@dataclass(frozen=True)
class Mapping:
    """One choice. Its `codes` differ in bits, fewest first; `size` is that of a format which leaves no choice."""

    key: str
    label: str
    family: Heading
    rule: MappingRule
    codes: tuple[Codes, ...]
    about: str
    size: int | None = None
    usual_size: int | None = None
    """What is set when this is chosen while all share one scale."""

    @property
    def shared_bits(self) -> int:
        """Stored for each group: the scale, and a minimum where there is one."""
        return 32 if self.rule == "affine" else self.rule.scale_bits

    @property
    def superblock_bits(self) -> float:
        """Stored for each number: its part of what a superblock has."""
        if self.rule == "affine" or not self.rule.superblock:
            return 0.0
        return self.rule.superblock_bits / self.rule.superblock

    @property
    def code_stored(self) -> bool:
        """Whether the zero point, as wide as a code, is stored beside the scale."""
        return self.rule == "affine"

    @property
    def once_bits(self) -> int:
        """Stored once for all."""
        return 32 if self.rule != "affine" and self.rule.tensor_scale else 0

    def to_page(self) -> dict[str, Any]:
        """What the page's script wants to know, for JSON; words in the language that is set."""
        rule, ties = ("affine", "even") if self.rule == "affine" else (self.rule.to_page(), self.rule.ties)
        return {
            "key": self.key, "label": _(self.label), "family": self.family, "about": _(self.about), "rule": rule,
            "shared": self.shared_bits, "zero": self.code_stored, "once": self.once_bits, "each": self.superblock_bits,
            "size": self.size, "usual": self.usual_size, "codes": [codes.to_page(ties) for codes in self.codes],
        }  # fmt: skip


def _symmetric(bits: int) -> Codes:
    end = 2 ** (bits - 1) - 1
    return Codes(f"INT{bits}", Integer(-end, end))


def _signed(bits: int) -> Codes:
    return Codes(f"INT{bits}", Integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))


def _counted(bits: int) -> Codes:
    return Codes(f"UINT{bits}", Integer(0, 2**bits - 1))


def _of_catalogue(row: Format) -> Mapping:
    return Mapping(row.key, row.label, _family(row), row.rule, (Codes(row.label, row.element),), row.hint or row.about, size=row.size)


def _family(row: Format) -> Heading:
    if row.group:
        return row.group
    if row.size is not None:
        return "Blocks"
    return "Floats" if isinstance(row.element, Float) else "Integers" if isinstance(row.element, Integer) else "Tables"


_INTEGERS = (
    Mapping(
        "symmetric", N_("Symmetric"), "Integers", BY_ROW, tuple(map(_symmetric, BITS)),
        N_("Whole numbers times a scale S. Zero stays zero."),
    ),
    Mapping(
        "affine", N_("Affine"), "Integers", "affine", tuple(map(_signed, BITS)),
        N_("A scale S and a zero point Z, which moves the levels to where the numbers are."),
    ),
    Mapping(
        "minmax", N_("Min–max"), "Integers", BY_TENSOR, tuple(map(_counted, BITS)),
        N_("Levels at equal steps from the smallest number to the largest."),
    ),
    Mapping(
        "group", N_("Groups"), "Integers", BY_GROUP, tuple(map(_counted, BITS)),
        N_("A scale and a minimum for each group, 16 bits each, as in INT3 and INT2 under Compare."), usual_size=FORMATS["int3-g64"].size,
    ),
)  # fmt: skip
"""Of any width; formats of integers under these rules need no choice of their own."""

_NF4 = Mapping(
    "nf4", "NF4", "Tables", BY_ROW, (Codes("NF4", NF4),), N_("16 levels at the quantiles of a normal distribution, with one for zero.")
)

_RULES_OF_INTEGERS = {mapping.rule for mapping in _INTEGERS}
_FORMATS = [_of_catalogue(row) for row in FORMATS.values() if not (isinstance(row.element, Integer) and row.rule in _RULES_OF_INTEGERS)]

MAPPINGS: dict[str, Mapping] = {
    mapping.key: mapping
    for mapping in (
        *_INTEGERS,
        *(mapping for mapping in _FORMATS if mapping.size is None),
        _NF4,
        *(mapping for mapping in _FORMATS if mapping.size is not None),
    )
}
