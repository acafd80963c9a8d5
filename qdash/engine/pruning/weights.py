"""Where pruning reads a model's weights: from the loaded model, or from its checkpoint, one layer at a time.

Both give the same numbers in the same order, so that what is chosen from a checkpoint is what is chosen from the model that was loaded.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.engine.layers import convertible_layers, rows
from qdash.engine.loading import load_skeleton
from qdash.engine.pruning.blocks import Blocks, find_blocks
from qdash.engine.stored import stored_layers
from qdash.records import WorkerSpec

Weights = Callable[[Collection[str]], Iterator[tuple[str, Tensor]]]
"""Paths of layers → each with its weight (out, in), in the type that the model computes in; one is in memory at a time. Any order."""


def weights_of_model(model: PreTrainedModel) -> Weights:
    """The weights of a model that was loaded."""

    def read(names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        return ((name, rows(model.get_submodule(name)).detach()) for name in names)

    return read


@dataclass(frozen=True)
class Stored:
    """A checkpoint. `written`: when its files were, so that nothing is remembered of files that were replaced."""

    folder: str
    revision: str
    task: str
    dtype: str
    device: str
    written: int

    @classmethod
    def of(cls, spec: WorkerSpec, dtype: torch.dtype) -> "Stored":
        """The checkpoint of a worker, whose model computes in `dtype`."""
        written = max((file.stat().st_mtime_ns for file in Path(spec.folder).glob("*.safetensors")), default=0)
        return cls(spec.folder, spec.revision, spec.task, str(dtype).removeprefix("torch."), spec.device, written)

    def weights(self) -> Weights:
        """Its weights as they would be loaded."""

        def read(names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
            with stored_layers(Path(self.folder), self.skeleton(), names) as layers:
                for layer in layers:
                    yield layer.module, layer.read().to(self.device, getattr(torch, self.dtype))

        return read

    def skeleton(self) -> PreTrainedModel:
        """The model without its weights; it is shared, and nobody changes it."""
        return _skeleton(self.folder, self.revision, self.task, self.written)

    def blocks(self) -> Blocks:
        """Its MLPs and attention blocks."""
        return _blocks(self)

    def layers(self) -> dict[str, torch.nn.Module]:
        """The linear layers that may be pruned, in the model's order."""
        return _layers(self)


@lru_cache(maxsize=4)
def _layers(stored: Stored) -> dict[str, torch.nn.Module]:
    return convertible_layers(stored.skeleton())


@lru_cache(maxsize=4)
def _blocks(stored: Stored) -> Blocks:
    return find_blocks(stored.skeleton())


@lru_cache(maxsize=2)
def _skeleton(folder: str, revision: str, task: str, written: int) -> PreTrainedModel:
    del written  # a part of what is remembered
    known = {"folder": folder, "revision": revision, "task": task, "scheme": None, "device": "cpu", "dtype": "float32", "threads": 1}
    return load_skeleton(WorkerSpec.model_validate(known))
