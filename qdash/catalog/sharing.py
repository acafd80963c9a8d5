"""How the numbers of a quantized weight are stored: which of them share a scale, and what the codes beside that scale stand for."""

from dataclasses import dataclass

from qdash.catalog.types import Granularity

SIGNED = tuple(map(float, range(-128, 128)))
SYMMETRIC = SIGNED[1:]


@dataclass(frozen=True)
class Sharing:
    """`size` is the length of a block or group, None for a row or a tensor; `affine`: a minimum or zero point stands beside the scale.
    `codes` is empty where weights that share a scale are not the codes of one grid.

    `includes_zero`: whether the range of an affine scale does, whatever the weights. `searched`: whether the scale is found by trying, so
    that it is only near that of the range.
    """

    shares: Granularity
    codes: tuple[float, ...]
    size: int | None = None
    affine: bool = False
    includes_zero: bool = True
    searched: bool = False

    def group_size(self, columns: int) -> int:
        """How many neighbours in a row share a scale; 0: the whole tensor does."""
        return 0 if self.shares == "tensor" else min(self.size or columns, columns)
