"""What the engine stores of weights, packed into the bytes of GGUF blocks: the way back from `engine.formats.packed`, for tests."""

import numpy as np
import torch
from numpy.typing import NDArray

from qdash.catalog.elements import IQ4
from qdash.catalog.formats import FORMATS
from qdash.engine.formats.rules import SCALES
from qdash.engine.formats.superblocks import Superblocks, superblocks_of

Bytes = NDArray[np.uint8]
Codes = NDArray[np.int64]


def packed(weight: torch.Tensor, key: str) -> Bytes:
    """Rows (rows, columns) as (rows, bytes), of a format whose scales are searched."""
    number_format = FORMATS[key]
    blocks = weight.reshape(-1, number_format.extent or 0)
    made = _iq4_nl(blocks) if key == "iq4_nl" else PACKERS[key](superblocks_of(blocks, number_format))
    return made.reshape(len(weight), -1)


def _iq4_nl(blocks: torch.Tensor) -> Bytes:
    row = FORMATS["iq4_nl"]
    farthest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
    scaled, scale = SCALES[row.rule.scale.kind](blocks, farthest, row, ())
    return np.concatenate([_half(scale), _nibbles(_places(scaled))], axis=1)


def _q2_k(made: Superblocks) -> Bytes:
    assert made.minima is not None and made.minimum_step is not None
    scales = _whole(made.scales) | _whole(made.minima) << 4
    return np.concatenate([scales, _runs(_whole(made.codes), 2, 2), _half(made.step), _half(made.minimum_step)], axis=1).astype(np.uint8)


def _q3_k(made: Superblocks) -> Bytes:
    codes, scales = _whole(made.codes) + 4, _whole(made.scales) + 32
    packed_scales = np.concatenate([_runs(scales & 15, 4, 1), _runs(scales >> 4, 2, 1)], axis=1)
    return np.concatenate([_runs(codes >> 2, 1, 1), _runs(codes & 3, 2, 2), packed_scales, _half(made.step)], axis=1)


def _q4_k(made: Superblocks) -> Bytes:
    return np.concatenate([_head(made), _runs(_whole(made.codes), 4, 4)], axis=1)


def _q5_k(made: Superblocks) -> Bytes:
    codes = _whole(made.codes)
    return np.concatenate([_head(made), _runs(codes >> 4, 1, 1), _runs(codes & 15, 4, 4)], axis=1)


def _q6_k(made: Superblocks) -> Bytes:
    codes, scales = _whole(made.codes) + 32, _whole(made.scales).astype(np.int8).view(np.uint8)
    return np.concatenate([_runs(codes & 15, 4, 2), _runs(codes >> 4, 2, 2), scales, _half(made.step)], axis=1)


def _iq4_xs(made: Superblocks) -> Bytes:
    scales = _whole(made.scales) + 32
    low = scales[:, ::2] & 15 | (scales[:, 1::2] & 15) << 4
    high = sum((scales[:, at::4] >> 4) << 2 * at for at in range(4))
    codes = np.concatenate([_nibbles(_places(made.codes[:, block])) for block in range(8)], axis=1)
    return np.concatenate([_half(made.step), high, low, codes], axis=1).astype(np.uint8)


def _head(made: Superblocks) -> Bytes:
    """Both steps, then scales and minima of 6 bits in 12 bytes."""
    assert made.minima is not None and made.minimum_step is not None
    scales, minima = _whole(made.scales), _whole(made.minima)
    first, second = (whole[:, :4] | whole[:, 4:] >> 4 << 6 for whole in (scales, minima))
    third = scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4
    return np.concatenate([_half(made.step), _half(made.minimum_step), first, second, third], axis=1).astype(np.uint8)


def _whole(numbers: torch.Tensor) -> Codes:
    """(superblocks, all of them)."""
    return numbers.flatten(1).numpy().astype(np.int64)


def _half(numbers: torch.Tensor) -> Bytes:
    return numbers.flatten(1).numpy().astype("<f2").view(np.uint8)


def _places(levels: torch.Tensor) -> Codes:
    """Of what is nearest among the levels of IQ4."""
    return np.abs(levels.numpy()[..., None] - np.array(IQ4.values, dtype=np.float32)).argmin(-1)


def _nibbles(codes: Codes) -> Bytes:
    """The first half of the codes in the lower halves of bytes, the second in the upper."""
    half = codes.shape[1] // 2
    return (codes[:, :half] | codes[:, half:] << 4).astype(np.uint8)


def _runs(codes: Codes, bits: int, runs: int) -> Bytes:
    """In `runs` parts, each of which fills the lowest bits of its bytes first."""
    fields = codes.reshape(len(codes), runs, 8 // bits, -1)
    packed = sum((fields[:, :, at] << bits * at for at in range(8 // bits)), start=np.zeros_like(fields[:, :, 0]))
    return packed.reshape(len(codes), -1).astype(np.uint8)


PACKERS = {"q2_k": _q2_k, "q3_k": _q3_k, "q4_k": _q4_k, "q5_k": _q5_k, "q6_k": _q6_k, "iq4_xs": _iq4_xs}
