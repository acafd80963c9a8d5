"""How many bytes of weights a scheme will need, told from safetensors headers before anything is loaded.

Headers name tensors, not layers, so which of them are quantized is inferred: matrices called "….weight" that are no embedding, norm or
output head. That is what transformers' integrations quantize. The estimate leaves out what no header tells: buffers computed at load
time and small per-layer tables.
"""

import re
from collections.abc import Collection

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.checkpoints.record import BITS, DTYPES, Checkpoint, TensorInfo
from qdash.records import Kind

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

# embed: embed_tokens, word_embeddings, position_embedding, pos_embed, patch_embed; wte, wpe: GPT-2's.
_KEPT = re.compile(r"(embed|norm|\bwte\b|\bwpe\b|\blm_head\b|\bpatch_|\bln_)", re.IGNORECASE)


def estimate_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str) -> int:
    """Bytes of weights in memory under `scheme` with everything else in `dtype` ("float16" …).

    A simulated scheme takes what its carrier takes; `projected_bytes` tells what its format would.
    """
    return _bytes(checkpoint, scheme, dtype, stored=("real",))


def loading_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str) -> int:
    """Bytes of weights at the worst moment of loading: the estimate, or all of it as plain floats where these come first."""
    estimate = estimate_bytes(checkpoint, scheme, dtype)
    return max(estimate, _bytes(checkpoint, scheme, dtype, stored=())) if scheme.floats_first else estimate


def projected_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str) -> int:
    """Bytes of weights if a simulated scheme's format were really stored, scales included."""
    return _bytes(checkpoint, scheme, dtype, stored=("real", "simulated"))


def is_quantizable(tensor: TensorInfo) -> bool:
    """Whether this is the weight of a linear layer that schemes quantize."""
    return len(tensor.shape) == 2 and tensor.name.endswith(".weight") and not _KEPT.search(tensor.name)


def _bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: str, stored: Collection[Kind]) -> int:
    """Bytes where schemes of the kinds in `stored` take their own bits and all others those of `dtype`."""
    if checkpoint.quantization is not None:  # it loads as it is or not at all
        return checkpoint.quantization.weights_bytes
    dtype = scheme.params.get("dtype") or dtype
    return sum(_tensor_bits(tensor, _stored_as(tensor, scheme, stored), dtype) for tensor in checkpoint.own_tensors) // 8


def _stored_as(tensor: TensorInfo, scheme: Scheme, kinds: Collection[Kind]) -> Scheme | None:
    """The scheme that decides how a tensor is stored; None for plain floats."""
    key = assigned(scheme, tensor.name.removesuffix(".weight")) if is_quantizable(tensor) and not scheme.is_baseline else None
    own = find_scheme(key) if key is not None else None
    return own if own is not None and own.kind in kinds else None


def _tensor_bits(tensor: TensorInfo, scheme: Scheme | None, dtype: str) -> int:
    if tensor.dtype not in DTYPES:
        return tensor.values * BITS.get(tensor.dtype, 8)
    if scheme is not None:
        return round(tensor.values * scheme.stored_bits) + tensor.shape[0] * scheme.row_scale_bits
    return tensor.values * _BYTES[dtype] * 8
