"""A model's layer table: its classes built without weights, and every scheme asked what it would take of each layer, in how many bits.

Run in a process of its own, as the page never loads torch: `python -m qdash.engine.table` reads a job as JSON and prints the table.
"""

import importlib
import json
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.core_model_loading import build_glob_alternation
from transformers.utils import logging

from qdash.catalog.cutting import Cut
from qdash.catalog.schemes import SCHEMES, Scheme
from qdash.engine.layers import convertible_experts, convertible_layers, shape
from qdash.engine.loading import load_skeleton
from qdash.engine.parameters import Experts, bias_of
from qdash.engine.pruning.blocks import find_blocks
from qdash.engine.schemes import family_of, unsupported_reason
from qdash.engine.stored import own_names, tensor_files
from qdash.errors import QdashError
from qdash.records import ConvertibleLayer, Dtype, LayerTable, WorkerSpec, shape_key

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
Layers = dict[str, nn.Module | Experts]


def layer_table(spec: WorkerSpec, tensors: Collection[str]) -> LayerTable:
    """The table of the model whose config.json is in `spec.folder`, for schemes on `spec.device`; raises QdashError("checkpoint").

    `tensors` are the names in the checkpoint's files: a weight that the configuration shares is stored twice in some.
    """
    skeletons: dict[Dtype, PreTrainedModel] = {dtype: load_skeleton(spec, dtype) for dtype in DTYPES}
    for built in skeletons.values():
        built.tie_weights()
    skeleton = skeletons["float32"]
    layers: Layers = {**convertible_layers(skeleton), **convertible_experts(skeleton)}
    widths: dict[Dtype, dict[str, int]] = {dtype: _widths(built, dtype) for dtype, built in skeletons.items()}
    apart = _untied(skeleton, tensors, Path(spec.folder))
    cuts = {name: block.cut(name) for block in find_blocks(skeleton).all() for name in block.names()}
    own = {parameter for name, layer in layers.items() for parameter in _own(name, layer)}
    beside = {name: tensor for name, tensor in _tensors(skeleton, apart) if name not in own}
    return LayerTable(
        parameters=sum(tensor.numel() for name, tensor in _tensors(skeleton, apart) if isinstance(tensor, nn.Parameter)),
        beside_bytes={dtype: sum(tensor.numel() * widths[dtype][name] for name, tensor in beside.items()) for dtype in DTYPES},
        layers=tuple(_convertible(name, layer, widths, cuts.get(name)) for name, layer in layers.items()),
        stored={scheme.key: stored for scheme in SCHEMES.values() if (stored := _stored(scheme, spec, layers)) is not None},
    )


def _convertible(name: str, layer: nn.Module | Experts, widths: dict[Dtype, dict[str, int]], cut: Cut | None) -> ConvertibleLayer:
    weight, *_ = _own(name, layer)
    bias = None if isinstance(layer, Experts) else bias_of(layer)
    return ConvertibleLayer(
        name=name,
        shape=_shape(layer),
        bias=0 if bias is None else bias.numel(),
        widths={dtype: widths[dtype][weight] for dtype in DTYPES},
        cut=cut,
    )


def _stored(scheme: Scheme, spec: WorkerSpec, layers: Layers) -> dict[str, tuple[float, int | None]] | None:
    """Bits by shape; None for floats, for a scheme whose package is not here, and for what depends on more than shapes."""
    if scheme.is_baseline or scheme.family.keeps_file or scheme.family.prunes:
        return None
    found: dict[str, tuple[float, int | None]] = {}
    with suppress(QdashError):
        family = family_of(scheme)
        for name, layer in layers.items():
            key = shape_key(_shape(layer))
            if key not in found and unsupported_reason(scheme, spec, name, layer) is None:
                stored = family.stored(_shape(layer), scheme, spec)
                found[key] = stored.bits, stored.bias_bits
        return found
    return None


def _shape(layer: nn.Module | Experts) -> tuple[int, ...]:
    return layer.shape if isinstance(layer, Experts) else shape(layer)


def _own(name: str, layer: nn.Module | Experts) -> tuple[str, ...]:
    """Paths of the parameters that a convertible layer has."""
    if isinstance(layer, Experts):
        return (name,)
    return (f"{name}.weight", f"{name}.bias") if bias_of(layer) is not None else (f"{name}.weight",)


def _tensors(model: PreTrainedModel, apart: Collection[str]) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer by path, a shared one once; those at `apart` are shared in the configuration alone."""
    yield from model.named_parameters()
    yield from model.named_buffers()
    shared = {name for name, _ in model.named_parameters()}
    yield from ((name, model.get_parameter(name)) for name in apart if name not in shared)


def _widths(model: PreTrainedModel, dtype: Dtype) -> dict[str, int]:
    """Bytes of a number of every parameter and buffer once the model is loaded in `dtype`: some classes ask for 32 bits."""
    wide: set[Any] = set(model._keep_in_fp32_modules_strict or ()) if dtype != "float32" else set()
    wide |= set(model._keep_in_fp32_modules or ()) if dtype == "float16" else set()
    stays = build_glob_alternation(sorted(wide))[0].search if wide else lambda name: None
    held = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {name: 4 if tensor.is_floating_point() and stays(name) else tensor.itemsize for name, tensor in held}


def _untied(model: PreTrainedModel, tensors: Collection[str], folder: Path) -> list[str]:
    """Parameters that the configuration ties and the files hold twice, with different numbers: transformers does not tie these."""
    names = own_names(model, tensors)
    pairs = ((target, source) for target, source in model.all_tied_weights_keys.items() if target in names and source in names)
    return [target for target, source in pairs if _differ(folder, names[target], names[source])]


def _differ(folder: Path, first: str, second: str) -> bool:
    """Whether two tensors of the files are different; where there are no files yet, they are taken for the same."""
    with suppress(SafetensorError, OSError, ValueError, KeyError):
        files = tensor_files(folder)
        with safe_open(files[first], framework="pt") as one, safe_open(files[second], framework="pt") as other:
            return not torch.equal(one.get_tensor(first), other.get_tensor(second))
    return False


def answer(job: dict[str, Any]) -> str:
    """The table as JSON; `job` has the fields of a WorkerSpec under “spec”, and “tensors”."""
    logging.set_verbosity_error()
    return layer_table(WorkerSpec.model_validate(job["spec"]), job["tensors"]).model_dump_json()


if __name__ == "__main__":
    importlib.import_module("qdash.engine.preload").hide_gpus()
    sys.stdout.write(answer(json.load(sys.stdin)))
