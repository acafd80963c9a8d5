"""Rows of the real layers of a checkpoint on this machine, read straight from its safetensors files.

Only the row that is looked at is read. numpy has no bfloat16, so those 16 bits are read as they are: they are the upper half of a float32.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qdash.catalog.parts import part_of
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.folder import FolderFiles
from qdash.checkpoints.record import TensorInfo
from qdash.checkpoints.validation import weight_files
from qdash.errors import QdashError

MOST = 4096
"""Weights of a row that are shown."""

_STORED = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
_LEAST = 16  # weights: fewer make no picture
_BEYOND = 1e30  # no weight is so large, and sums and squares of what is smaller stay within floats
_NO_LAYER = re.compile(r"embed|norm|(^|\.)(wte|wpe|shared|router)(\.|$)")


@dataclass(frozen=True)
class LayerRow:
    """The first MOST weights of row `row` (of `rows`) of `layer`, float32 and finite; the whole row has `columns`."""

    layer: str
    row: int
    rows: int
    columns: int
    values: NDArray[np.float32]


def layers(checkpoint: Checkpoint) -> tuple[TensorInfo, ...]:
    """The tensors whose rows can be looked at: matrices of floats by the names of linear layers, in the order of the files."""
    return tuple(tensor for tensor in checkpoint.own_tensors if _is_layer(tensor))


def _is_layer(tensor: TensorInfo) -> bool:
    path, _, kind = tensor.name.rpartition(".")
    matrix = len(tensor.shape) == 2 and tensor.shape[1] >= _LEAST and tensor.dtype in _STORED
    return kind == "weight" and matrix and part_of(path) != "head" and not _NO_LAYER.search(path)


def read_row(checkpoint: Checkpoint, layer: str, row: int) -> LayerRow:
    """Row `row` of the tensor `layer`, one of `layers`.

    Raises QdashError: "bad_input" for a layer or row that is not there, "checkpoint" for files that cannot be read, and for a row that
    holds NaN, infinity or nonsense, for which there is no scale.
    """
    tensor = next((tensor for tensor in layers(checkpoint) if tensor.name == layer), None)
    if tensor is None or not 0 <= row < tensor.shape[0]:
        raise QdashError(f"{checkpoint.label} has no row {row} of a layer “{layer[:80]}”.", "Choose one from the list.")
    values = _read(checkpoint, tensor, row)
    if not (np.abs(values) < _BEYOND).all():
        message = f"Row {row} of {layer} holds NaN, infinity or a number beyond {_BEYOND:g}."
        raise QdashError(message, "Choose another row; the checkpoint may be damaged.", "checkpoint")
    rows, columns = tensor.shape
    return LayerRow(layer, row, rows, columns, values)


def _read(checkpoint: Checkpoint, tensor: TensorInfo, row: int) -> NDArray[np.float32]:
    stored, count = _STORED[tensor.dtype], min(tensor.shape[1], MOST)
    try:
        path, start = _place(checkpoint, tensor.name)
        values = np.fromfile(path, stored, count, offset=start + row * tensor.shape[1] * stored.itemsize)
        if len(values) < count:
            raise ValueError("the file ends early")
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"The weights in {checkpoint.folder} cannot be read ({error})."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint") from None
    if tensor.dtype == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is told
        return values.astype(np.float32)


def _place(checkpoint: Checkpoint, name: str) -> tuple[Path, int]:
    """The file that holds the tensor `name`, and the byte at which its numbers begin.

    A safetensors file is the length of its header (8 bytes, little-endian), the header (JSON) and the numbers.
    """
    files = FolderFiles(Path(str(checkpoint.folder)), checkpoint.label)
    for shard in weight_files(files):
        with (files.folder / shard).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, files.sizes[shard])))
        if name in header:
            return files.folder / shard, 8 + length + header[name]["data_offsets"][0]
    raise KeyError(name)
