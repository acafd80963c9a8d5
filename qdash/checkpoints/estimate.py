"""How many bytes of weights a scheme will need, told before anything is loaded.

What a scheme takes of a model follows from the model's classes: from its layer table (see `tables`) sizes are exact but for what is only
known once it runs. Until there is a table, safetensors headers have to do. They name tensors, not layers, so which of them are quantized
is inferred: matrices called "….weight" that are no embedding, norm or output head. That is rough, and said to be.
"""

import math
import re
from collections.abc import Collection

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.checkpoints.record import BITS, DTYPES, Checkpoint, TensorInfo
from qdash.records import ConvertibleLayer, Dtype, Kind, LayerTable, Record, shape_key

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_BOTH: tuple[Kind, ...] = ("real", "simulated")

# embed: embed_tokens, word_embeddings, position_embedding, pos_embed, patch_embed; wte, wpe: GPT-2's.
_KEPT = re.compile(r"(embed|norm|\bwte\b|\bwpe\b|\blm_head\b|\bpatch_|\bln_)", re.IGNORECASE)


class Sizes(Record):
    """Bytes of a checkpoint's weights under a scheme, before it is loaded.

    `estimated_bytes` are in memory, `loading_bytes` at the worst moment of loading, `projected_bytes` if a simulated scheme's format were
    really stored. `share` of its parameters (0 to 1) will be quantized. `rough`: told from headers, which knows no share.
    """

    estimated_bytes: int
    loading_bytes: int
    projected_bytes: int
    share: float | None = None
    rough: bool = False


def sizes(checkpoint: Checkpoint, scheme: Scheme, dtype: Dtype, table: LayerTable | None) -> Sizes:
    """All of these with everything else in `dtype`; from the headers alone where there is no `table`."""
    blocks = checkpoint.blocks if scheme.family.keeps_file else None
    # Which layers can keep their blocks is known once the file is unpacked.
    rough = table is None and checkpoint.quantization is None and (blocks is None or checkpoint.folder is None)
    share = None
    if blocks is not None:
        share = blocks.weights / (blocks.weights + blocks.beside)
    elif table is not None and checkpoint.quantization is None:
        taken = sum(math.prod(layer.shape) for layer in table.layers if _stored(table, layer, scheme, dtype, _BOTH))
        share = taken / table.parameters if table.parameters else 0.0
    return Sizes(
        estimated_bytes=estimate_bytes(checkpoint, scheme, dtype, table),
        loading_bytes=loading_bytes(checkpoint, scheme, dtype, table),
        projected_bytes=projected_bytes(checkpoint, scheme, dtype, table),
        share=share,
        rough=rough,
    )


def estimate_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: Dtype, table: LayerTable | None = None) -> int:
    """Bytes of weights in memory under `scheme` with everything else in `dtype` ("float16" …).

    A simulated scheme takes what its 16- or 32-bit stand-in takes; `projected_bytes` tells what its format would.
    """
    return _bytes(checkpoint, scheme, dtype, table, stored=("real",))


def loading_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: Dtype, table: LayerTable | None = None) -> int:
    """Bytes of weights at the worst moment of loading: the estimate, or that with all that is quantized later as plain floats."""
    estimate = estimate_bytes(checkpoint, scheme, dtype, table)
    if scheme.floats_first:
        return max(estimate, _bytes(checkpoint, scheme, dtype, table, stored=()))
    # Fused experts are loaded as floats, and quantized then.
    return max(estimate, _bytes(checkpoint, scheme, dtype, table, stored=("real",), experts=False))


def projected_bytes(checkpoint: Checkpoint, scheme: Scheme, dtype: Dtype, table: LayerTable | None = None) -> int:
    """Bytes of weights if a simulated scheme's format were really stored, scales included."""
    return _bytes(checkpoint, scheme, dtype, table, stored=_BOTH)


def is_quantizable(tensor: TensorInfo) -> bool:
    """Whether this is the weight of a linear layer that schemes quantize, as far as its name tells."""
    return len(tensor.shape) == 2 and tensor.name.endswith(".weight") and not _KEPT.search(tensor.name)


def _bytes(
    checkpoint: Checkpoint, scheme: Scheme, dtype: Dtype, table: LayerTable | None, stored: Collection[Kind], experts: bool = True
) -> int:
    """Bytes where schemes of the kinds in `stored` take their own bits and all others those of `dtype`; `experts`: these as well."""
    if checkpoint.quantization is not None:  # it loads as it is or not at all
        return checkpoint.quantization.weights_bytes
    dtype = scheme.own_dtype or dtype
    if scheme.family.keeps_file and checkpoint.blocks is not None and "real" in stored:
        return checkpoint.blocks.nbytes + checkpoint.blocks.beside * _BYTES[dtype]
    if table is None:
        return sum(_tensor_bits(tensor, _stored_as(tensor, scheme, stored), dtype) for tensor in checkpoint.own_tensors) // 8
    bits = sum(_layer_bits(table, layer, scheme, dtype, stored if experts or len(layer.shape) == 2 else ()) for layer in table.layers)
    return table.beside_bytes[dtype] + round(bits / 8)


def _layer_bits(table: LayerTable, layer: ConvertibleLayer, scheme: Scheme, dtype: Dtype, kinds: Collection[Kind]) -> float:
    plain = 8 * layer.widths[dtype]
    found = _stored(table, layer, scheme, dtype, kinds)
    if found is None:
        return (math.prod(layer.shape) + layer.bias) * plain
    weight_bits, bias_bits = found
    return weight_bits + layer.bias * (bias_bits or plain)


def _stored(
    table: LayerTable, layer: ConvertibleLayer, scheme: Scheme, dtype: Dtype, kinds: Collection[Kind]
) -> tuple[float, float | None] | None:
    """Bits of a layer's weight, and of a number of its bias, under the scheme that takes it; None for plain floats."""
    own = own_scheme(scheme, layer.name)
    if own is None or own.kind not in kinds:
        return None
    if own.family.prunes:
        kept, plain = own.family.kept(own, layer.shape, layer.cut), 8 * layer.widths[dtype]
        if kept is None:
            return None
        outputs_cut = own.kind == "real" and layer.cut is not None and layer.cut.side != "inputs"
        return math.prod(layer.shape) * own.family.value_bits(own, plain, 1 - kept), plain * kept if outputs_cut else None
    return table.stored.get(own.key, {}).get(shape_key(layer.shape))


def own_scheme(scheme: Scheme, path: str) -> Scheme | None:
    """What `scheme` gives to the layer at `path`; None for plain floats."""
    key = None if scheme.is_baseline else assigned(scheme, path)
    return None if key is None else find_scheme(key)


def _stored_as(tensor: TensorInfo, scheme: Scheme, kinds: Collection[Kind]) -> Scheme | None:
    """The scheme that decides how a tensor is stored; None for plain floats, as pruned layers are."""
    own = own_scheme(scheme, tensor.name.removesuffix(".weight")) if is_quantizable(tensor) else None
    return own if own is not None and own.kind in kinds and not own.family.prunes else None


def _tensor_bits(tensor: TensorInfo, scheme: Scheme | None, dtype: str) -> int:
    if tensor.dtype not in DTYPES:
        return tensor.values * BITS.get(tensor.dtype, 8)
    if scheme is not None:
        return round(scheme.weight_bits(*tensor.shape))
    return tensor.values * _BYTES[dtype] * 8
