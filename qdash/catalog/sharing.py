"""How the numbers of a quantized weight are stored: which of them share a scale, and what the codes beside that scale stand for."""

from dataclasses import dataclass
from typing import Literal

Granularity = Literal["row", "group", "block", "tensor"]
"""What shares a scale: an output channel, a stretch of one along the input (a block divides the row, a group need not), or everything."""

SIGNED = tuple(map(float, range(-128, 128)))
SYMMETRIC = SIGNED[1:]


@dataclass(frozen=True)
class Sharing:
    """`size` is the length of a block or group, None for a row or a tensor; `affine`: a minimum or zero point stands beside the scale."""

    shares: Granularity
    codes: tuple[float, ...]
    size: int | None = None
    affine: bool = False

    def group_size(self, columns: int) -> int:
        """How many neighbours in a row share a scale; 0: the whole tensor does."""
        return 0 if self.shares == "tensor" else min(self.size or columns, columns)
