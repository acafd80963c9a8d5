"""Blocks whose scales are whole numbers of steps (the scale type "steps"): a superblock has one step for them, and one for their minima."""

from typing import NamedTuple

import torch
from torch import Tensor

from qdash.catalog.elements import Integer
from qdash.catalog.formats import Format
from qdash.engine.formats.casting import saturate_
from qdash.engine.formats.searching import best_scale, best_scale_and_minimum, steps_over


class Superblocks(NamedTuple):
    """What is stored of weights (…, superblock), as float32: w ≈ step · scale · code, less minimum_step · minimum."""

    codes: Tensor
    """(…, blocks, size): what the codes stand for."""
    scales: Tensor
    """(…, blocks, 1): whole numbers."""
    step: Tensor
    """(…, 1, 1): float16."""
    minima: Tensor | None = None
    minimum_step: Tensor | None = None

    def restored(self) -> Tensor:
        """The weights that these stand for, (…, blocks, size)."""
        weights = self.codes * (self.step * self.scales)
        if self.minima is None or self.minimum_step is None:
            return weights
        return weights.sub_(self.minimum_step * self.minima)


def superblocks_of(values: Tensor, number_format: Format) -> Superblocks:
    """`values` (…, superblock) as a format with a rule of superblocks stores them; its step is NaN where one of them is no number."""
    blocks = values.unflatten(-1, (-1, number_format.size))
    broken = ~values.isfinite().all(-1)[..., None, None]
    columns = blocks.flatten(0, -2).t().contiguous()
    scale_element = number_format.rule.scale.element
    assert isinstance(scale_element, Integer)
    if not number_format.rule.affine:
        found = best_scale(columns, number_format).view(*blocks.shape[:-1], 1)
        scales, step = _in_steps(found, scale_element)
        step = step.masked_fill(broken, torch.nan)
        return Superblocks(_codes(blocks, step * scales, number_format), scales, step)
    found, minimum = (part.view(*blocks.shape[:-1], 1) for part in best_scale_and_minimum(columns, number_format))
    scales, step = _in_steps(found, scale_element)
    minima, minimum_step = _in_steps(-minimum, scale_element)
    step = step.masked_fill(broken, torch.nan)
    codes = _codes(blocks + minimum_step * minima, step * scales, number_format)
    return Superblocks(codes, scales, step, minima, minimum_step)


def _in_steps(scales: Tensor, element: Integer) -> tuple[Tensor, Tensor]:
    """Whole numbers for `scales` (…, blocks, 1) and their step, which is found before it is rounded to 16 bits.

    The largest scale becomes the largest number; where numbers have a sign, the one farthest from zero becomes the lowest.
    """
    end = element.lowest or element.largest
    farthest = scales.gather(-2, scales.abs().argmax(-2, keepdim=True))
    step = farthest / farthest.new_full((), end)
    return saturate_(scales * steps_over(farthest, end), element), step.half().float()


def _codes(values: Tensor, scale: Tensor, number_format: Format) -> Tensor:
    """What the codes stand for. A scale of zero has the code of zero, or of what is nearest to it."""
    return saturate_(values / scale.masked_fill(scale == 0, torch.inf), number_format.element)
