"""The round trip of a weight or an activation through a small number format.

A simulated scheme keeps its numbers in 16 or 32-bit tensors but allows only the values that the small format has. `catalog.formats`
describes each format, `rules` has the arithmetic of its scales; this module applies them to whole tensors.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from qdash.catalog.formats import FORMATS, Format
from qdash.engine.formats.blocks import in_blocks
from qdash.engine.formats.casting import saturate_
from qdash.engine.formats.rules import TensorStats, round_shared, stats_of

__all__ = ["TensorStats", "cast", "round_activations", "round_to", "round_trip", "tensor_stats"]


def cast(values: Tensor, key: str) -> Tensor:
    """Round to the nearest value of the format's element, ties to even, with no scale; ±inf and all beyond the range saturate, NaN stays.

    Any shape and dtype; computed and returned in float32. The sign of zero is kept: −0 is a code of its own in float formats.
    """
    wide = values.to(torch.float32)
    rounded = saturate_(wide.clone(), FORMATS[key].element)
    return torch.where(rounded == 0, torch.copysign(rounded, wide), rounded)


@torch.no_grad()
def round_trip(weight: Tensor, key: str, out: Tensor | None = None, whole: TensorStats | None = None) -> Tensor:
    """Store `weight` (out, in …) in the format `key` and read it again.

    The arithmetic is float32's. The result has the dtype of `weight`; it is written to `out` if given, which may be `weight` itself. A NaN
    or an infinity makes NaN of the row, block or group that shares its scale, or of everything if the format has a scale for the whole
    tensor: a broken weight is never hidden. Only mx formats keep an infinity, as their reference does. `whole` is `tensor_stats` of the
    tensor, for callers that pass only some of its rows.

    Raises ValueError for a weight without rows, and for a row that is not a multiple of the format's block.
    """
    return round_to(weight, FORMATS[key], out, whole)


@torch.no_grad()
def round_to(weight: Tensor, number_format: Format, out: Tensor | None = None, whole: TensorStats | None = None) -> Tensor:
    """`round_trip` through a format that need not be in the table."""
    _check(weight, number_format)
    result = torch.empty_like(weight, memory_format=torch.contiguous_format) if out is None else out
    if weight.numel() == 0:
        return result
    known = _stats(weight, number_format, None) if whole is None else whole
    for block, target in in_blocks(weight, result, number_format.rule.effort):
        _round_block(block, target, number_format, known)
    return result


def tensor_stats(weight: Tensor, key: str, dtype: torch.dtype | None = None) -> TensorStats:
    """What the format has to know of the whole tensor, in `dtype` if that is not its own, to round some rows; nothing, for most."""
    return _stats(weight, FORMATS[key], dtype)


def _stats(weight: Tensor, number_format: Format, dtype: torch.dtype | None) -> TensorStats:
    if not number_format.rule.needs_tensor:
        return ()
    ends = torch.stack(torch.aminmax(weight))
    return stats_of(ends if dtype is None else ends.to(dtype), number_format)


def round_activations(values: Tensor, key: str) -> Tensor:
    """`round_trip` of a layer's input (…, features): every token is a row. nvfp4's tensor scale is that of all tokens, as in torchao."""
    return round_trip(values.reshape(-1, values.shape[-1]), key).view(values.shape)


def _check(weight: Tensor, number_format: Format) -> None:
    if weight.ndim < 2:
        raise ValueError(f"A weight has at least two dimensions (out, in); this one has the shape {tuple(weight.shape)}.")
    if weight[:1].numel() % number_format.divisor:
        raise ValueError(f"Rows of {weight[:1].numel()} are not a multiple of {number_format.divisor}, the block of {number_format.key}.")


def _round_block(block: Tensor, target: Tensor, number_format: Format, whole: TensorStats) -> None:
    values = block.flatten(1).to(torch.float32, memory_format=torch.contiguous_format)
    in_place = target.dtype == torch.float32 and target.is_contiguous()
    # `values` is a copy if the dtype or the layout had to change; else it is the weight, which may not be written to.
    written = target.flatten(1) if in_place else torch.empty_like(values)
    for part, place in _shared(values, written, number_format.extent):
        round_shared(part, place, number_format, whole)
    if not in_place:
        target.copy_(written.view_as(target))


def _shared(values: Tensor, out: Tensor, size: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Views of both, (rows, columns), whose last dimension shares a scale; a last group that is shorter comes by itself."""
    if size is None:
        yield values, out
        return
    whole = values.shape[1] // size * size
    if whole:
        yield values[:, :whole].unflatten(1, (-1, size)), out[:, :whole].unflatten(1, (-1, size))
    if whole < values.shape[1]:
        yield values[:, whole:], out[:, whole:]
