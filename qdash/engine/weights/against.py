"""Two files of one model, tensor by tensor: how far the weights of one lie from those of the other.

Both are read one tensor at a time, under the paths that the parameters have in the model: files name, fuse and split tensors in their own
ways. One that was published in packed weights is loaded instead, and its layers are dequantized one at a time.
Linear layers, embeddings, norms, biases and buffers are all compared. An output head that one file shares with the embedding and the
other stores apart is compared with that embedding, as this is what the model computes with.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.catalog.parts import part_of
from qdash.engine.schemes.published import is_published_quantized
from qdash.engine.stored import Read, stored_parameters
from qdash.engine.weights import Emit, go_on
from qdash.engine.weights.layer import LayerError, Shapes, measure_layer
from qdash.engine.weights.packed import packed_parameters
from qdash.engine.weights.stats import ErrorSums
from qdash.errors import QdashError
from qdash.present.layer_names import block_of, projection_of
from qdash.records import LayerPlace, LayerWeights, MeasuredLayer, SchemeWeights, Step, StoredType, WorkerSpec

BESIDE = ("vision", "projector")
"""Parts that one of the files may lack: a GGUF file holds the language model only."""

Types = Mapping[str, StoredType | None]
"""Under the names that records have for them: how each file stores a layer."""

_SHOWN = 3


@dataclass(frozen=True)
class Side:
    """One of the two. `name` is what messages call it; `types`: how its parameters are stored, None where its tensors tell it."""

    name: str
    spec: WorkerSpec
    skeleton: PreTrainedModel
    types: Mapping[str, StoredType] | None = None


@dataclass(frozen=True)
class _Pair:
    """A parameter of both: how to read it, and under which path each has it."""

    path: str
    own: Read
    own_path: str
    other: Read
    other_path: str


@torch.no_grad()
def compare_files(own: Side, other: Side, *, emit: Emit, stop: Callable[[], bool]) -> SchemeWeights:
    """The weights of `other` against those of `own`, layer by layer and over all of them. Its name is the record's scheme and label.

    Emits a step before each layer and its SQNR after it. Layers come in the order of `own`'s files, those of one dimension last. Raises
    QdashError: "bad_input" for files of different models, "cancelled" once `stop()` is true, "checkpoint" for files that cannot be read.
    """
    tally = _Tally()
    with ExitStack() as files:
        pairs = _paired(own, other, *(files.enter_context(_reads(side, emit, partial(go_on, stop))) for side in (own, other)))
        for done, pair in enumerate(pairs):
            go_on(stop)
            emit(Step(fraction=done / len(pairs), detail=_layer_of(pair.path)))
            record = tally.add(*_measured(pair, own, other, partial(go_on, stop)))
            place = {name: getattr(record, name) for name in LayerPlace.model_fields}
            emit(MeasuredLayer(**place, sqnr_db={other.name: record.sqnr_db}))
    return tally.report(other.name).model_copy(update={"not_compared": _only_in_one(own, other, {pair.path for pair in pairs})})


def _reads(side: Side, emit: Emit, go_on: Callable[[], None]) -> AbstractContextManager[dict[str, Read]]:
    """How to read each parameter of a model, within the context."""
    if not is_published_quantized(side.skeleton.config):
        return stored_parameters(Path(side.spec.folder), side.skeleton)

    def loading(fraction: float) -> None:
        go_on()
        emit(Step(detail="loading weights"))

    return nullcontext(packed_parameters(side.spec, side.skeleton, loading))


def _only_in_one(own: Side, other: Side, paired: Collection[str]) -> dict[str, int]:
    """Part → weights that were not compared, as only one of the files can have them."""
    left = Counter[str]()
    for side in (own, other):
        for path, tensor in side.skeleton.state_dict().items():
            if _plain(path) not in paired and part_of(path) in BESIDE:
                left[part_of(path)] += tensor.numel()
    return dict(left)


def _measured(pair: _Pair, own: Side, other: Side, go_on: Callable[[], None]) -> tuple[LayerError, LayerPlace, Types]:
    weight, restored = pair.own(), pair.other()
    if weight.shape != restored.shape:
        raise _differ(own, other, f"{pair.path} has the shape {list(weight.shape)} in the first and {list(restored.shape)} in the second")
    types = {"stored": _type_of(own, pair.own_path, weight), "other": _type_of(other, pair.other_path, restored)}
    name = _layer_of(pair.path)
    place = LayerPlace(
        name=name, part=part_of(name), block=block_of(name), projection=projection_of(name), shape=tuple(weight.shape),
    )  # fmt: skip
    theirs = _rows(restored)

    def rows_of(rows: Tensor, start: int) -> Tensor:
        return theirs[start : start + len(rows)].float()

    return measure_layer(_rows(weight), {other.name: rows_of}, {other.name: 0}, go_on)[other.name], place, types


def _rows(tensor: Tensor) -> Tensor:
    """As a matrix of floats: a vector is one row, the experts of a block stand below each other."""
    tensor = tensor if tensor.is_floating_point() else tensor.float()
    return (tensor.reshape(1, -1) if tensor.dim() < 2 else tensor.reshape(-1, tensor.shape[-1])).contiguous()


def _type_of(side: Side, path: str, tensor: Tensor) -> StoredType | None:
    if side.types is not None:
        return side.types.get(path)
    name = str(tensor.dtype).removeprefix("torch.")
    return StoredType(type=_TYPES.get(name, name), bits=8 * tensor.element_size())


_TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""Names of the safetensors format, which ggml shares."""


def _paired(own: Side, other: Side, own_reads: Mapping[str, Read], other_reads: Mapping[str, Read]) -> list[_Pair]:
    """Everything that both have, matrices first; raises QdashError for two models."""
    ours, theirs = ({_plain(path): (path, read) for path, read in reads.items()} for reads in (own_reads, other_reads))
    tied = {_plain(target): _plain(source) for side in (own, other) for target, source in side.skeleton.all_tied_weights_keys.items()}
    for target, source in tied.items():
        if all(_is_copy(reads, target, source) for reads in (ours, theirs)):
            ours.pop(target, None)
            theirs.pop(target, None)
        elif source in ours and source in theirs:
            ours.setdefault(target, ours[source])
            theirs.setdefault(target, theirs[source])
    _check_same(own, other, list(ours), list(theirs))
    pairs = [_Pair(path, ours[path][1], ours[path][0], theirs[path][1], theirs[path][0]) for path in ours if path in theirs]
    shapes = {_plain(path): tensor.dim() for path, tensor in own.skeleton.state_dict().items()}
    return sorted(pairs, key=lambda pair: shapes[pair.path] < 2)


def _plain(path: str) -> str:
    """The path without what wraps a language model in one that also sees: files of both kinds hold it."""
    return path.replace("model.language_model.", "model.", 1)


def _is_copy(reads: Mapping[str, tuple[str, Read]], target: str, source: str) -> bool:
    """Whether a file has no head of its own, but at most a copy of what it is tied to."""
    return target not in reads or (source in reads and torch.equal(reads[target][1](), reads[source][1]()))


def _check_same(own: Side, other: Side, ours: Sequence[str], theirs: Sequence[str]) -> None:
    shapes = [{_plain(path): tuple(tensor.shape) for path, tensor in side.skeleton.state_dict().items()} for side in (own, other)]
    for path in ours:
        first, second = (known.get(path) for known in shapes)
        if path in theirs and first != second:
            raise _differ(own, other, f"{path} has the shape {list(first or ())} in the first and {list(second or ())} in the second")
    for which, here, there in (("first", ours, theirs), ("second", theirs, ours)):
        known = set(there)
        only = [path for path in here if path not in known and part_of(path) not in BESIDE]
        if only:
            more = f" and {len(only) - _SHOWN} more" if len(only) > _SHOWN else ""
            raise _differ(own, other, f"only the {which} has {', '.join(only[:_SHOWN])}{more}")


def _differ(own: Side, other: Side, how: str) -> QdashError:
    message = f"{own.name} and {other.name} are not files of one model: {how}."
    return QdashError(message, "Choose two versions of the same model.")


def _layer_of(path: str) -> str:
    return path.removesuffix(".weight")


@dataclass
class _Tally:
    """Sums and histograms over the layers so far."""

    sums: ErrorSums = field(default_factory=ErrorSums)
    shapes: Shapes = field(default_factory=Shapes)
    layers: list[LayerWeights] = field(default_factory=list)

    def add(self, layer_error: LayerError, place: LayerPlace, types: Types) -> LayerWeights:
        """Count a layer in. Which weights share a scale is not known of either file, so none counts as clipped."""
        layer_error.sums.clipped = 0
        record = layer_error.record(place).model_copy(update=dict(types))
        self.layers.append(record)
        self.sums += layer_error.sums
        self.shapes += layer_error.shapes
        return record

    def report(self, name: str) -> SchemeWeights:
        """What was counted."""
        sums = self.sums
        return SchemeWeights(
            scheme=name, label=name, kind="real", parameters=sums.parameters, nonfinite=sums.nonfinite, layers=tuple(self.layers),
            histograms=self.shapes.record(sums), **sums.summary().model_dump(),
        )  # fmt: skip
