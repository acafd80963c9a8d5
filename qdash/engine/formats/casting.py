"""Rounding to the values of an element with a handful of operations on whole tensors.

On a CPU this is quicker than torch's own conversion to `float8_e4m3fn` and back, works for types that torch has not, and for all of them
alike. The functions here change their argument; `qdash.engine.formats` has the pure ones.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from qdash.catalog.elements import Element, Integer, Table, Ties, thresholds

FLOAT32_MANTISSA = 23
FLOAT32_EXPONENT = 0x7F800000
TO_MAGIC = 1.5 * 2.0**FLOAT32_MANTISSA
MOST_HALVES = 1 << 12  # entries of a table that is looked up by multiples of ½


def saturate_(values: Tensor, element: Element, ties: Ties = "even") -> Tensor:
    """`nearest_` of any float32 `values`: what lies beyond the element's range is put on its end."""
    return nearest_(values.clamp_(element.values[0], element.values[-1]), element, ties)


def nearest_(values: Tensor, element: Element, ties: Ties = "even") -> Tensor:
    """Round float32 `values` to the nearest of the element's. They must be within its range, NaN stays; −0 may become 0.

    The result is that of the element's `thresholds`. A table is looked up; floats and integers need not be: adding c = 1.5 · 2^23 · step to
    x and taking it away again leaves x rounded to a multiple of `step`, ties to even, because `step` is the spacing of float32 around c.
    The step of integers is 1 (`round_` would wake torch's threads). That of floats at x is 2^(exponent of x − mantissa_bits), and below
    the smallest normal number what it is there; the power of two is cut from the bits of x.
    """
    if isinstance(element, Table):
        return _looked_up_(values, element)
    if isinstance(element, Integer):
        return _WHOLE[ties](values, element)
    power = values.view(torch.int32).bitwise_and(FLOAT32_EXPONENT).view(torch.float32).clamp_(min=element.smallest_normal)
    to_magic = TO_MAGIC * 2.0**-element.mantissa_bits
    return values.add_(power, alpha=to_magic).sub_(power, alpha=to_magic)


def _to_even_(values: Tensor, element: Integer) -> Tensor:
    return values.add_(TO_MAGIC).sub_(TO_MAGIC)


def _up_(values: Tensor, element: Integer) -> Tensor:
    return values.add_(0.5 - element.lowest).floor_().add_(element.lowest)


def _away_(values: Tensor, element: Integer) -> Tensor:
    """A fraction is exact, and so is twice that; the sum of a number and ½ need not be. Zero has no sign."""
    whole = values.trunc().add_(0.0)
    return values.sub_(whole).mul_(2).trunc_().add_(whole)


_WHOLE: dict[Ties, Callable[[Tensor, Integer], Tensor]] = {"even": _to_even_, "up": _up_, "away": _away_}


def _looked_up_(values: Tensor, element: Table) -> Tensor:
    """Where all thresholds are multiples of ½, what lies between two of these becomes the same: looking that up is quicker."""
    broken, halves = values.isnan(), _halves(element)
    if halves is None:
        found = values.new_tensor(element.values)[torch.bucketize(values.contiguous(), values.new_tensor(thresholds(element)))]
    else:
        places = values.mul(2).ceil_().sub_(2 * element.values[0]).masked_fill_(broken, 0).int()
        found = values.new_tensor(halves).index_select(0, places.flatten()).view_as(values)
    return values.copy_(found.masked_fill_(broken, torch.nan))


@cache
def _halves(element: Table) -> tuple[float, ...] | None:
    """What becomes of each multiple of ½, and of what lies less than ½ below it; None if thresholds lie elsewhere."""
    limits, first, last = thresholds(element), 2 * element.values[0], 2 * element.values[-1]
    if last - first > MOST_HALVES or any(2 * value % 1 for value in (*limits, first / 2, last / 2)):
        return None
    numbers = [number / 2 for number in range(int(first), int(last) + 1)]
    return tuple(element.values[sum(limit < number for limit in limits)] for number in numbers)
