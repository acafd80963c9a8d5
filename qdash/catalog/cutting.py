"""How many neurons of an MLP, or heads of an attention block, stay where a share of them is cut out: arithmetic that needs no model."""

from dataclasses import dataclass
from typing import Literal

MULTIPLE = 8
"""Kernels of GPUs are fast for sizes that are multiples of this."""


Side = Literal["outputs", "inputs", "groups"]
"""Of what a layer has of a block: see `Cut`."""


@dataclass(frozen=True)
class Cut:
    """What a layer has of a block that can be made smaller: of an MLP's `units` neurons, or of an attention block's heads.

    `groups`: how many of its heads have keys and values of their own, which the others share; 1 in an MLP. `side`: whether the units are
    the layer's outputs or its inputs, or the outputs are the groups' keys or values.
    """

    of: Literal["neurons", "heads"]
    units: int
    groups: int
    side: Side

    def kept(self, percent: int) -> float:
        """The share of the layer that stays if `percent` of the units are to go."""
        if self.of == "neurons":
            return neurons_kept(self.units, percent) / self.units
        groups, each = heads_kept(self.units, self.groups, percent)
        return groups / self.groups if self.side == "groups" else groups * each / self.units


def neurons_kept(neurons: int, percent: int) -> int:
    """How many of an MLP's neurons stay: the nearest number, which is a multiple of 8 where they are, and at least 1 or 8."""
    step = MULTIPLE if neurons % MULTIPLE == 0 else 1
    return max(_nearest(neurons * (100 - percent), 100 * step), 1) * step


def heads_kept(heads: int, groups: int, percent: int) -> tuple[int, int]:
    """How many groups of heads stay, and how many heads each of these keeps.

    Whole groups go, or the same number of heads of every group, whichever comes nearer to the share; a group and a head stay at least.
    """
    each = heads // groups
    fewer_groups, fewer_each = max(_nearest(groups * (100 - percent), 100), 1), max(_nearest(each * (100 - percent), 100), 1)
    wanted = heads * (100 - percent)
    if abs(100 * groups * fewer_each - wanted) < abs(100 * fewer_groups * each - wanted):
        return groups, fewer_each
    return fewer_groups, each


def _nearest(dividend: int, divisor: int) -> int:
    """The whole number nearest to a quotient; of two the smaller, so that more is cut out."""
    return -((divisor - 2 * dividend) // (2 * divisor))
