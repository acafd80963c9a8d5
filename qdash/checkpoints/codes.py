"""Quantized data under a config.json that does not say so: told from dtypes and names in the headers.

transformers would take codes for weights and silently leave out scales, and the answers would look like a bad quantization. Only buffers of
known names may be whole numbers in a model of plain floats.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from qdash.checkpoints.record import DTYPES, TensorInfo
from qdash.errors import QdashError

_SCALE = re.compile(
    r"(^|[._])(scales?|scale_inv|absmax|SCB|zero_points?|zeros?|amax|codebooks?|biases|W_q|weight_(scale\w*|zero_point|global_scale))$"
)
_BELONGING = re.compile(
    r"\.(qweight|qzeros|g_idx|SCB|W_q|weight_(packed|format|scale|scale_inv|scale_2|global_scale|zero_point)|_weight_(qdata|scale)"
    r"|weight\.(quant_map|absmax))$"
)
"""What quantizers call packed weights, and what belongs to them whatever dtype the codes are kept in."""

_BUFFER = re.compile(
    r"((^|[._])(ids|index|indices_buffer|mask|masked_bias|tid2eid|num_batches_tracked|attn\.bias|attention\.bias|version))$"
)
_COUNTS = ("I64", "BOOL", "U64")
"""Dtypes of counters, masks and tables of indices; weights in few bits are never kept in them."""

_KEYS = ("quantization_config", "compression_config", "quantization", "quant_config")
_FILES = {
    "hf_quant_config.json": "NVIDIA ModelOpt", "quantize_config.json": "GPTQ", "quant_config.json": "AWQ", "quanto_qmap.json": "quanto",
    "qmodel.json": "HQQ",
}  # fmt: skip


def check_plain(
    where: str, config: Mapping[str, Any], tensors: Collection[TensorInfo], names: Collection[str], original: str, loads: Collection[str]
) -> None:
    """Raise QdashError("checkpoint") if `tensors` hold codes, though config.json has no quantization_config where transformers looks.

    `names` are the checkpoint's files; `original` says which unquantized model to choose; `loads` names the methods that can be read.
    """
    found = sorted(tensor.name for tensor in tensors if _is_code(tensor) or _BELONGING.search(tensor.name))
    if not found:
        return
    scaled = any(_SCALE.search(tensor.name) or _BELONGING.search(tensor.name) for tensor in tensors)
    shown = next((name for name in found if name.endswith(("weight", "packed", "qdata"))), found[0])
    message, remedy = _refusal(where, config, names, shown, scaled, loads)
    raise QdashError(message, f"{remedy}, or choose {original}." if remedy else f"Choose {original}.", "checkpoint")


def is_mlx(entry: Mapping[str, Any]) -> bool:
    """Whether this description of a quantization is one of Apple's MLX."""
    return {"bits", "group_size"} <= entry.keys() and "quant_method" not in entry and "desc_act" not in entry


def holds_codes(tensors: Collection[TensorInfo]) -> bool:
    """Whether any of `tensors` is in few bits, or belongs to one that is."""
    return any(_is_code(tensor) or _BELONGING.search(tensor.name) for tensor in tensors)


def _is_code(tensor: TensorInfo) -> bool:
    if tensor.dtype in DTYPES or not tensor.shape or _BUFFER.search(tensor.name):
        return False
    return tensor.dtype not in _COUNTS or (len(tensor.shape) > 1 and tensor.name.endswith("weight"))


def _refusal(
    where: str, config: Mapping[str, Any], names: Collection[str], tensor: str, scaled: bool, loads: Collection[str]
) -> tuple[str, str]:
    """What is wrong, and what can be done about it beside choosing another model; empty if nothing."""
    message = f"{where} holds quantized weights ({tensor}), but its config.json has no quantization_config that says how"
    found = next(_entries(config), None)
    if found is not None:
        return _misplaced(message, *found, loads)
    file = next((name for name in _FILES if name in names), None)
    if file == "quantize_config.json" or (file is None and tensor.endswith(".qweight")):
        remedy = 'Put the contents of its quantize_config.json into config.json as quantization_config, with "quant_method": "gptq" added'
        return f"{message}.", remedy
    if file is not None:
        return f"{message}; {file} says that it was made for {_FILES[file]}, which qdash does not load.", ""
    if not scaled:
        return f"{where} holds weights that are not plain floats ({tensor}), and nothing that describes their format.", ""
    return f"{message}.", "Download config.json again, in case an older one was kept"


def _misplaced(message: str, path: str, entry: Mapping[str, Any], loads: Collection[str]) -> tuple[str, str]:
    method = entry.get("quant_method")
    if isinstance(method, str):
        said = f"{message} where transformers looks for it; it has “{path}” ({method[:40]}) instead."
        # Without it compressed-tensors guesses the format from the numbers of bits, and finds other names of tensors than are there.
        again = ", its “format” repeated in each of its config_groups" if method == "compressed-tensors" else ""
        return said, f"Move that entry of config.json to its top level, as quantization_config{again}" if method in loads else ""
    if is_mlx(entry):
        return f"{message}; it was made for MLX, which qdash does not load.", ""
    return f"{message}; “{path}” has no quant_method.", ""


def _entries(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Whatever in a config.json looks like a description of its quantization, with its path."""
    for key, value in config.items():
        if isinstance(value, dict):
            if key in _KEYS:
                yield f"{path}{key}", value
            elif path.count(".") < 3:
                yield from _entries(value, f"{path}{key}.")
