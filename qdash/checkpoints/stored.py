"""How a model's files store its weights: the type of each parameter of a GGUF file or of packed weights, and what all of them take, with
everything counted.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from qdash.catalog.parts import part_of
from qdash.catalog.stored_blocks import SOURCES
from qdash.checkpoints.files import INDEX, SINGLE
from qdash.checkpoints.gguf.header import GgufTensor, read_header
from qdash.checkpoints.packing import stored_sizes
from qdash.checkpoints.record import Checkpoint
from qdash.present.layer_names import block_of, projection_of
from qdash.records import StoredModel, StoredType, TypedLayer


def stored_types(checkpoint: Checkpoint) -> dict[str, StoredType] | None:
    """Path of each parameter in the model → how the GGUF file or the packed weights of an obtained checkpoint store it; None for floats.

    A parameter of which transformers does not tell what it is made from is not among them; packed weights are told by their names in the
    file. Raises QdashError("checkpoint").
    """
    if checkpoint.quantization is not None:
        sizes = packed_sizes(checkpoint).items()
        return {path: StoredType(type=kind, bits=8 * nbytes / max(values, 1)) for path, (kind, values, nbytes) in sizes}
    if checkpoint.gguf is None or checkpoint.folder is None:
        return None
    return {path: _together(tensors) for path, tensors in _sources(checkpoint.gguf, checkpoint.folder).items()}


def typed_layers(checkpoint: Checkpoint) -> tuple[TypedLayer, ...]:
    """The same of everything that has more than one dimension, with its place in the model, in the order of the file."""
    if checkpoint.gguf is None or checkpoint.folder is None:
        return ()
    found = _sources(checkpoint.gguf, checkpoint.folder).items()
    return tuple(_typed(path.removesuffix(".weight"), tensors) for path, tensors in found if len(tensors[0].shape) > 1)


def _typed(name: str, tensors: Sequence[GgufTensor]) -> TypedLayer:
    return TypedLayer(
        name=name,
        part=part_of(name),
        block=block_of(name),
        projection=projection_of(name),
        parameters=sum(tensor.values for tensor in tensors),
        stored=_together(tensors),
    )


def _sources(file: str, folder: str) -> dict[str, list[GgufTensor]]:
    """Path of each parameter → the tensors of the file that it was made from, at least one."""
    tensors = {tensor.name: tensor for tensor in _gguf_tensors(file)}
    made_from: dict[str, list[str]] = json.loads((Path(folder) / SOURCES).read_text(encoding="utf-8"))
    found = {path: [tensors[name] for name in names if name in tensors] for path, names in made_from.items()}
    return {path: sources for path, sources in found.items() if sources}


def stored_model(checkpoint: Checkpoint) -> StoredModel:
    """What the files of an obtained checkpoint take; raises QdashError("checkpoint")."""
    if checkpoint.gguf is not None:
        tensors = _gguf_tensors(checkpoint.gguf)
        sizes = [(tensor.type, tensor.values, tensor.nbytes) for tensor in tensors]
        return _summed(checkpoint, sizes, Path(checkpoint.gguf).stat().st_size)
    file_bytes = sum(file.stat().st_size for file in _weight_files(Path(checkpoint.folder or "")))
    if checkpoint.quantization is not None:
        return _summed(checkpoint, packed_sizes(checkpoint).values(), file_bytes)
    return _summed(checkpoint, [(tensor.dtype, tensor.values, tensor.nbytes) for tensor in checkpoint.own_tensors], file_bytes)


def packed_sizes(checkpoint: Checkpoint) -> dict[str, tuple[str, int, int]]:
    """Of a checkpoint that was published quantized: name → type, numbers and bytes; see `packing.stored_sizes`."""
    quantization = checkpoint.quantization
    assert quantization is not None
    return stored_sizes(checkpoint.own_tensors, quantization.stored_bits, quantization.name)


def _summed(checkpoint: Checkpoint, sizes: Iterable[tuple[str, int, int]], file_bytes: int) -> StoredModel:
    types, tensor_bytes = Counter[str](), 0
    for kind, values, nbytes in sizes:
        types[kind] += values
        tensor_bytes += nbytes
    parameters = types.total()
    return StoredModel(
        model=checkpoint.model,
        label=checkpoint.label,
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        file_bytes=file_bytes,
        bits_per_weight=8 * tensor_bytes / max(parameters, 1),
        types=dict(types.most_common()),
    )


def _gguf_tensors(file: str) -> tuple[GgufTensor, ...]:
    return read_header(Path(file), f"The file {file}").tensors


def _together(sources: Sequence[GgufTensor]) -> StoredType:
    types = Counter[str]()
    for tensor in sources:
        types[tensor.type] += tensor.values
    bits = 8 * sum(tensor.nbytes for tensor in sources) / types.total()
    return StoredType(type=" + ".join(kind for kind, _values in types.most_common()), bits=bits)


def _weight_files(folder: Path) -> list[Path]:
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    shards = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
    return [folder / name for name in sorted(set(shards))]
