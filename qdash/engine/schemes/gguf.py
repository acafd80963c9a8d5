"""A model whose layers keep the blocks of its GGUF file, and unpack them at each use.

transformers keeps blocks only where its kernels are, which it fetches as code, and only for some architectures. Here the model is loaded as
the floats that the file was unpacked to; then every layer that the file has in blocks gets these in place of its floats, the embedding
and the output head too. What a layer multiplies with is the same to the last bit, so answers are; what differs is memory and time.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.scheme import Scheme
from qdash.catalog.stored_blocks import BLOCKS, KINDS
from qdash.engine import layers
from qdash.engine.formats.packed import PackedRows, dequantize_blocks, unpack_rows
from qdash.engine.gguf_blocks import packable_layers, rows_of
from qdash.engine.parameters import joined
from qdash.engine.schemes import QuantizeContext, RowDequantizer
from qdash.engine.schemes.floating import Floating
from qdash.engine.schemes.snippet import from_pretrained
from qdash.errors import QdashError
from qdash.records import WorkerSpec


class PackedLinear(nn.Module):
    """A linear layer with its weight in blocks, (outputs, bytes), computed with in `compute_dtype`; the bias as it is."""

    def __init__(self, rows: PackedRows, weight: nn.Parameter, bias: nn.Parameter | None, inputs: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.kind, self.compute_dtype = rows.kind, dtype
        self.out_features, self.in_features = len(rows.packed), inputs
        self.weight, self.bias = weight, bias

    @override
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, unpack_rows(self.weight, self.kind, self.compute_dtype), self.bias)


class PackedEmbedding(nn.Embedding):
    """An embedding with its table in blocks, (rows, bytes), of which only the rows that are looked up are unpacked."""

    def __init__(self, rows: PackedRows, weight: nn.Parameter, columns: int, dtype: torch.dtype) -> None:
        super().__init__(len(rows.packed), columns, device="meta")
        self.kind, self.compute_dtype = rows.kind, dtype
        self.weight = weight

    @override
    def forward(self, input: Tensor) -> Tensor:
        packed = self.weight.index_select(0, input.flatten())
        return unpack_rows(packed, self.kind, self.compute_dtype).view(*input.shape, self.embedding_dim)


@dataclass(frozen=True)
class StoredBlocks:
    """The blocks below a folder that a GGUF file was unpacked to. `kinds`: the type that the file has each parameter in."""

    file: Path
    kinds: dict[str, str]
    packed: frozenset[str]

    @classmethod
    def below(cls, folder: Path) -> "StoredBlocks":
        """Raises QdashError("unavailable") for a folder without any."""
        file = folder / BLOCKS
        if not file.is_file():
            message = f"The model in {folder} does not come from a GGUF file, so there are no blocks to keep."
            raise QdashError(message, "Choose a model that does, or another scheme.", "unavailable")
        with safe_open(file, framework="pt") as tensors:
            return cls(file, json.loads(tensors.metadata()[KINDS]), frozenset(tensors.keys()))

    def rows(self, parameter: str) -> PackedRows:
        """The blocks of a parameter in `packed`."""
        with safe_open(self.file, framework="pt") as tensors:
            # A copy: what is mapped would count as memory of the file.
            return PackedRows(tensors.get_tensor(parameter).clone(), self.kinds[parameter])


def keep_blocks(model: PreTrainedModel, folder: str, build: QuantizeContext | None = None) -> list[nn.Module]:
    """Give the layers of a model, loaded in floats from `folder`, the blocks of its GGUF file, in place; returns the new layers.

    Raises QdashError("unavailable") for a folder that no GGUF file was unpacked to.
    """
    stored = StoredBlocks.below(Path(folder))
    packable = packable_layers(model)
    # By the parameter: a tied head shares the blocks of the embedding, and those are stored under one of their names.
    sharing: dict[int, list[str]] = {}
    for path, layer in packable.items():
        sharing.setdefault(id(layer.weight), []).append(path)
    made: list[nn.Module] = []
    for done, paths in enumerate(sharing.values()):
        if build is not None:
            build.report(done / len(sharing), "packing weights")
        name = next((name for path in paths if (name := joined(path, "weight")) in stored.packed), None)
        if name is not None:
            made += _packed_layers(model, paths, stored.rows(name))
    return made


def _packed_layers(model: PreTrainedModel, paths: Collection[str], rows: PackedRows) -> list[nn.Module]:
    """Put layers with these blocks in the places of those at `paths`, which share a weight."""
    made: list[nn.Module] = []
    weight: nn.Parameter | None = None
    for path in paths:
        layer = model.get_submodule(path)
        columns, dtype = rows_of(layer).shape[1], rows_of(layer).dtype
        weight = weight if weight is not None else nn.Parameter(rows.packed.to(rows_of(layer).device), requires_grad=False)
        if isinstance(layer, nn.Embedding):
            new: nn.Module = PackedEmbedding(rows, weight, columns, dtype)
        else:
            bias = layer.bias
            assert bias is None or isinstance(bias, nn.Parameter)
            new = PackedLinear(rows, weight, bias, columns, dtype)
        layers.replace_layer(model, path, new.eval())
        made.append(new)
    return made


class GgufFile(Floating):
    """Loads the floats that the file was unpacked to, and puts its blocks in their place."""

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        for layer in keep_blocks(model, build.spec.folder, build):
            layers.mark(layer, scheme.key)

    @override
    def left_reason(self, name: str, layer: nn.Module, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> str | None:
        kind = StoredBlocks.below(Path(spec.folder)).kinds.get(joined(name, "weight"))
        if kind is None:
            return "its rows are not rows of one tensor of the GGUF file"
        return f"the GGUF file has it as {kind}"

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        assert isinstance(layer, PackedLinear | PackedEmbedding)
        return dequantize_blocks(layer.weight.detach(), layer.kind)

    @override
    def layer_dequantizer(self, name: str, weight: Tensor, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> RowDequantizer | None:
        stored, parameter = StoredBlocks.below(Path(spec.folder)), joined(name, "weight")
        if parameter not in stored.packed:
            return None
        rows = stored.rows(parameter)
        return PackedRows(rows.packed.to(spec.device), rows.kind)

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        return scheme.family.unsaveable(scheme)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        return from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton)) + SNIPPET


SNIPPET = """
# from_pretrained unpacks a GGUF file for good; this keeps the blocks of the file and unpacks them at each use.
from qdash.engine.schemes.gguf import keep_blocks

keep_blocks(model, folder)
"""

FAMILY = GgufFile()
