"""The histogram of a layer that collapses to the levels of its format.

Each row or group has a scale of its own, so plain weights of a rounded layer take thousands of values. Relative to the range of what shares
their scale they take as many as the format has, which is what is counted here.
"""

import torch
from torch import Tensor

from qdash.catalog.format_series import SERIES
from qdash.catalog.formats import Format
from qdash.engine.play.edits import edited, rounding_of
from qdash.engine.play.working_copy import WorkingCopy
from qdash.records import Levels

BINS = 127
"""Odd, so that zero has a bin of its own."""

MOST_WEIGHTS = 1 << 20
"""Whole rows of a larger layer are counted up to this."""


@torch.no_grad()
def levels_of(copy: WorkingCopy, layer: str) -> Levels:
    """Count the weights of `layer` before and after, in the ranges of its format; a layer that is not rounded in those of its rows."""
    original = copy.weights[layer]
    some = max(1, MOST_WEIGHTS // original.shape[1])
    edits = copy.edits_of(layer)
    rounding = rounding_of(edits)
    number_format = rounding.format if rounding is not None else SERIES["int-row"].at(8)
    plain = edited(original, edits)[0][:some]
    return Levels(
        layer=layer,
        original=_counts(original[:some], original[:some], number_format),
        now=_counts(copy.rows_of(layer)[:some], plain, number_format),
        levels=len(number_format.values) if rounding is not None and rounding.bits <= 8 else None,
    )


def _counts(values: Tensor, ranging: Tensor, number_format: Format) -> tuple[int, ...]:
    """How many `values` lie in each bin, relative to the range of the weights `ranging` that share their scale."""
    values, ranging = (_shared(tensor.float(), number_format.size) for tensor in (values, ranging))
    if number_format.rule.affine:
        low, high = ranging.amin(-1, keepdim=True).clamp(max=0), ranging.amax(-1, keepdim=True).clamp(min=0)
    else:
        high = ranging.abs().amax(-1, keepdim=True)
        low = -high
    places = ((values - low) / (high - low) * BINS).nan_to_num(BINS / 2).clamp(0, BINS - 1).long()
    return tuple(torch.bincount(places.view(-1), minlength=BINS).tolist())


def _shared(weight: Tensor, size: int | None) -> Tensor:
    """The weights (…, n), whose last dimension shares a scale; a last group that is shorter is left out."""
    if size is None or weight.shape[1] < size:
        return weight
    return weight[:, : weight.shape[1] // size * size].unflatten(1, (-1, size))
