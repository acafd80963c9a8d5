"""Every number format, as data: the values of a code, and the rule by which the numbers that share a scale find it.

An *element* says which numbers a code can stand for, a *rule* which weights share a scale and how that is stored. The rounding in
`engine/formats`, in the compiled kernels and on the Learn tab, the sizes, the simulated schemes and the README's table are all made from
these rows. `Format.to_page` is the JSON that JavaScript reads.
"""

from dataclasses import dataclass
from typing import Literal

from qdash.catalog.elements import E2M1, E2M3, E3M2, E4M3, E5M2, IQ4, Element, Integer
from qdash.catalog.scale_rules import (
    BY_GROUP,
    BY_ROW,
    BY_TENSOR,
    GGUF,
    GGUF_EXTREME,
    GGUF_MINMAX,
    IQ4_NL,
    IQ4_XS,
    MX,
    NVFP4,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    ScaleRule,
)


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
    group: Literal["", "GGUF"] = ""
    """What it is listed with, where that is not what its element and rule say."""

    def __post_init__(self) -> None:
        if (self.rule.shares in ("block", "group")) != (self.size is not None):
            raise ValueError(f"{self.key}: a {self.rule.shares} {'has no' if self.size else 'needs a'} size.")
        if self.rule.affine and self.element.values[0] != 0:
            raise ValueError(f"{self.key}: codes beside a minimum begin at zero, not at {self.element.values[0]:g}.")
        if self.rule.superblock and (not self.size or self.rule.superblock % self.size):
            raise ValueError(f"{self.key}: a superblock of {self.rule.superblock} is not made of blocks of {self.size}.")
        if not self.rule.makes_sense:
            raise ValueError(f"{self.key}: scales of the kind {self.rule.scale.kind} cannot be found so.")

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
        of_superblock = self.rule.superblock_bits / self.rule.superblock if self.rule.superblock else 0
        return self.bits + (self.rule.scale_bits / self.size if self.size else 0) + of_superblock

    @property
    def row_scale_bits(self) -> int:
        """Once for each row."""
        return self.rule.scale_bits if self.rule.shares == "row" else 0

    @property
    def divisor(self) -> int:
        """What has to divide the inputs of a layer: the block or superblock, as kernels of block formats want it; 1 for other formats."""
        return self.rule.superblock or self.size or 1 if self.rule.shares == "block" else 1

    @property
    def extent(self) -> int | None:
        """How many weights are rounded without regard to others: the superblock, or what shares a scale."""
        return self.rule.superblock or self.size

    @property
    def end(self) -> float:
        """The code onto which the largest weight is scaled."""
        return self.element.values[0] if self.rule.spans == "extreme" else self.element.largest


_OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0, section 5"
_OCP_MX = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6"
_NVFP4 = "NVIDIA cuDNN and Blackwell documentation of NVFP4; per-tensor scale as torchao 0.18 computes it"
_INT_ROW = "symmetric, without the lowest code of two's complement, as LLM.int8() (Dettmers et al. 2022, section 2)"
_INT_GROUP = "asymmetric round-to-nearest in groups, as the baseline of GPTQ (Frantar et al. 2022, section 2)"
_MINMAX = "linear min–max quantization of a whole tensor (Jacob et al. 2018, section 2.1)"

_GGML = "ggml's block types (ggml-common.h)"
_GGML_K = "ggml's k-quants: superblocks of 256 (ggml-common.h)"

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
        Format("int4-g64", "INT4", Integer(0, 15), BY_GROUP, _INT_GROUP, "16 levels for every group of 64 weights.", size=64),
        Format("int3-g64", "INT3", Integer(0, 7), BY_GROUP, _INT_GROUP, "8 levels for every group of 64 weights.", size=64),
        Format("int2-g64", "INT2", Integer(0, 3), BY_GROUP, _INT_GROUP, "4 levels for every group of 64 weights.", size=64),
        Format(
            "minmax-6", "Min–max 6-bit", Integer(0, 63), BY_TENSOR, _MINMAX,
            "64 equal steps from a layer's smallest weight to its largest.",
        ),
        Format(
            "minmax-4", "Min–max 4-bit", Integer(0, 15), BY_TENSOR, _MINMAX,
            "16 equal steps from a layer's smallest weight to its largest.",
        ),
        Format(
            "q4_0", "Q4_0", Integer(-8, 7), GGUF_EXTREME, _GGML,
            "4-bit integers in blocks of 32, each with a 16-bit scale; the largest weight becomes −8.", size=32, group="GGUF",
        ),
        Format(
            "q4_1", "Q4_1", Integer(0, 15), GGUF_MINMAX, _GGML,
            "16 equal steps from the smallest weight to the largest in blocks of 32, each with a scale and a minimum in 16 bits.",
            size=32, group="GGUF",
        ),
        Format(
            "q5_0", "Q5_0", Integer(-16, 15), GGUF_EXTREME, _GGML,
            "5-bit integers in blocks of 32, each with a 16-bit scale; the largest weight becomes −16.", size=32, group="GGUF",
        ),
        Format(
            "q5_1", "Q5_1", Integer(0, 31), GGUF_MINMAX, _GGML,
            "32 equal steps from the smallest weight to the largest in blocks of 32, each with a scale and a minimum in 16 bits.",
            size=32, group="GGUF",
        ),
        Format(
            "q8_0", "Q8_0", Integer(-127, 127), GGUF, _GGML,
            "8-bit integers in blocks of 32, each with a 16-bit scale.", size=32, group="GGUF",
        ),
        Format(
            "q2_k", "Q2_K", Integer(0, 3), Q2_K, _GGML_K,
            "4 steps in blocks of 16; each block has a scale and a minimum of 4 bits. Scales are searched for the least error.",
            size=16, group="GGUF",
        ),
        Format(
            "q3_k", "Q3_K", Integer(-4, 3), Q3_K, _GGML_K,
            "3-bit integers in blocks of 16; each block has a scale of 6 bits. Scales are searched for the least error.",
            size=16, group="GGUF",
        ),
        Format(
            "q4_k", "Q4_K", Integer(0, 15), Q4_K, _GGML_K,
            "16 steps in blocks of 32; each block has a scale and a minimum of 6 bits. Scales are searched for the least error.",
            size=32, group="GGUF",
        ),
        Format(
            "q5_k", "Q5_K", Integer(0, 31), Q5_K, _GGML_K,
            "32 steps in blocks of 32; each block has a scale and a minimum of 6 bits. Scales are searched for the least error.",
            size=32, group="GGUF",
        ),
        Format(
            "q6_k", "Q6_K", Integer(-32, 31), Q6_K, _GGML_K,
            "6-bit integers in blocks of 16; each block has a scale of 8 bits. Scales are searched for the least error.",
            size=16, group="GGUF",
        ),
        Format(
            "iq4_nl", "IQ4_NL", IQ4, IQ4_NL, _GGML,
            "16 levels, closer together in the middle, in blocks of 32, each with a 16-bit scale. Scales are searched for the least error.",
            size=32, group="GGUF",
        ),
        Format(
            "iq4_xs", "IQ4_XS", IQ4, IQ4_XS, _GGML_K,
            "The levels of IQ4_NL in blocks of 32; each block has a scale of 6 bits. Scales are searched for the least error.",
            size=32, group="GGUF",
        ),
    )
}  # fmt: skip
