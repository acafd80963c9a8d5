"""Checkpoints that were published quantized: what their config.json says of it, checked before any library acts on it.

The text comes from strangers. Transformers, torchao and compressed-tensors look classes up by the names they find there, so only names
that are known to stand for plain data pass. A method that is not in `NEEDS` is refused rather than half loaded: transformers would
skip it with a warning and fill the layers with random numbers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qdash.catalog.families.bitsandbytes import BITSANDBYTES
from qdash.catalog.families.torchao import INT4, TORCHAO
from qdash.catalog.needs import Need, Surroundings
from qdash.catalog.scheme import Scheme
from qdash.checkpoints.codes import holds_codes, is_mlx
from qdash.checkpoints.packing import memory_bytes, parameters
from qdash.checkpoints.record import Checkpoint, PublishedQuantization, TensorInfo
from qdash.errors import QdashError

_GPTQMODEL = Need("Install it: pip install 'gptqmodel>=1.4.3'", package="gptqmodel")
NEEDS: dict[str, tuple[Need, ...]] = {
    "bitsandbytes": BITSANDBYTES.needs,
    "torchao": TORCHAO.needs,
    "compressed-tensors": (Need("Install it: pip install compressed-tensors==0.20.0", package="compressed-tensors"),),
    "gptq": (_GPTQMODEL, Need("Install it: pip install 'optimum>=1.24'", package="optimum")),
    "awq": (_GPTQMODEL,),
}
"""The methods that load as published, by their name in config.json, and what transformers needs for each."""

DEQUANTIZED = ("bitsandbytes", "torchao", "compressed-tensors")
"""Those of them whose layers can be dequantized one by one."""

_CUDA = Need("Choose the device “cuda” where there is one, or the model that it was made from.", device="cuda")

# Where transformers looks: the model's own configuration, then that of its language model.
_PLACES = ("text_config", "decoder", "generator")

# torchao looks these up in its own modules and calls them; everything else that lies there is none of a checkpoint's business.
_AO_TYPES = re.compile(
    r"([A-Z]\w*Config|Per(Row|Tensor|Group|Axis|Token|Block)|QuantizeTensorTo\w+Kwargs|\w+Layout"
    r"|MappingType|ZeroPointDomain|KernelPreference|ScaleCalculationMode|Intx\w+|Int4\w+(Format|Algorithm)|Float8\w+Format|torch\.dtype)",
    re.ASCII,
)
_WORD = re.compile(r"\w*", re.ASCII)

# compressed-tensors' registry takes “file.py:Class” for a name, and would run the file.
_CT_FORMATS = (
    "dense", "int-quantized", "float-quantized", "naive-quantized", "pack-quantized", "mixed-precision", "nvfp4-pack-quantized",
    "mxfp4-pack-quantized", "mxfp6-pack-quantized", "mxfp8-quantized",
)  # fmt: skip


def published_quantization(
    where: str, config: Mapping[str, Any], tensors: tuple[TensorInfo, ...], card: str | None
) -> PublishedQuantization | None:
    """What a config.json says of its checkpoint's quantization; None for plain floats.

    `tensors`: those that take memory of their own; `card`: the model card, or None.

    Raises QdashError("checkpoint") for a method that is not supported, and for entries that are damaged, unsafe or missing.
    """
    entry = next((part["quantization_config"] for part in _parts(config) if part.get("quantization_config") is not None), None)
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise _damaged(where, f"it is {type(entry).__name__}, no object")
    base_model = base_model_of(card)
    method = _method(where, entry, base_model)
    try:
        bits, stored_bits = _READERS[method](where, entry)
    except RecursionError:
        raise _damaged(where, "it is nested too deep") from None
    _check_packed(where, method, tensors)
    return PublishedQuantization(
        method=method,
        bits=bits,
        needs_cuda=method == "torchao" and _ao_class(entry) == INT4,
        base_model=base_model,
        parameters=parameters(tensors, stored_bits or bits or 4),
        stored_bits=stored_bits or bits or 4,
        weights_bytes=memory_bytes(tensors, method, bits or 4),
    )


def published_problem(checkpoint: Checkpoint, scheme: Scheme, here: Surroundings) -> QdashError | None:
    """Why `scheme` cannot run on a checkpoint that was published quantized, or the checkpoint not `here`; None if it can."""
    quantization = checkpoint.quantization
    if quantization is None:
        return None
    if scheme.key != "original":
        message = f"{scheme.label} cannot be applied to {checkpoint.label}, which is quantized already ({quantization.name})."
        return QdashError(message, f"Choose Original for this checkpoint, or {original_of(quantization.base_model)}.", "unavailable")
    for need in (*NEEDS[quantization.method], *([_CUDA] if quantization.needs_cuda else [])):
        missing = need.missing(here)
        if missing is not None:
            return QdashError(f"{checkpoint.label} ({quantization.name}) needs {missing}.", need.remedy_in(here), "unavailable")
    return None


def weights_problem(checkpoint: Checkpoint) -> QdashError | None:
    """Why the weights of `checkpoint` cannot be compared with their round trips: they are no original floats. None if they can."""
    quantization = checkpoint.quantization
    if quantization is None:
        return None
    message = f"{checkpoint.label} is quantized already ({quantization.name}), so there are no original weights to compare with."
    return QdashError(message, f"Choose {original_of(quantization.base_model)}.", "unavailable")


def original_of(base_model: str | None) -> str:
    """Which unquantized model to choose, in words; `base_model` is its hub id where that is known."""
    return "the unquantized model" + (f", {base_model}" if base_model else " that it was made from")


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield config
    for place in _PLACES:
        if isinstance(config.get(place), dict):
            yield config[place]


def _method(where: str, entry: Mapping[str, Any], base_model: str | None) -> str:
    named = entry.get("quant_method")
    # transformers takes these flags for bitsandbytes whatever the method is called.
    flagged = bool(entry.get("load_in_4bit") or entry.get("load_in_8bit"))
    method = "bitsandbytes" if named is None and flagged else named
    if is_mlx(entry):
        remedy = f"Choose {original_of(base_model)}, or a version made with {', '.join(NEEDS)}."
        raise QdashError(f"{where} is quantized for MLX, which qdash does not load.", remedy, "checkpoint")
    if not isinstance(method, str):
        raise _damaged(where, "it has no quant_method")
    if flagged and method != "bitsandbytes":
        raise _damaged(where, f"it names both “{method[:40]}” and bitsandbytes")
    if method not in NEEDS:
        why = "whose kernels transformers would fetch as code" if method in ("fp8", "mxfp8", "mxfp4") else "which qdash does not load"
        remedy = f"Choose {original_of(base_model)}, or a version made with {', '.join(NEEDS)}."
        raise QdashError(f"{where} is quantized with “{method[:40]}”, {why}.", remedy, "checkpoint")
    return method


def _read_bitsandbytes(where: str, entry: Mapping[str, Any]) -> tuple[int, None]:
    flags = [entry.get(name, False) for name in ("load_in_4bit", "load_in_8bit")]
    if not all(isinstance(flag, bool) for flag in flags) or sum(flags) != 1:
        raise _damaged(where, "exactly one of load_in_4bit and load_in_8bit must be true")
    return (4 if flags[0] else 8), None


def _read_integers(where: str, entry: Mapping[str, Any]) -> tuple[int, None]:
    return _bits(where, entry.get("bits"), (2, 3, 4, 8)), None


def _read_torchao(where: str, entry: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bits of a weight, and those that it is stored in where these are more."""
    kind = entry.get("quant_type")
    if not isinstance(kind, dict) or list(kind) != ["default"] or not isinstance(kind["default"], dict):
        raise _damaged(where, "its quant_type is not in the form that transformers 5 reads")
    for name, data in _ao_objects(kind["default"]):
        known = isinstance(name, str) and _AO_TYPES.fullmatch(name)
        if not known or (not isinstance(data, dict) and not (isinstance(data, str) and _WORD.fullmatch(data))):
            raise _damaged(where, f"“{str(name)[:40]}” is not a torchao configuration that is known to be safe")
    name, options = _ao_class(entry), kind["default"].get("_data")
    if not isinstance(name, str) or not name.endswith("Config") or not isinstance(options, dict):
        raise _damaged(where, "its quant_type does not name a torchao configuration")
    said = re.search(r"(\d)Weight", name) or re.search(r"Float(\d)", name)
    if said is None:
        dtype = options.get("weight_dtype")
        said = re.search(r"int(\d)", str(dtype.get("_data")) if isinstance(dtype, dict) else "")
    bits = int(said[1]) if said else None
    return bits, (8 if name.startswith("Intx") or bits is None else None)


def _read_compressed_tensors(where: str, entry: Mapping[str, Any]) -> tuple[int | None, None]:
    groups = entry.get("config_groups")
    if not isinstance(groups, dict) or not groups:
        raise _damaged(where, "it has no config_groups")
    sparsity = entry.get("sparsity_config") or {}
    if entry.get("transform_config") or not isinstance(sparsity, dict) or sparsity.get("format", "dense") != "dense":
        message = f"{where} is compressed with transforms or sparsity, which transformers does not undo when it loads a model."
        raise QdashError(message, "Choose the model that it was made from.", "checkpoint")
    found = set()
    for name, group in groups.items():
        if isinstance(group, list) and (preset := re.match(r"W(\d+)A", name)):
            found.add(int(preset[1]))
            continue
        if not isinstance(group, dict) or not isinstance(group.get("weights"), dict):
            raise _damaged(where, f"group “{name[:40]}” has no weights")
        _check_format(where, group.get("format"))
        found.add(_bits(where, group["weights"].get("num_bits"), range(1, 17)))
    _check_format(where, entry.get("format"))
    return (found.pop() if len(found) == 1 else None), None


_READERS = {
    "bitsandbytes": _read_bitsandbytes,
    "torchao": _read_torchao,
    "compressed-tensors": _read_compressed_tensors,
    "gptq": _read_integers,
    "awq": _read_integers,
}


def _ao_class(entry: Mapping[str, Any]) -> Any:
    return entry["quant_type"]["default"].get("_type")


def _ao_objects(value: Any) -> Iterator[tuple[Any, Any]]:
    """Type and data of everything in `value` that torchao would make an object of."""
    if isinstance(value, dict):
        if "_type" in value:
            yield value["_type"], value.get("_data")
        for part in value.values():
            yield from _ao_objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _ao_objects(part)


def _check_format(where: str, name: Any) -> None:
    if name is not None and name not in _CT_FORMATS:
        raise _damaged(where, f"“{str(name)[:40]}” is not a compressed-tensors format that transformers loads")


def _bits(where: str, value: Any, allowed: range | tuple[int, ...]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise _damaged(where, f"“{str(value)[:40]}” is not a number of bits")
    return value


def _check_packed(where: str, method: str, tensors: tuple[TensorInfo, ...]) -> None:
    """An entry that training copied from a quantized model would make transformers look for packed weights that were never saved."""
    if not holds_codes(tensors):
        message = f"The config.json of {where} says that it is quantized ({method}), but its weights are plain floats."
        raise QdashError(message, "Take quantization_config out of its config.json.", "checkpoint")


def base_model_of(card: str | None) -> str | None:
    """The hub id that a model card's front matter gives as the model's origin."""
    front = re.match(r"---\s*\n(.*?)\n---", card or "", re.DOTALL)
    found = re.search(r"^base_model:\s*(?:-\s*)?[\"']?([\w.-]+/[\w.-]+)[\"']?\s*$", front[1], re.MULTILINE | re.ASCII) if front else None
    return found[1] if found else None


def _damaged(where: str, why: str) -> QdashError:
    message = f"{where} holds a quantization_config that cannot be used: {why}."
    return QdashError(message, "Download or copy the checkpoint again, or choose the model that it was made from.", "checkpoint")
