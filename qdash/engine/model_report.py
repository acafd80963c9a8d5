"""What is inside a loaded model: every tensor it holds, by part and dtype, and the files that saving it gives.

Three ways to count exist and tutorials mix them up: what torch lists as parameters, how many weights the layers have, and the bytes
that are really there. All are taken here from the same walk over the model, so that the parts add up to `sizes.weights_bytes`.
"""

import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.catalog.parts import DIVIDING, part_of
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import find_scheme
from qdash.engine.layers import linear_layers, quantized_layers, scheme_of, shape
from qdash.engine.parameters import Experts, all_weights, quantized_experts
from qdash.engine.saving import listed, save
from qdash.engine.schemes import SchemeFamily
from qdash.engine.sizes import held_tensors, packed_bytes, weights_bytes
from qdash.records import InspectorReport, PartInside, QuantizedInside, SavedFile


def report_model(
    model: PreTrainedModel,
    scheme: Scheme,
    family: SchemeFamily,
    projected_bytes: int | None,
    folder: Path | None,
    unsaveable: str | None = None,
) -> InspectorReport:
    """Count a loaded model and save it below `folder` for a moment (None: do not); the model stays as it is.

    `family` is the one that loaded it: for a checkpoint published quantized not that of `scheme`. `unsaveable`: why it cannot be
    saved, if so. The caller fills in the model's name, the conditions and the explanations, and says why if there is no `folder`.
    """
    counted = sum(parameter.numel() for parameter in model.parameters())
    files, saved_as, not_saved = _saved(model, family, folder, unsaveable) if folder is not None else (None, None, None)
    parts = _parts(model)
    return InspectorReport(
        model="",
        scheme=scheme.key,
        label=scheme.label,
        kind=scheme.kind,
        dtype=dtype_name(model.dtype),
        counted=counted,
        parameters=sum(part.parameters for part in parts),
        parts=parts,
        quantized=_quantized(model),
        weights_bytes=weights_bytes(model),
        estimate_bytes=counted * model.dtype.itemsize,
        footprint_bytes=int(model.get_memory_footprint()),
        projected_bytes=projected_bytes,
        saved=files,
        saved_as=saved_as,
        not_saved=not_saved,
        quantization_config=_quantization_config(model),
    )


def dtype_name(dtype: torch.dtype) -> str:
    """A torch dtype without its prefix; PyTorch's older quantized types by the integers they are."""
    return {torch.qint8: "int8", torch.quint8: "uint8"}.get(dtype) or str(dtype).removeprefix("torch.")


def arithmetic(layer: nn.Module, model_dtype: torch.dtype) -> tuple[str, ...]:
    """The dtypes in which a linear layer multiplies; told by what it holds, as a published checkpoint does not name a scheme."""
    weight: Any = getattr(layer, "weight", None)
    if getattr(getattr(layer, "state", None), "CB", None) is not None:
        return ("int8", "float16")  # LLM.int8() takes the columns of large activations apart, in 16 bits
    if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
        return ("bfloat16",)  # all that bitsandbytes' fused kernel knows
    if packed_bytes(layer):
        return ("int8",)
    scheme = find_scheme(scheme_of(layer) or "original")
    rounds_inputs = scheme.kind == "real" and scheme.activation_bits is not None and scheme.activation_bits <= 8
    if rounds_inputs or getattr(weight, "act_quant_kwargs", None) is not None:
        return tuple(sorted({dtype_name(tensor.dtype) for _, tensor in held_tensors(layer) if tensor.dtype.itemsize == 1}))
    dtype = getattr(layer, "compute_dtype", None) or (weight.dtype if isinstance(weight, Tensor) else model_dtype)
    return (dtype_name(dtype if dtype.is_floating_point else model_dtype),)


@dataclass
class _Tally:
    counted: int = 0
    parameters: int = 0
    stored: Counter[str] = field(default_factory=Counter)
    computes_in: dict[str, None] = field(default_factory=dict)


def _parts(model: PreTrainedModel) -> tuple[PartInside, ...]:
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    seen: set[int] = set()
    for path, module in model.named_modules():
        new = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in seen]
        seen.update(map(id, new))
        counted = sum(parameter.numel() for parameter in new)
        if counted:
            tallies[part_of(path)].counted += counted
    for weight in all_weights(model):
        tallies[part_of(weight.name)].parameters += weight.count
    for path, dtype, size in _storages(model):
        tallies[part_of(path)].stored[dtype] += size
    for path, layer in linear_layers(model).items():
        tallies[part_of(path)].computes_in |= dict.fromkeys(arithmetic(layer, model.dtype))
    return tuple(
        PartInside(
            part=part,
            counted=tallies[part].counted,
            parameters=tallies[part].parameters,
            stored=_by_size(tallies[part].stored),
            computes_in=tuple(tallies[part].computes_in),
        )
        for part in DIVIDING
        if part in tallies
    )


def _quantized(model: PreTrainedModel) -> QuantizedInside | None:
    layers, experts = quantized_layers(model), [own for _, own in quantized_experts(model).values()]
    if not layers and not experts:
        return None
    holders = [*layers.values(), *map(_holder, experts)]
    stored: Counter[str] = Counter()
    for holder in holders:
        for _, dtype, size in _storages(holder):
            stored[dtype] += size
    own = ((name, parameter) for holder in holders for name, parameter in holder.named_parameters(recurse=False))
    return QuantizedInside(
        schemes=dict(Counter(scheme_of(layer) or "" for layer in layers.values())),
        experts=dict(Counter(key for key, _ in quantized_experts(model).values())),
        counted=sum(parameter.numel() for name, parameter in own if name != "bias"),
        parameters=sum(map(_weights, _apart(layers.values()))) + sum(math.prod(own.shape) for own in experts),
        stored=_by_size(stored),
        computes_in=tuple(dict.fromkeys(dtype for layer in layers.values() for dtype in arithmetic(layer, model.dtype))),
    )


def _storages(model: nn.Module) -> Iterator[tuple[str, str, int]]:
    """Path, dtype and bytes of everything a model holds, each storage once, where it is met first."""
    seen: set[tuple[torch.device, int]] = set()
    for path, tensor in held_tensors(model):
        storage = tensor.untyped_storage()
        if (tensor.device, storage.data_ptr()) not in seen:
            seen.add((tensor.device, storage.data_ptr()))
            yield path, dtype_name(tensor.dtype), storage.nbytes()
    for path, layer in model.named_modules():
        packed = packed_bytes(layer)
        if packed:  # 8-bit weights, the rest of it the bias
            yield path, "int8", _weights(layer)
            yield path, "float32", packed - _weights(layer)


def _weights(layer: nn.Module) -> int:
    outputs, inputs = shape(layer)
    return outputs * inputs


def _apart(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    """Without those that share their weight with one before, as a tied output head does."""
    return {id(weight if isinstance(weight := layer.weight, Tensor) else layer): layer for layer in layers}.values()


def _holder(experts: Experts) -> nn.Module:
    """A module with all that quantized experts take, and no more."""
    packed = getattr(experts.module, "parametrizations", {})
    return packed[experts.parameter] if experts.parameter in packed else nn.ParameterList([getattr(experts.module, experts.parameter)])


def _by_size(stored: Counter[str]) -> dict[str, int]:
    return {dtype: size for dtype, size in stored.most_common() if size}


def _quantization_config(model: PreTrainedModel) -> dict[str, Any] | None:
    """The entry of the model's configuration, in JSON's types."""
    config = model.config.to_dict().get("quantization_config")
    return None if config is None else json.loads(json.dumps(config, default=str))


def _saved(
    model: PreTrainedModel, family: SchemeFamily, folder: Path, unsaveable: str | None
) -> tuple[tuple[SavedFile, ...] | None, dict[str, int] | None, str | None]:
    """Files and dtypes in them; or why there are none."""
    if unsaveable is not None:
        return None, None, unsaveable
    with tempfile.TemporaryDirectory(dir=folder) as target:
        try:
            save(model, family, Path(target))
        except Exception as error:  # whatever the package that quantized it objects to
            lines = (line.strip() for line in str(error).splitlines())
            return None, None, f"save_pretrained refused: {next(filter(None, lines), type(error).__name__)[:300].rstrip('.')}"
        return listed(Path(target)), _saved_as(sorted(Path(target).rglob("*.safetensors"))), None


def _saved_as(files: Iterable[Path]) -> dict[str, int]:
    stored: Counter[str] = Counter()
    for file in files:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                tensor = tensors.get_tensor(name)
                stored[dtype_name(tensor.dtype)] += tensor.nbytes
    return _by_size(stored)
