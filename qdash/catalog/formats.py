"""Every number format, as data: the values of a code, and the rule by which the numbers that share a scale find it.

An *element* says which numbers a code can stand for, a *rule* which weights share a scale and how that is stored. The rounding in
`engine/formats`, in the compiled kernels and on the Learn tab, the sizes, the simulated schemes and the README's table are all made from
these rows. `Format.to_page` is the JSON that JavaScript reads.
"""

from dataclasses import dataclass
from typing import Any, Literal

from qdash.catalog.elements import E2M1, E2M3, E3M2, E4M3, E5M2, Element, Float, Integer, thresholds
from qdash.catalog.sharing import Granularity


@dataclass(frozen=True)
class ScaleType:
    """What a scale is stored as. `kind` names the arithmetic, in `engine/formats/rules.py` and `learn_rounding.js` alike.

    - float32, bfloat16: s = max|w| / largest, rounded to that.
    - e8m0: a power of two, 2^(⌊log2 max|w|⌋ − ⌊log2 largest⌋), so the largest weights may saturate (OCP MX).
    - float: s = max|w| / largest, rounded to the values of `element`.
    """

    kind: str
    bits: int
    element: Float | None = None


FLOAT32 = ScaleType("float32", 32)
BFLOAT16 = ScaleType("bfloat16", 16)
E8M0 = ScaleType("e8m0", 8)
E4M3_SCALE = ScaleType("float", E4M3.bits, E4M3)


@dataclass(frozen=True)
class ScaleRule:
    """Which weights share a scale, and how it is found.

    `shares`: a row (an output channel, or a token of an activation), a group or a block along the input, or the whole tensor. The last
    group of a row may be shorter; a block has to divide the row.

    `spans`: "absmax": w ≈ s · code, symmetric about zero. "minmax": w ≈ s · code + minimum, the minimum stored in the type of the scale,
    and the range of the codes begins at zero. "minmax with zero": the same of a range that always includes zero.

    `tensor_scale`: each scale is stored relative to one float32 for the whole tensor, max|W| / (largest scale · largest code).
    """

    shares: Granularity
    scale: ScaleType = FLOAT32
    spans: Literal["absmax", "minmax", "minmax with zero"] = "absmax"
    tensor_scale: bool = False

    @property
    def affine(self) -> bool:
        """Whether a minimum is stored beside the scale."""
        return self.spans != "absmax"

    @property
    def scale_bits(self) -> int:
        """Bits of the scale, and of the minimum where there is one."""
        return self.scale.bits * (2 if self.affine else 1)

    @property
    def needs_tensor(self) -> bool:
        """Whether rows cannot be rounded without knowing the whole tensor."""
        return self.shares == "tensor" or self.tensor_scale

    def to_page(self) -> dict[str, Any]:
        """For JSON."""
        element = self.scale.element
        scale: dict[str, Any] = {"kind": self.scale.kind}
        if element is not None:
            scale |= {"name": element.name, "smallest": element.smallest_normal, "largest": element.largest}
            scale |= {"values": element.values, "thresholds": thresholds(element)}
        return {"spans": self.spans, "affine": self.affine, "tensor": self.tensor_scale, "scale": scale}


BY_ROW = ScaleRule("row")
MX = ScaleRule("block", E8M0)
NVFP4 = ScaleRule("block", E4M3_SCALE, tensor_scale=True)
BY_GROUP = ScaleRule("group", BFLOAT16, "minmax with zero")
BY_TENSOR = ScaleRule("tensor", FLOAT32, "minmax")


@dataclass(frozen=True)
class Format:
    """One row: how the numbers of a tensor (out, in) are stored, and the simulated scheme that shows it.

    `source` is where the format is specified. `about` describes the scheme, `hint` the format on the Learn tab, where that says it more
    briefly. Raises ValueError for a block or group without a `size`, and for a minimum beside codes that do not begin at zero.
    """

    key: str
    label: str
    element: Element
    rule: ScaleRule
    source: str
    about: str
    hint: str = ""
    size: int | None = None
    """The length of a block or group; None: the rule's own extent."""
    activations: bool = False
    """Whether the scheme rounds the inputs of layers as well."""
    scheme: str = ""
    """The key of the scheme; empty: that of the format."""

    def __post_init__(self) -> None:
        if (self.rule.shares in ("block", "group")) != (self.size is not None):
            raise ValueError(f"{self.key}: a {self.rule.shares} {'has no' if self.size else 'needs a'} size.")
        if self.rule.affine and self.element.values[0] != 0:
            raise ValueError(f"{self.key}: codes beside a minimum begin at zero, not at {self.element.values[0]:g}.")

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
        return self.bits + (self.rule.scale_bits / self.size if self.size else 0)

    @property
    def row_scale_bits(self) -> int:
        """Once for each row."""
        return self.rule.scale_bits if self.rule.shares == "row" else 0

    @property
    def divides_only(self) -> bool:
        """Whether `size` has to divide the inputs of a layer, as the kernels of block formats want it."""
        return self.rule.shares == "block"


_OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0, section 5"
_OCP_MX = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6"
_NVFP4 = "NVIDIA cuDNN and Blackwell documentation of NVFP4; per-tensor scale as torchao 0.18 computes it"
_INT_ROW = "symmetric, without the lowest code of two's complement, as LLM.int8() (Dettmers et al. 2022, section 2)"
_INT_GROUP = "asymmetric round-to-nearest in groups, as the baseline of GPTQ (Frantar et al. 2022, section 2)"
_MINMAX = "linear min–max quantization of a whole tensor (Jacob et al. 2018, section 2.1)"

FORMATS: dict[str, Format] = {
    number_format.key: number_format
    for number_format in (
        Format(
            "fp8-e4m3", "FP8 E4M3", E4M3, BY_ROW, _OCP_FP8,
            "8-bit floats with 4 exponent and 3 mantissa bits, one scale per row.",
            "Four bits of exponent, three of fraction: finer.",
        ),
        Format(
            "fp8-e5m2", "FP8 E5M2", E5M2, BY_ROW, _OCP_FP8,
            "8-bit floats with 5 exponent and 2 mantissa bits, one scale per row.",
            "Five bits of exponent, two of fraction: wider, coarser.",
        ),
        Format(
            "fp6-e2m3", "FP6 E2M3", E2M3, BY_ROW, _OCP_MX,
            "6-bit floats with 2 exponent and 3 mantissa bits, one scale per row.",
            "Two bits of exponent, three of fraction: finer.",
        ),
        Format(
            "fp6-e3m2", "FP6 E3M2", E3M2, BY_ROW, _OCP_MX,
            "6-bit floats with 3 exponent and 2 mantissa bits, one scale per row.",
            "Three bits of exponent, two of fraction: wider, coarser.",
        ),
        Format(
            "fp4-e2m1", "FP4 E2M1", E2M1, BY_ROW, _OCP_MX,
            "4-bit floats with 2 exponent bits and 1 mantissa bit, one scale per row.",
            "Two bits of exponent, one of fraction.",
        ),
        Format(
            "mxfp8", "MXFP8", E4M3, MX, _OCP_MX,
            "Blocks of 32 E4M3 floats that share a power of two as their scale; weights and activations.",
            "FP8 in blocks of 32, each with a power of two as its scale.", size=32, activations=True,
        ),
        Format(
            "mxfp6", "MXFP6", E2M3, MX, _OCP_MX,
            "Blocks of 32 E2M3 floats that share a power of two as their scale; weights and activations.",
            "FP6 in blocks of 32, each with a power of two as its scale.", size=32, activations=True,
        ),
        Format(
            "mxfp4", "MXFP4", E2M1, MX, _OCP_MX,
            "Blocks of 32 E2M1 floats that share a power of two as their scale; weights and activations.",
            "FP4 in blocks of 32, each with a power of two as its scale.", size=32, activations=True,
        ),
        Format(
            "nvfp4", "NVFP4", E2M1, NVFP4, _NVFP4,
            "Blocks of 16 E2M1 floats that share an E4M3 number as scale; weights and activations.",
            "FP4 in blocks of 16, each with an FP8 scale, and one scale for all.", size=16, activations=True,
        ),
        Format(
            "int8-row", "W8A8", Integer(-127, 127), BY_ROW, _INT_ROW,
            "8-bit integers: weights with one scale per row, activations with one per token.", activations=True, scheme="sim-w8a8",
        ),
        Format(
            "int4-row", "W4A4", Integer(-7, 7), BY_ROW, _INT_ROW,
            "True 4-bit integers: weights with one scale per row, activations with one per token.", activations=True, scheme="sim-w4a4",
        ),
        Format("int3-g64", "INT3", Integer(0, 7), BY_GROUP, _INT_GROUP, "8 levels for every group of 64 weights.", size=64),
        Format("int2-g64", "INT2", Integer(0, 3), BY_GROUP, _INT_GROUP, "4 levels for every group of 64 weights.", size=64),
        Format(
            "minmax-6", "Min–max, 64 levels", Integer(0, 63), BY_TENSOR, _MINMAX,
            "64 equal steps from a layer's smallest weight to its largest.",
        ),
        Format(
            "minmax-4", "Min–max, 16 levels", Integer(0, 15), BY_TENSOR, _MINMAX,
            "16 equal steps from a layer's smallest weight to its largest.",
        ),
    )
}  # fmt: skip
