"""Blocks of GGUF files, as bytes, and the weights that they stand for.

The layouts are ggml's (ggml-common.h). All numbers are little-endian. Products are formed in the order of the `gguf` package, so that both
give the same float32, to the bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.catalog.elements import IQ4

SUPERBLOCK = 256


@dataclass(frozen=True)
class PackedType:
    """A block type: how many weights in how many bytes, and how the bytes (blocks, `size`) become float32 (blocks, `weights`)."""

    weights: int
    size: int
    weights_of: Callable[[Tensor], Tensor]


def dequantize_blocks(packed: Tensor, kind: str) -> Tensor:
    """The weights (…, weights) of whole blocks (…, bytes) in uint8; `kind` is a key of `PACKED`, the name of the type in GGUF.

    Raises ValueError if the last dimension is not made of whole blocks, KeyError for another type.
    """
    of_type = PACKED[kind]
    count, rest = divmod(packed.shape[-1], of_type.size)
    if rest:
        raise ValueError(f"{packed.shape[-1]} bytes are not made of blocks of {of_type.size}, those of {kind}.")
    weights = of_type.weights_of(packed.reshape(-1, of_type.size))
    return weights.view(*packed.shape[:-1], count * of_type.weights)


PIECE = 1 << 20
"""Weights that are unpacked at a time: what is in memory on the way is a multiple of it."""


def unpack_rows(packed: Tensor, kind: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """`dequantize_blocks` of rows (rows, bytes), in `dtype`; only a few rows at a time take more memory than the result."""
    of_type = PACKED[kind]
    columns = packed.shape[1] // of_type.size * of_type.weights
    weights = torch.empty(len(packed), columns, dtype=dtype, device=packed.device)
    step = max(1, PIECE // columns)
    for start in range(0, len(packed), step):
        weights[start : start + step] = dequantize_blocks(packed[start : start + step], kind)
    return weights


@dataclass(frozen=True)
class PackedRows:
    """Rows of a weight as blocks of one type: `packed` is (rows, bytes). Called with some of the rows and the number of the first."""

    packed: Tensor
    kind: str

    def __call__(self, rows: Tensor, start: int) -> Tensor:
        """What the blocks stand for, float32."""
        return unpack_rows(self.packed[start : start + len(rows)], self.kind)


def _q4_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]) - 8)


def _q4_1(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]) + _half(blocks, 2)


def _q5_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 6:]) + 16 * _bits(blocks[:, 2:6]) - 16)


def _q5_1(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 8:]) + 16 * _bits(blocks[:, 4:8])) + _half(blocks, 2)


def _q8_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _signed(blocks[:, 2:])


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _levels(_nibbles(blocks[:, 2:]))


def _iq4_xs(blocks: Tensor) -> Tensor:
    scales = _fields(blocks[:, 4:8], 4).flatten(1) + 16 * _fields(blocks[:, 2:4], 2).flatten(1) - 32
    levels = _levels(_nibbles(blocks[:, 8:].unflatten(1, (8, 16))))
    return _scaled(_half(blocks, 0) * scales, levels)


def _q2_k(blocks: Tensor) -> Tensor:
    """Scale and minimum of a block share a byte."""
    scales, minima = _fields(blocks[:, :16], 4).unbind(-1)
    codes = _runs(blocks[:, 16:80].unflatten(1, (2, 32)), 2)
    return _scaled(_half(blocks, 80) * scales, codes, _half(blocks, 82) * minima)


def _q3_k(blocks: Tensor) -> Tensor:
    """The third bits of all codes stand first; where one is not set, 4 is taken away. Of the scales, 4 bits stand before the other 2."""
    codes = _runs(blocks[:, 32:96].unflatten(1, (2, 32)), 2) + 4 * _runs(blocks[:, None, :32], 1) - 4
    scales = _runs(blocks[:, None, 96:104], 4) + 16 * _runs(blocks[:, None, 104:108], 2) - 32
    return _scaled(_half(blocks, 108) * scales, codes)


def _q4_k(blocks: Tensor) -> Tensor:
    return _with_minima(blocks, _runs(blocks[:, 16:].unflatten(1, (4, 32)), 4))


def _q5_k(blocks: Tensor) -> Tensor:
    return _with_minima(blocks, _runs(blocks[:, 48:].unflatten(1, (4, 32)), 4) + 16 * _runs(blocks[:, None, 16:48], 1))


def _q6_k(blocks: Tensor) -> Tensor:
    low, high = _runs(blocks[:, :128].unflatten(1, (2, 64)), 4), _runs(blocks[:, 128:192].unflatten(1, (2, 32)), 2)
    return _scaled(_half(blocks, 208) * _signed(blocks[:, 192:208]), low + 16 * high - 32)


def _with_minima(blocks: Tensor, codes: Tensor) -> Tensor:
    """Scales and minima of 6 bits in 12 bytes: the first four of each are the lower bits of a byte, the others' last two bits lie above."""
    first, second, third = blocks[:, 4:16].int().unflatten(1, (3, 4)).unbind(1)
    scales = torch.cat([first & 63, (third & 15) | (first >> 6 << 4)], dim=1)
    minima = torch.cat([second & 63, (third >> 4) | (second >> 6 << 4)], dim=1)
    return _scaled(_half(blocks, 0) * scales, codes, _half(blocks, 2) * minima)


def _scaled(scale: Tensor, codes: Tensor, minimum: Tensor | None = None) -> Tensor:
    """Scale · code − minimum; `scale` and `minimum` are (blocks, parts), codes (blocks, weights) or already in parts."""
    weights = scale[..., None] * codes.flatten(1).view(*scale.shape, SUPERBLOCK // scale.shape[1])
    return (weights if minimum is None else weights.sub_(minimum[..., None])).flatten(1)


def _half(blocks: Tensor, place: int) -> Tensor:
    """The float16 at byte `place` of each block, (blocks, 1)."""
    return blocks[:, place : place + 2].contiguous().view(torch.float16).float()


def _signed(values: Tensor) -> Tensor:
    return values.contiguous().view(torch.int8).float()


def _nibbles(values: Tensor) -> Tensor:
    """Codes of 4 bits, as float32: first the lower halves of all bytes of the last dimension, then the upper ones."""
    return torch.cat([values & 15, values >> 4], dim=-1).float()


def _bits(values: Tensor) -> Tensor:
    """Every bit of bytes (blocks, n), the lowest of the first byte first."""
    return _fields(values, 1).flatten(1)


def _fields(values: Tensor, bits: int) -> Tensor:
    """Bytes (…) cut into fields of `bits`, the lowest first, as float32 (…, fields)."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=values.device)
    return ((values[..., None] >> shifts) & ((1 << bits) - 1)).float()


def _runs(values: Tensor, bits: int) -> Tensor:
    """The fields of runs of bytes (blocks, runs, n) in the order of weights: of each run the first field of all bytes, then the next."""
    return _fields(values, bits).transpose(-1, -2).flatten(1)


def _levels(codes: Tensor) -> Tensor:
    return codes.new_tensor(IQ4.values)[codes.long()]


PACKED: dict[str, PackedType] = {
    "Q4_0": PackedType(32, 18, _q4_0),
    "Q4_1": PackedType(32, 20, _q4_1),
    "Q5_0": PackedType(32, 22, _q5_0),
    "Q5_1": PackedType(32, 24, _q5_1),
    "Q8_0": PackedType(32, 34, _q8_0),
    "Q2_K": PackedType(SUPERBLOCK, 84, _q2_k),
    "Q3_K": PackedType(SUPERBLOCK, 110, _q3_k),
    "Q4_K": PackedType(SUPERBLOCK, 144, _q4_k),
    "Q5_K": PackedType(SUPERBLOCK, 176, _q5_k),
    "Q6_K": PackedType(SUPERBLOCK, 210, _q6_k),
    "IQ4_NL": PackedType(32, 18, _iq4_nl),
    "IQ4_XS": PackedType(SUPERBLOCK, 136, _iq4_xs),
}
