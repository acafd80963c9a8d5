"""The layout and the arithmetic of bitsandbytes' fused 4-bit kernel for CPUs with AVX512-BF16 (bitsandbytes 0.50.2).

At its first forward pass a layer is repacked for it: tiles of 32 output rows, and block scales in bfloat16, which are not quantized
themselves. What the layer then multiplies with is restored here from either form, bit for bit.

Whoever asks such a model for its state dict gets its layers packed back: in place, and wrongly, as block scales that were not doubly
quantized stay transposed and in bfloat16. The next pass repacks them once more, and from then on the layers multiply with other weights. So
while its state dict is taken a model is lent layers that were put back correctly; that takes the memory of its 4-bit weights once more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from bitsandbytes import functional
from torch import Tensor, cat, nn, stack

from qdash.catalog.families.bitsandbytes import BLOCK

FUSED_ROWS = 32  # the kernel's tile of output rows


def fuses(device: str) -> bool:
    """Whether 4-bit layers will be repacked for bitsandbytes' fused CPU kernel."""
    return device == "cpu" and bool(functional.has_avx512bf16())


def of_repacked(packed: Tensor, state: Any) -> Tensor:
    """The weights (out, in) of a layer that was repacked, from its bytes and state."""
    return fused_values(_repacked_codes(packed, state), state.code, state.absmax.T)


def _repacked_codes(packed: Tensor, state: Any) -> Tensor:
    """Codes (out, in) of tiles of 32 rows."""
    outputs, inputs = state.shape
    # In 32 bytes the low halves hold the first 32 codes, the high halves the next.
    halves = packed.view(-1, FUSED_ROWS)
    tiles = cat([halves & 15, halves >> 4], dim=1).view(outputs // FUSED_ROWS, inputs // 2, FUSED_ROWS, 2)
    return tiles.transpose(1, 2).reshape(outputs, inputs)


def _absmax(state: Any) -> Tensor:
    """The scale of each block, as float32."""
    return (functional.dequantize_blockwise(state.absmax, state.state2) + state.offset).float() if state.nested else state.absmax


def unpacked(packed: Tensor) -> Tensor:
    """Codes (out, in) of bytes (out, in / 2); the high half comes first."""
    return stack([packed >> 4, packed & 15], dim=-1).view(len(packed), -1)


def as_fused(packed: Tensor, state: Any) -> Tensor:
    """The weights that the fused kernel will multiply with, from what `quantize_4bit` returned."""
    outputs = state.shape[0]
    return fused_values(unpacked(packed.view(outputs, -1)), state.code, _absmax(state).view(outputs, -1).bfloat16())


def fused_values(codes: Tensor, code: Tensor, absmax: Tensor) -> Tensor:
    """bfloat16(code) · bfloat16(absmax), rounded to bfloat16, as the fused kernel does; codes (out, in), absmax (out, in/64)."""
    levels = code.bfloat16()[codes.int()]
    return (levels.view(*absmax.shape, BLOCK) * absmax.unsqueeze(-1)).view(codes.shape).float()


@contextmanager
@torch.no_grad()
def packed_back(model: nn.Module) -> Iterator[None]:
    """Within this, the state dict of `model` holds 4-bit layers as they were quantized, and taking it changes nothing."""
    repacked = [(weight, weight.data, weight.quant_state) for weight in _repacked(model)]
    try:
        for weight, data, state in repacked:
            weight.data, weight.quant_state = _as_quantized(data, state)
        yield
    finally:
        for weight, data, state in repacked:
            weight.data, weight.quant_state = data, state


def _repacked(model: nn.Module) -> Iterator[Any]:
    for weight in model.parameters():
        if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
            yield weight


def _as_quantized(data: Tensor, state: Any) -> tuple[Tensor, Any]:
    """What `quantize_4bit` returned, but for the block scales' rounding to bfloat16, which cannot be undone."""
    codes = _repacked_codes(data, state).view(-1)
    packed = ((codes[::2] << 4) | codes[1::2]).view(state.original_qshape)
    absmax, offset, nested = state.absmax.T.float().reshape(-1), None, None
    if state.original_nested:
        offset = absmax.mean()
        absmax, nested = functional.quantize_blockwise(absmax - offset, blocksize=256)
    return packed, functional.QuantState(
        absmax, state.shape, state.code, state.blocksize, state.quant_type, state.original_dtype, offset, nested
    )
