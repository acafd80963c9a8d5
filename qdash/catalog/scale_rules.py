"""Rules of number formats: which weights share a scale, how it is stored, and how it is found."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from qdash.catalog.elements import E4M3, Float, Integer, Ties, thresholds
from qdash.catalog.types import Granularity


@dataclass(frozen=True)
class ScaleType:
    """What a scale is stored as. `kind` names the arithmetic, in `engine/formats/rules.py` and `learn_rounding.js` alike.

    - float32, bfloat16: s = max|w| / largest, rounded to that.
    - e8m0: a power of two, 2^(⌊log2 max|w|⌋ − ⌊log2 largest⌋), so the largest weights may saturate (OCP MX).
    - float: s = max|w| / largest, rounded to the values of `element`.
    - float16: s = max|w| / largest; codes are found with it, and only then it is rounded to that (ggml).
    - steps: a value of `element`, an `Integer`, times a step in float16 that all blocks of a superblock share (ggml).
    """

    kind: str
    bits: int
    element: Float | Integer | None = None


FLOAT32 = ScaleType("float32", 32)
BFLOAT16 = ScaleType("bfloat16", 16)
E8M0 = ScaleType("e8m0", 8)
E4M3_SCALE = ScaleType("float", E4M3.bits, E4M3)
FLOAT16 = ScaleType("float16", 16)


def steps(element: Integer) -> ScaleType:
    """Scales of a superblock."""
    return ScaleType("steps", element.bits, element)


Importance = Literal["square", "magnitude", "magnitude+mean"]
"""How much the error of a weight w counts: w², |w|, or |w| + √(mean of w²)."""


@dataclass(frozen=True)
class Grid:
    """A scale that is found by trying, for the least Σ importance · error² over the weights that share it; or Σ importance · |error|.

    The range is put on `n` + δ steps for each δ of `offsets`, where n is what the range of the codes has. From the codes that this gives
    follow the best scale and the best minimum by least squares. The best of all these is kept.
    """

    importance: Importance
    offsets: tuple[float, ...]
    absolute: bool = False


@dataclass(frozen=True)
class Descent:
    """A scale that is found by changing the codes of the range's own scale, for the least Σ importance · error².

    One weight after another takes the code that is nearest to it under the best scale for all others, if that leaves less error; so often
    as `sweeps` says. As in ggml, this is done only where the weight farthest from zero is negative.
    """

    importance: Importance
    sweeps: int


def tenths(first: int, last: int) -> tuple[float, ...]:
    """first/10, …, last/10."""
    return tuple(tenth / 10 for tenth in range(first, last + 1))


Spans = Literal["absmax", "extreme", "minmax", "minmax with zero", "minmax below zero"]


@dataclass(frozen=True)
class ScaleRule:
    """Which weights share a scale, and how it is found.

    `shares`: a row (an output channel, or a token of an activation), a group or a block along the input, or the whole tensor. The last
    group of a row may be shorter; a block has to divide the row.

    `spans`: "absmax": w ≈ s · code, symmetric about zero. "extreme": the same, but the weight farthest from zero becomes the lowest code;
    where it is positive the scale is negative. "minmax": w ≈ s · code + minimum, the minimum stored in the type of the scale, and the range
    of the codes begins at zero. "minmax with zero": the same of a range that always includes zero. "minmax below zero": the same of a range
    that begins at zero or below.

    `tensor_scale`: each scale is stored relative to one float32 for the whole tensor, max|W| / (largest scale · largest code).

    `superblock`: how many weights share the step of their scales, and another one of their minima, each a float16.

    `search`: how the scale is found where it is not that of the range. `ties`: where a number halfway between two codes goes.
    """

    shares: Granularity
    scale: ScaleType = FLOAT32
    spans: Spans = "absmax"
    tensor_scale: bool = False
    superblock: int | None = None
    search: Grid | Descent | None = None
    ties: Ties = "even"

    @property
    def affine(self) -> bool:
        """Whether a minimum is stored beside the scale."""
        return self.spans not in ("absmax", "extreme")

    @property
    def scale_bits(self) -> int:
        """Bits of the scale, and of the minimum where there is one."""
        return self.scale.bits * (2 if self.affine else 1)

    @property
    def superblock_bits(self) -> int:
        """Bits of the steps of a superblock."""
        return FLOAT16.bits * (2 if self.affine else 1) if self.superblock else 0

    @property
    def effort(self) -> int:
        """About how many times as long rounding takes as with a scale that follows from the range."""
        if self.search is None:
            return 1
        return 5 * (len(self.search.offsets) if isinstance(self.search, Grid) else self.search.sweeps)

    @property
    def needs_tensor(self) -> bool:
        """Whether rows cannot be rounded without knowing the whole tensor."""
        return self.shares == "tensor" or self.tensor_scale

    @property
    def makes_sense(self) -> bool:
        """Steps are those of a superblock and are searched, with a minimum on a grid and below zero; else only float16 may be searched."""
        if self.scale.kind != "steps":
            may_search = self.scale.kind == "float16" and not self.affine
            return self.superblock is None and (self.search is None or may_search)
        on_grid = isinstance(self.search, Grid) and self.spans == "minmax below zero"
        return self.superblock is not None and (on_grid if self.affine else self.search is not None)

    def to_page(self) -> dict[str, Any]:
        """For JSON."""
        element = self.scale.element
        scale: dict[str, Any] = {"kind": self.scale.kind}
        if isinstance(element, Float):
            scale |= {"name": element.name, "smallest": element.smallest_normal, "largest": element.largest}
            scale |= {"values": element.values, "thresholds": thresholds(element)}
        if isinstance(element, Integer):
            scale |= {"bits": element.bits, "lowest": element.lowest, "largest": element.largest}
        search = None if self.search is None else asdict(self.search)
        rule = {"spans": self.spans, "affine": self.affine, "tensor": self.tensor_scale, "scale": scale}
        return rule | {"superblock": self.superblock, "search": search}


BY_ROW = ScaleRule("row")
MX = ScaleRule("block", E8M0)
NVFP4 = ScaleRule("block", E4M3_SCALE, tensor_scale=True)
BY_GROUP = ScaleRule("group", BFLOAT16, "minmax with zero")
BY_TENSOR = ScaleRule("tensor", FLOAT32, "minmax")

# The rules of ggml, and how llama.cpp finds scales where it was not told which weights are important.
GGUF = ScaleRule("block", FLOAT16, ties="away")
GGUF_EXTREME = ScaleRule("block", FLOAT16, "extreme", ties="up")
GGUF_MINMAX = ScaleRule("block", FLOAT16, "minmax", ties="up")
_BELOW_ZERO = ScaleRule("block", steps(Integer(0, 63)), "minmax below zero", superblock=256)
_EXTREME = ScaleRule("block", steps(Integer(-32, 31)), "extreme", superblock=256)
Q2_K = replace(_BELOW_ZERO, scale=steps(Integer(0, 15)), search=Grid("magnitude", tenths(-5, 10), absolute=True))
Q3_K = replace(_EXTREME, search=Descent("square", 5))
Q4_K = replace(_BELOW_ZERO, search=Grid("magnitude+mean", tenths(-10, 10)))
Q5_K = replace(_BELOW_ZERO, search=Grid("magnitude+mean", tenths(-5, 10)))
Q6_K = replace(_EXTREME, scale=steps(Integer(-128, 127)), search=Grid("square", tenths(-9, 9)))
# With 254 steps more, the largest weight is put on 127 in place of −127.
_LEVELS = Grid("square", (-254.0, *map(float, range(-7, 8))))
IQ4_NL = ScaleRule("block", FLOAT16, "extreme", search=_LEVELS)
IQ4_XS = replace(_EXTREME, search=_LEVELS)
