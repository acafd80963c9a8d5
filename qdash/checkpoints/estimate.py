"""How many bytes of weights a scheme will need, told from safetensors headers before anything is loaded.

Headers name tensors, not layers, so which of them are quantized is inferred: matrices called "….weight" that are no embedding, norm or
output head. That is what transformers' integrations quantize. The estimate leaves out what no header tells: buffers computed at load
time and small per-layer tables.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from qdash.catalog.schemes import Scheme
from qdash.checkpoints.record import BITS, DTYPES, Checkpoint, TensorInfo

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

# embed: embed_tokens, word_embeddings, position_embedding, pos_embed, patch_embed; wte, wpe: GPT-2's.
_KEPT = re.compile(r"(embed|norm|\bwte\b|\bwpe\b|\blm_head\b|\bpatch_|\bln_)", re.IGNORECASE)


def estimate_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str) -> int:
    """Bytes of weights in memory under `scheme` with everything else in `dtype` ("float16" …).

    A simulated scheme takes what its carrier takes; `projected_bytes` tells what its format would.
    """
    if scheme.kind == "simulated":
        return _bytes(checkpoint.own_tensors, None, dtype)
    if scheme.family == "float":
        return _bytes(checkpoint.own_tensors, None, scheme.params.get("dtype") or dtype)
    return _bytes(checkpoint.own_tensors, scheme, dtype)


def projected_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str) -> int:
    """Bytes of weights if a simulated scheme's format were really stored, scales included."""
    return estimate_bytes(checkpoint, replace(scheme, kind="real"), dtype)


def is_quantizable(tensor: TensorInfo) -> bool:
    """Whether this is the weight of a linear layer that schemes quantize."""
    return len(tensor.shape) == 2 and tensor.name.endswith(".weight") and not _KEPT.search(tensor.name)


def _bytes(tensors: Iterable[TensorInfo], scheme: Scheme | None, dtype: str) -> int:
    return sum(_tensor_bits(tensor, scheme, dtype) for tensor in tensors) // 8


def _tensor_bits(tensor: TensorInfo, scheme: Scheme | None, dtype: str) -> int:
    if tensor.dtype not in DTYPES:
        return tensor.values * BITS.get(tensor.dtype, 8)
    if scheme is not None and is_quantizable(tensor):
        return round(tensor.values * scheme.stored_bits) + tensor.shape[0] * scheme.row_scale_bits
    return tensor.values * _BYTES[dtype] * 8
