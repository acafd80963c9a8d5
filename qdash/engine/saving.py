"""Saving a model: for a moment, to see what that gives, or for good.

`save` writes what `save_pretrained` writes of a model that is in use, without changing it. What is to stay is better written before a first
call: some kernels repack the weights for themselves, and packing them back rounds scales a second time.

A model in plain floats computes in one type and is often exact in a smaller one: weights that were published in 16 bits, or rounded to a
format whose scales are powers of two. `narrow` rewrites its files so that each tensor takes 16 bits where these hold it exactly.
config.json keeps naming the type that the model computes in, and `from_pretrained` casts to that.
"""

import json
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import logging

from qdash.engine.schemes import SchemeFamily
from qdash.records import Narrowed, SavedFile

SHARD_BYTES = 2 * 10**9
"""Of one weight file; while files are narrowed one is in memory at a time."""

_INDEX = "model.safetensors.index.json"
_HALVES = (torch.bfloat16, torch.float16)


def save(model: PreTrainedModel, family: SchemeFamily, folder: Path, largest: int | str = "50GB") -> None:
    """`model.save_pretrained(folder)`, no file above `largest` bytes; the model computes afterwards what it did before.

    Raises whatever that raises.
    """
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with family.as_saved(model), warnings.catch_warnings():
            # On a CPU transformers takes every model with a device map for one that is kept on disk in part.
            warnings.filterwarnings("ignore", message="Attempting to save a model with offloaded modules")
            try:
                model.save_pretrained(folder, max_shard_size=largest)
            except NotImplementedError:
                # A checkpoint that was quantized already: transformers 5.23 cannot rename its tensors back, and need not.
                model.save_pretrained(folder, max_shard_size=largest, save_original_format=False)
    finally:
        if shown:
            logging.enable_progress_bar()


def narrow(folder: Path) -> Narrowed:
    """Rewrite the weight files in `folder` so that each tensor of floats takes 16 bits where these hold every value exactly."""
    halved = others = total_bytes = 0
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            names, metadata = list(stored.keys()), stored.metadata()
            tensors = {name: narrowest(stored.get_tensor(name)) for name in names}
        halved += sum(tensor.dtype in _HALVES for tensor in tensors.values())
        others += sum(tensor.dtype not in _HALVES for tensor in tensors.values())
        total_bytes += sum(tensor.nbytes for tensor in tensors.values())
        part = file.with_suffix(".part")
        save_file(tensors, part, metadata)
        part.replace(file)
    _correct_index(folder, total_bytes)
    return Narrowed(in_16_bits=halved, in_more=others)


def narrowest(tensor: Tensor) -> Tensor:
    """`tensor` in 16 bits, if these hold every value exactly, otherwise as it is."""
    if not tensor.is_floating_point() or tensor.dtype.itemsize <= 2:
        return tensor
    halves = (tensor.to(dtype) for dtype in _HALVES)
    return next((half for half in halves if torch.equal(half.to(tensor.dtype), tensor)), tensor)


def listed(folder: Path) -> tuple[SavedFile, ...]:
    """The files in `folder` and below, by name."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple(SavedFile(name=file.relative_to(folder).as_posix(), size_bytes=file.stat().st_size) for file in files)


def _correct_index(folder: Path, total_bytes: int) -> None:
    """Where weights are in several files, an index tells their size."""
    index = folder / _INDEX
    if not index.exists():
        return
    content = json.loads(index.read_text(encoding="utf-8"))
    content.setdefault("metadata", {})["total_size"] = total_bytes
    index.write_text(json.dumps(content, indent=2), encoding="utf-8")
