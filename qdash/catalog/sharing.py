"""How the numbers of a quantized weight are stored: which of them share a scale, and what the codes beside that scale stand for."""

from dataclasses import dataclass
from typing import Literal

SIGNED = tuple(map(float, range(-128, 128)))
SYMMETRIC = SIGNED[1:]


@dataclass(frozen=True)
class Sharing:
    """`size` is the length of a block or group, None for a row or a tensor; `affine`: a minimum or zero point stands beside the scale."""

    shares: Literal["row", "group", "block", "tensor"]
    codes: tuple[float, ...]
    size: int | None = None
    affine: bool = False

    def group_size(self, columns: int) -> int:
        """How many neighbours in a row share a scale; 0: the whole tensor does."""
        return 0 if self.shares == "tensor" else min(self.size or columns, columns)
