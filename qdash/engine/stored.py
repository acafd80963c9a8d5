"""The weights of a model's layers as its checkpoint stores them, read one at a time.

Names in a checkpoint are often not the model's own (transformers 5 renames, fuses and splits tensors while it loads). The rules are asked
of transformers, in the order in which `from_pretrained` applies them, so that every architecture it loads can be read here. Files are
memory-mapped: the whole model is never in memory, and a layer is only while the caller holds it.
"""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, dot_natural_key, rename_source_key
from transformers.pytorch_utils import Conv1D

from qdash.errors import QdashError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
Read = Callable[[], Tensor]


@dataclass(frozen=True)
class StoredLayer:
    """A linear layer and where its weight is. `name` is its path in the checkpoint, or in the model where one tensor is not one layer."""

    name: str
    module: str
    read: Read
    """Gives the weight (out, in) in the dtype of the checkpoint."""


@dataclass
class _Group:
    """Tensors that transformers turns into one or several parameters together."""

    target: str
    converter: WeightConverter | None
    sources: list[tuple[str, str, Read]] = field(default_factory=list)
    """Name in the checkpoint, pattern that it matched, and how to read it."""


@contextmanager
def stored_layers(folder: Path, skeleton: PreTrainedModel, modules: Collection[str]) -> Iterator[list[StoredLayer]]:
    """Those of `modules` (paths in `skeleton`) that `folder` has a weight for, readable inside the context, in the checkpoint's order.

    A weight that several modules share is stored, and listed, once. A fused tensor is read anew for each layer that is cut out of
    it. Raises QdashError("checkpoint") for files that cannot be opened; so does reading a layer.
    """
    with ExitStack() as files:
        yield [
            StoredLayer(_name(group, module), module, partial(_read, folder, group, f"{module}.weight", skeleton))
            for group in _groups(_open(folder, files), skeleton)
            for module in (parameter.removesuffix(".weight") for parameter in _parameters(group))
            if module in modules
        ]


@contextmanager
def stored_parameters(folder: Path, skeleton: PreTrainedModel) -> Iterator[dict[str, Read]]:
    """How to read each parameter and buffer that `folder` holds, as the model has it, by its path there; in the checkpoint's order.

    Readable inside the context. Raises QdashError("checkpoint") as `stored_layers` does.
    """
    with ExitStack() as files:
        yield {
            path: partial(_read_parameter, folder, group, path, skeleton)
            for group in _groups(_open(folder, files), skeleton)
            for path in _parameters(group)
        }


def _open(folder: Path, files: ExitStack) -> dict[str, Read]:
    """How to read each tensor of the checkpoint, single file or sharded, by the name it has there."""
    tensors: dict[str, Read] = {}
    with _readable(folder):
        for shard in _shards(folder):
            file = files.enter_context(safe_open(shard, framework="pt"))
            tensors |= {name: partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    return tensors


def tensor_files(folder: Path) -> dict[str, Path]:
    """The file that holds each tensor of a checkpoint; raises what reading it raises."""
    found: dict[str, Path] = {}
    for shard in _shards(folder):
        with safe_open(shard, framework="pt") as file:
            found |= dict.fromkeys(file.keys(), shard)
    return found


def own_names(skeleton: PreTrainedModel, tensors: Collection[str]) -> dict[str, str]:
    """Paths in the model → names in the checkpoint, of tensors that become one parameter as they are."""
    groups = _groups(dict.fromkeys(tensors, _nothing), skeleton)
    return {group.target: group.sources[0][0] for group in groups if group.converter is None}


def _nothing() -> Tensor:
    raise LookupError("only the names are known")


def _shards(folder: Path) -> list[Path]:
    single = (folder / SINGLE).exists()
    names = {SINGLE} if single else set(json.loads((folder / INDEX).read_text())["weight_map"].values())
    return [folder / name for name in sorted(names)]


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        message = f"The weights in {folder} cannot be read ({error})."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint") from error


def _groups(tensors: dict[str, Read], skeleton: PreTrainedModel) -> list[_Group]:
    """Which tensors become which parameters; follows transformers.core_model_loading.convert_and_load_state_dict_in_model."""
    rules = get_model_conversion_mapping(skeleton)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    by_pattern = {pattern: converter for converter in converters for pattern in converter.source_patterns}
    parameters = skeleton.state_dict()
    groups: dict[str, _Group] = {}
    for name in sorted(tensors, key=dot_natural_key):
        target, pattern = rename_source_key(name, renamings, converters, skeleton.base_model_prefix, parameters)
        if target not in parameters and name in parameters:
            target, pattern = rename_source_key(name, [], [], skeleton.base_model_prefix, parameters)
        if target in parameters:
            group = groups.setdefault(target, _Group(target, by_pattern[pattern] if pattern is not None else None))
            group.sources.append((name, pattern or name, tensors[name]))
    return list(groups.values())


def _parameters(group: _Group) -> list[str]:
    """The parameters that a group becomes. A converter's first target stands in its name; the others take its place."""
    if group.converter is None:
        return [group.target]
    first, *others = group.converter.target_patterns
    return [group.target, *(group.target.replace(first, other) for other in others)]


def _name(group: _Group, module: str) -> str:
    alone = len(group.sources) == 1 and len(_parameters(group)) == 1
    return group.sources[0][0].removesuffix(".weight") if alone else module


def _read_parameter(folder: Path, group: _Group, parameter: str, skeleton: PreTrainedModel) -> Tensor:
    with _readable(folder):
        return group.sources[0][2]() if group.converter is None else _converted(group, group.converter, parameter, skeleton)


def _read(folder: Path, group: _Group, parameter: str, skeleton: PreTrainedModel) -> Tensor:
    weight = _read_parameter(folder, group, parameter, skeleton)
    layer = skeleton.get_submodule(parameter.removesuffix(".weight"))
    return weight.T.contiguous() if isinstance(layer, Conv1D) else weight


def _converted(group: _Group, converter: WeightConverter, parameter: str, skeleton: PreTrainedModel) -> Tensor:
    converter = deepcopy(converter)  # it collects tensors
    for name, pattern, read in group.sources:
        converter.add_tensor(group.target, name, pattern, read)  # type: ignore[arg-type]  # callables are read when needed
    made = converter.convert(group.target, model=skeleton, config=skeleton.config)[parameter]
    return made[0] if isinstance(made, list) else made
