"""Which parameter of a model each tensor of its GGUF file became, told from the numbers alone.

transformers renames tensors, and for some architectures orders their rows anew; how, differs between architectures and versions. But a row
stays a row: so a parameter comes from the tensor that has the same rows, in whatever order, and its blocks are ordered like its rows.
Tensors that are taken apart, put together or transposed on their way are left out; they have no such blocks.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, ReaderTensor
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from qdash.catalog.stored_blocks import BLOCKS, KINDS, PACKED_KINDS
from qdash.engine.formats.packed import unpack_rows
from qdash.engine.outside_reads import read_outside
from qdash.engine.parameters import joined

LAYERS = (nn.Linear, Conv1D, nn.Embedding)
_STEP = 1 << 20
"""Numbers that are summed up at a time."""


def packable_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers by path that can keep blocks: linear ones and embeddings, if no other code reads their weight and they do no more."""
    outside = read_outside(model, LAYERS)
    return {
        path: layer
        for path, layer in model.named_modules()
        if type(layer) in LAYERS and path not in outside and getattr(layer, "max_norm", None) is None
    }


def rows_of(layer: nn.Module) -> Tensor:
    """The weight as (rows, columns), as a GGUF file has it: rows of an embedding, outputs of a linear layer."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach().T if isinstance(layer, Conv1D) else weight.detach()


def write_blocks(file: Path, model: PreTrainedModel, folder: Path, on_fraction: Callable[[float], None] = lambda fraction: None) -> None:
    """Write the blocks of the GGUF file `file` that layers of `model`, which it was unpacked to in 32-bit floats, have, below `folder`."""
    parameters = {joined(path, "weight"): _Rows.of(rows_of(layer)) for path, layer in packable_layers(model).items()}
    named: dict[tuple[tuple[int, ...], bytes], list[str]] = {}
    for name, rows in parameters.items():
        named.setdefault((rows.shape, rows.digest), []).append(name)
    blocks, kinds = {}, {}
    tensors = gguf.GGUFReader(file).tensors
    for done, tensor in enumerate(tensors):
        on_fraction(done / len(tensors))
        if len(tensor.shape) != 2:
            continue
        rows = _Rows.of(_floats(tensor))
        for name in named.get((rows.shape, rows.digest), ()):
            kinds[name] = tensor.tensor_type.name
            if tensor.tensor_type.name in PACKED_KINDS:
                blocks[name] = torch.from_numpy(tensor.data[rows.as_in(parameters[name]).numpy()])
    target = folder / BLOCKS
    target.parent.mkdir()
    save_file(_shared(blocks, model), target, {KINDS: json.dumps(kinds)})


def _shared(blocks: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Without those of a parameter that is another one as well, as that of a tied output head: these are stored once."""
    own = {name for name, _ in model.named_parameters()}
    return {name: packed for name, packed in blocks.items() if name in own}


def _floats(tensor: ReaderTensor) -> Tensor:
    """(rows, columns), float32."""
    kind = tensor.tensor_type
    if kind.name in PACKED_KINDS:
        return unpack_rows(torch.from_numpy(np.array(tensor.data)), kind.name)
    if kind == GGMLQuantizationType.BF16:
        return torch.from_numpy(np.array(tensor.data)).view(torch.bfloat16).float()
    return torch.from_numpy(np.ascontiguousarray(gguf.dequantize(tensor.data, kind)))


@dataclass(frozen=True)
class _Rows:
    """The rows of a matrix: a number for each that follows from its bits, and a digest that does not depend on their order."""

    shape: tuple[int, ...]
    numbers: Tensor
    digest: bytes

    @classmethod
    def of(cls, weight: Tensor) -> "_Rows":
        numbers = torch.cat(list(_numbers(weight)))
        return cls(tuple(weight.shape), numbers, hashlib.sha256(numbers.sort().values.numpy().tobytes()).digest())

    def as_in(self, other: "_Rows") -> Tensor:
        """The places of these rows in the order of `other`, which has the same."""
        places = torch.empty_like(self.numbers)
        places[other.numbers.argsort()] = self.numbers.argsort()
        return places


def _numbers(weight: Tensor) -> Iterator[Tensor]:
    """A sum of the bits of each row with odd factors, modulo 2⁶⁴: rows that differ have the same one by a chance of 2⁻⁶⁴ or so."""
    rows, columns = weight.shape
    draw = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (columns,), generator=draw) * 2 + 1
    step = max(1, _STEP // max(columns, 1))
    for start in range(0, rows, step):
        bits = weight[start : start + step].float().contiguous().view(torch.int32).long()
        yield (bits * factors).sum(1)
