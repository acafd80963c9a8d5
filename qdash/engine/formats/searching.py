"""Scales that are found by trying (`catalog.formats.Grid` and `Descent`): weighted least squares.

Weights are (n, blocks): those of the first dimension share a scale, so that every operation runs along memory. Sums are added up in a fixed
order, halves onto halves, in float32: a CPU, a GPU and the JavaScript of the Learn tab find the same scale, to the same bit.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from qdash.catalog.elements import Element
from qdash.catalog.formats import Format
from qdash.catalog.scale_rules import Descent, Grid
from qdash.engine.accelerator import float64_device
from qdash.engine.formats.casting import saturate_


def best_scale(values: Tensor, number_format: Format) -> Tensor:
    """The scale s of each block (blocks), of w ≈ s · code; zero for a block of zeros."""
    search = number_format.rule.search
    assert search is not None
    importance = _IMPORTANCE[search.importance](values)
    farthest = values.gather(0, values.abs().argmax(0, keepdim=True))[0]
    find = _by_grid if isinstance(search, Grid) else _by_descent
    return find(values, importance, farthest, number_format)


def _by_grid(values: Tensor, importance: Tensor, farthest: Tensor, number_format: Format) -> Tensor:
    """For given codes q the best scale is Σi·w·q / Σi·q², and lessens the error by (Σi·w·q)² / Σi·q²: the greatest of these is kept."""
    search, end = number_format.rule.search, number_format.end
    assert isinstance(search, Grid)
    weighted = importance * values
    scale = farthest / farthest.new_full((), end)
    explained = torch.zeros_like(scale)
    for offset in search.offsets:
        codes = _codes(values, steps_over(farthest, end + offset if end > 0 else end - offset), number_format.element)
        product = total(weighted * codes)
        found = product / total((importance * codes).mul_(codes))
        gain = found * product
        better = gain > explained
        scale, explained = torch.where(better, found, scale), torch.where(better, gain, explained)
    return scale


def _by_descent(values: Tensor, importance: Tensor, farthest: Tensor, number_format: Format) -> Tensor:
    """As in ggml, codes change only while Σi·w·q is positive. It is negative where the farthest weight is positive, whose code is negative:
    such a block keeps the codes of its range.
    """
    search, element = number_format.rule.search, number_format.element
    assert isinstance(search, Descent)
    weighted = importance * values
    codes = _codes(values, steps_over(farthest, number_format.end), element)
    product, square = total(weighted * codes), total((importance * codes).mul_(codes))
    for _ in range(search.sweeps):
        for value, own, heavy, code in zip(values, importance, weighted, codes, strict=True):
            others, others_square = product - heavy * code, square - own * code * code
            changed = saturate_(value * others_square / others, element)
            with_it, with_it_square = others + heavy * changed, others_square + own * changed * changed
            better = (others > 0) & (with_it * with_it * square > product * product * with_it_square)
            code.copy_(torch.where(better, changed, code))
            product, square = torch.where(better, with_it, product), torch.where(better, with_it_square, square)
    return (product / square).masked_fill_(square == 0, 0)


def best_scale_and_minimum(values: Tensor, number_format: Format) -> tuple[Tensor, Tensor]:
    """(s, m) of each block, of w ≈ s · code + m with m ≤ 0.

    For given codes q the best pair solves two linear equations; where its m is positive, the best s for m = 0 is taken. What is compared is
    the error that remains, not what it would be by the equations: where little remains, float32 cannot tell their difference. Each try
    spans what lies between the best minimum so far and the largest weight.
    """
    search, element, end = number_format.rule.search, number_format.element, number_format.end
    assert isinstance(search, Grid)
    importance = _IMPORTANCE[search.importance](values)
    minimum, high = values.amin(0).clamp_(max=0), values.amax(0)
    scale = (high - minimum) / high.new_full((), end)
    weighted = importance * values
    all_importance, all_weighted = total(importance), total(weighted)

    def codes_at(steps: float) -> Tensor:
        return _codes(values - minimum, steps_over(high - minimum, steps), element)

    def error_of(scale: Tensor, minimum: Tensor, codes: Tensor) -> Tensor:
        error = (codes * scale).add_(minimum).sub_(values)
        return total((error.abs_() if search.absolute else error.mul_(error)).mul_(importance))

    least = error_of(scale, minimum, codes_at(end))
    for offset in search.offsets:
        codes = codes_at(end + offset)
        important = importance * codes
        first, second, product = total(important), total(important.mul_(codes)), total(weighted * codes)
        determinant = all_importance * second - first * first
        found = (all_importance * product - all_weighted * first) / determinant
        found_minimum = (second * all_weighted - first * product) / determinant
        positive = found_minimum > 0
        found, found_minimum = torch.where(positive, product / second, found), found_minimum.masked_fill_(positive, 0)
        error = error_of(found, found_minimum, codes)
        better = (error < least) & (determinant > 0)
        least = torch.where(better, error, least)
        scale, minimum = torch.where(better, found, scale), torch.where(better, found_minimum, minimum)
    return scale, minimum


def total(values: Tensor) -> Tensor:
    """The sum over the first dimension, in the order that this module promises."""
    while len(values) > 1:
        half, odd = divmod(len(values), 2)
        folded = values[: half + odd], values[half + odd :]
        values = torch.cat([folded[0][:half] + folded[1], values[half : half + 1]]) if odd else folded[0] + folded[1]
    return values[0]


def steps_over(span: Tensor, steps: float) -> Tensor:
    """`steps` over the span; zero for a span of nothing, or of so little that this is infinite: float16 stores such a scale as zero."""
    found = span.new_full((), steps) / span
    return found.masked_fill_(found.isinf(), 0)


def _codes(values: Tensor, inverse: Tensor, element: Element) -> Tensor:
    return saturate_(values * inverse, element)


def _magnitude_and_mean(values: Tensor) -> Tensor:
    mean = total(values * values).div_(values.new_full((), len(values)))
    # By way of float64: the float32 root of some CPUs' libraries is off by one unit in the last place.
    root = mean.to(float64_device(mean.device), torch.float64).sqrt_()
    return values.abs().add_(root.to(mean))


_IMPORTANCE: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda values: values * values,
    "magnitude": torch.abs,
    "magnitude+mean": _magnitude_and_mean,
}
