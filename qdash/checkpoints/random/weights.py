"""Random weights that spread as trained ones do. Pure numpy; a tensor is drawn in chunks that depend on nothing but its name and place.

Every value of a tensor follows from the seed, the tensor's name and the chunk's number, so neither the order nor the number of threads
changes a byte. Plain normal weights at initialization would be too kind: trained language models have a few channels with activations far
beyond the rest (Dettmers et al. 2022, arXiv:2208.07339), and rows with a few weights far beyond theirs. Both are put in:

- gains of norm layers are ones, but for one channel in 512, where they are 8–16: activations there pass LLM.int8's threshold of 6;
- matrices are normal with standard deviation 0.02, but for one input channel in 512, where they are 4–8 times larger. They are other
  channels than the norms', as both at once would drown everything else;
- kernels of convolutions keep the variance of what passes (1/√fan-in); depthwise ones are near the identity, as the branches folded into
  them make them. Deep stacks without norms would fade to nothing otherwise.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdash.checkpoints.record import TensorInfo

SEED = 20
VERSION = 1
"""Raised when the same seed is to give another checkpoint: those in the cache are then made again."""

STD = 0.02
LAYER_SCALE = 0.1
NORM_GAIN = (8.0, 16.0)
COLUMN_FACTOR = (4.0, 8.0)
CHANNELS_PER_OUTLIER = 512
CHUNK_VALUES = 2**20
_SMALLEST_WITH_OUTLIERS = 256
_CONSTANTS = {"running_var": 1.0, "running_mean": 0.0, "bias": 0.0, "num_batches_tracked": 0.0, "gamma": LAYER_SCALE}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Outliers:
    """The channels, of `width`, that stand out: `gained` in norm layers, `scaled` in the columns of matrices."""

    gained: NDArray[np.int64]
    scaled: NDArray[np.int64]


def outliers(width: int) -> Outliers:
    """Those of every layer that reads `width` channels: it is the same few channels throughout a model."""
    count = width // CHANNELS_PER_OUTLIER or int(width >= _SMALLEST_WITH_OUTLIERS)
    chosen = np.random.Generator(np.random.PCG64([SEED, width])).permutation(width)
    return Outliers(chosen[:count], chosen[count : 2 * count])


def chunk_rows(tensor: TensorInfo) -> int:
    """Rows (along the first dimension) of a full chunk: about a million values."""
    return max(1, CHUNK_VALUES // max(1, math.prod(tensor.shape[1:])))


def chunks(tensor: TensorInfo) -> int:
    """In how many chunks a tensor is drawn."""
    return -(-tensor.shape[0] // chunk_rows(tensor)) if tensor.shape else 1


def chunk(tensor: TensorInfo, number: int) -> bytes:
    """Chunk `number` of a tensor as the bytes that stand in a safetensors file. Raises KeyError for a dtype that is not made."""
    rows = min(chunk_rows(tensor), tensor.shape[0] - number * chunk_rows(tensor)) if tensor.shape else 1
    shape = (rows, *tensor.shape[1:]) if tensor.shape else ()
    random = np.random.Generator(np.random.SFC64([SEED, zlib.crc32(tensor.name.encode()), number]))
    return _ENCODERS[tensor.dtype](_drawn(tensor, shape, random)).tobytes()


def _drawn(tensor: TensorInfo, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    leaf = tensor.name.rpartition(".")[2]
    if leaf in _CONSTANTS:
        return np.full(shape, _CONSTANTS[leaf], np.float32)
    if len(shape) < 2:
        return _gains(tensor, random)
    if len(shape) == 2:
        return _matrix(tensor, shape, random)
    return _kernels(shape, random)


def _gains(tensor: TensorInfo, random: np.random.Generator) -> Floats:
    """A norm's. What follows an embedding's is no linear layer but the whole stream, which is left even."""
    gains = np.ones(tensor.shape, np.float32)
    if "embed" not in tensor.name:
        large = outliers(tensor.shape[0]).gained
        gains[large] = random.uniform(*NORM_GAIN, len(large))
    return gains


def _matrix(tensor: TensorInfo, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    values = random.standard_normal(shape, np.float32)
    values *= np.float32(STD)
    if "embed" not in tensor.name:
        large = outliers(shape[1]).scaled
        # The factors are the whole tensor's, so not from this chunk's generator.
        of_tensor = np.random.Generator(np.random.PCG64([SEED, zlib.crc32(tensor.name.encode())]))
        values[:, large] *= of_tensor.uniform(*COLUMN_FACTOR, len(large)).astype(np.float32)
    return values


def _kernels(shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    values = random.standard_normal(shape, np.float32)
    if shape[1] > 1:
        return values * np.float32(math.prod(shape[1:]) ** -0.5)
    values *= np.float32(STD)
    values[:, 0, shape[2] // 2, shape[3] // 2] += 1
    return values


def _bfloat16(values: Floats) -> NDArray[np.uint16]:
    """The upper half of a float32, rounded to nearest even; numpy has no bfloat16. For finite values."""
    bits = values.view(np.uint32)
    bits = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    return (bits >> np.uint32(16)).astype("<u2")


_ENCODERS: dict[str, Callable[[Floats], NDArray]] = {
    "BF16": _bfloat16,
    "F16": lambda values: values.astype("<f2"),
    "F32": lambda values: values.astype("<f4"),
    "I64": lambda values: values.astype("<i8"),
}
