"""Rounding to the values of an element with a handful of operations on whole tensors.

On a CPU this is quicker than torch's own conversion to `float8_e4m3fn` and back, works for types that torch has not, and for all of them
alike. The functions here change their argument; `qdash.engine.formats` has the pure ones.
"""

import torch
from torch import Tensor

from qdash.catalog.elements import Element, Integer, Table, thresholds

FLOAT32_MANTISSA = 23
FLOAT32_EXPONENT = 0x7F800000
TO_MAGIC = 1.5 * 2.0**FLOAT32_MANTISSA


def saturate_(values: Tensor, element: Element) -> Tensor:
    """`nearest_` of any float32 `values`: what lies beyond the element's range is put on its end."""
    return nearest_(values.clamp_(element.values[0], element.values[-1]), element)


def nearest_(values: Tensor, element: Element) -> Tensor:
    """Round float32 `values` to the nearest of the element's. They must be within its range, NaN stays; −0 may become 0.

    The result is that of the element's `thresholds`. A table is looked up; floats and integers need not be: adding c = 1.5 · 2^23 · step to
    x and taking it away again leaves x rounded to a multiple of `step`, ties to even, because `step` is the spacing of float32 around c.
    The step of integers is 1 (`round_` would wake torch's threads). That of floats at x is 2^(exponent of x − mantissa_bits), and below
    the smallest normal number what it is there; the power of two is cut from the bits of x.
    """
    if isinstance(element, Table):
        codes = torch.bucketize(values, values.new_tensor(thresholds(element)))
        return values.copy_(values.new_tensor(element.values)[codes].masked_fill_(values.isnan(), torch.nan))
    if isinstance(element, Integer):
        return values.add_(TO_MAGIC).sub_(TO_MAGIC)
    power = values.view(torch.int32).bitwise_and(FLOAT32_EXPONENT).view(torch.float32).clamp_(min=element.smallest_normal)
    to_magic = TO_MAGIC * 2.0**-element.mantissa_bits
    return values.add_(power, alpha=to_magic).sub_(power, alpha=to_magic)
