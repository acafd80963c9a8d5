"""What packed weights in a safetensors header amount to: how many parameters they stand for, how much memory they will take.

A header gives shapes and dtypes of what is stored, and quantizers store several weights in one number. Names tell which tensors are packed
weights and which only belong to them.
"""

import re
from collections.abc import Iterable, Sequence

from qdash.checkpoints.record import DTYPES, TensorInfo

_WEIGHTS = re.compile(r"\.(qweight|weight_packed|_\w+_qdata)$")
_BELONGING = re.compile(
    r"(\.weight\.(absmax|quant_map|nested_\w+|quant_state\.\w+)|\.SCB|\.weight_format|\.weight_(scale|zero_point|shape|global_scale)"
    r"|\.(input|output)_\w+|\._\w+_(scale|zero_point|scale_and_zero|per_tensor_scale|act_pre_scale)|\.qzeros|\.scales|\.g_idx"
    r"|\.running_(mean|var))$"
)


def parameters(tensors: Sequence[TensorInfo], bits: int) -> int:
    """How many weights and biases `tensors` stand for, where a packed one takes `bits`."""
    counts = _values(tensors, bits)
    return sum(counts.values())


def memory_bytes(tensors: Sequence[TensorInfo], method: str, bits: int) -> int:
    """Bytes once loaded by `method`: as stored, but for compressed-tensors, which unpacks its weights to the dtype of their scales."""
    stored = sum(tensor.nbytes for tensor in tensors)
    if method != "compressed-tensors":
        return stored
    scales = {tensor.name.removesuffix("_scale"): tensor for tensor in tensors if tensor.name.endswith(".weight_scale")}
    by_name = {tensor.name: tensor for tensor in tensors}
    values = _values(tensors, bits)
    for weight, scale in scales.items():
        packed = by_name.get(f"{weight}_packed") or by_name.get(weight)
        if packed is not None:
            stored += values[packed.name] * scale.nbytes // max(scale.values, 1) - packed.nbytes
    return stored


def stored_sizes(tensors: Sequence[TensorInfo], bits: int, label: str) -> dict[str, tuple[str, int, int]]:
    """Name of each weight, bias or other tensor → its type, how many numbers it stands for, and its bytes.

    What belongs to a packed weight counts to it, and its type is `label`; other types are those of the header.
    """
    values = _values(tensors, bits)
    packed = {_layer_of(tensor.name) for tensor in tensors if _BELONGING.search(tensor.name) or _WEIGHTS.search(tensor.name)}
    found: dict[str, tuple[str, int, int]] = {}
    for tensor in tensors:
        layer, count = _layer_of(tensor.name), values.get(tensor.name, 0)
        if layer in packed and layer != tensor.name:
            _label, numbers, nbytes = found.get(f"{layer}.weight", (label, 0, 0))
            found[f"{layer}.weight"] = (label, numbers + count, nbytes + tensor.nbytes)
        else:
            found[tensor.name] = (tensor.dtype, count or tensor.values, tensor.nbytes)
    return found


def _layer_of(name: str) -> str:
    """The path of the layer whose weight a tensor is, is part of, or belongs to; `name` itself for biases and the like."""
    return re.sub(r"\.(_?weight([._]\w+)*|SCB|qweight|qzeros|scales|g_idx|(input|output)_\w+)$", "", name)


def _values(tensors: Iterable[TensorInfo], bits: int) -> dict[str, int]:
    """Name of each weight or bias → how many numbers it stands for."""
    tensors = tuple(tensors)
    in_halves = {tensor.name.removesuffix(".quant_map") for tensor in tensors if tensor.name.endswith(".weight.quant_map")}
    counts = {}
    for tensor in tensors:
        if _BELONGING.search(tensor.name):
            continue
        if tensor.name in in_halves:
            counts[tensor.name] = tensor.nbytes * 2  # bitsandbytes: two to the byte, in whatever dtype the bytes are kept
        elif _WEIGHTS.search(tensor.name):
            counts[tensor.name] = tensor.nbytes * 8 // bits
        elif tensor.dtype in DTYPES or tensor.name.endswith(".weight"):
            counts[tensor.name] = tensor.values
    return counts
