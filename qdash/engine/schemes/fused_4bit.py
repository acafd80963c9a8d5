"""The layout and the arithmetic of bitsandbytes' fused 4-bit kernel for CPUs with AVX512-BF16 (bitsandbytes 0.50.2).

At its first forward pass a layer is repacked for it: tiles of 32 output rows, and block scales in bfloat16, which are not quantized
themselves. What the layer then multiplies with is restored here from either form, bit for bit.
"""

from typing import Any

from bitsandbytes import functional
from torch import Tensor, cat, stack

BLOCK = 64  # weights that share a scale; bitsandbytes' default, which BitsAndBytesConfig does not change
FUSED_ROWS = 32  # the kernel's tile of output rows


def fuses(device: str) -> bool:
    """Whether 4-bit layers will be repacked for bitsandbytes' fused CPU kernel."""
    return device == "cpu" and bool(functional.has_avx512bf16())


def of_repacked(packed: Tensor, state: Any) -> Tensor:
    """The weights (out, in) of a layer that was repacked, from its bytes and state."""
    outputs, inputs = state.shape
    # In 32 bytes the low halves hold the first 32 codes, the high halves the next.
    halves = packed.view(-1, FUSED_ROWS)
    tiles = cat([halves & 15, halves >> 4], dim=1).view(outputs // FUSED_ROWS, inputs // 2, FUSED_ROWS, 2)
    codes = tiles.transpose(1, 2).reshape(outputs, inputs)
    return fused_values(codes, state.code, state.absmax.T)


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
