"""The KV cache of a variant in few bits: what transformers' quantized cache does, with one of its back ends or with the same rounding.

transformers' `QuantizedLayer` decides what is rounded when: the prompt as soon as it has been read, and the newest tokens, which stay
floats, together as soon as there are `RESIDUAL_TOKENS` of them. A token attends to floats of its own prompt or of the newest tokens, and to
rounded values of all that came before. So a whole text cannot be read in one pass; where the cache is rounded, it is read token by token.

`RoundedLayer` gives that class another back end, which keeps the rounded values as floats: the answers are those of the format, time and
memory are not. Its groups lie within one vector of one head, so that rounding once more changes nothing, and rows of a batch share nothing.
"""

from dataclasses import dataclass
from math import gcd
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedConfig, PreTrainedModel, QuantizedCache
from transformers.cache_utils import QuantizedLayer, get_layer_types_and_kwargs
from typing_extensions import override

from qdash.catalog.caches import RESIDUAL_TOKENS, CacheFormat, group_of
from qdash.engine.failures import is_out_of_memory
from qdash.errors import QdashError
from qdash.records import CacheCoverage

_ROUNDED: "WeakKeyDictionary[PreTrainedModel, RoundedCache]" = WeakKeyDictionary()
"""The models whose cache is rounded."""


@dataclass(frozen=True)
class RoundedCache:
    """How a model keeps keys and values: in which format, in groups of how many numbers, and what that takes."""

    form: CacheFormat
    group: int
    coverage: CacheCoverage


class RoundedLayer(QuantizedLayer):
    """One layer's keys and values, rounded and held as floats."""

    @override
    def _quantize(self, tensor: Tensor, axis: int) -> Tensor:  # type: ignore[override] - transformers declares None
        return rounded(tensor, self.nbits, self.q_group_size)

    @override
    def _dequantize(self, q_tensor: Tensor) -> Tensor:  # type: ignore[override] - transformers declares None
        return q_tensor


def rounded(vectors: Tensor, bits: int, group: int) -> Tensor:
    """Vectors [..., n] on `2**bits` levels from the minimum to the maximum of each group; n is a multiple of `group`.

    In the type of `vectors`, and in the order of operations, of optimum-quanto's `quantize_affine` with `MaxOptimizer`.
    """
    groups = vectors.unflatten(-1, (-1, group))
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (high - low) / (2**bits - 1)
    codes = ((groups - low) / torch.where(scale > 0, scale, 1)).round().clamp(0, 2**bits - 1)
    return (codes * scale + low).flatten(-2)


def check_cache(model: PreTrainedModel) -> None:
    """Raise QdashError("unavailable") for a model that keeps anything but the keys and values of all earlier tokens; needs no weights."""
    kept = _kept_otherwise(model)
    if kept is not None:
        raise _refused(kept)


def _kept_otherwise(model: PreTrainedModel) -> str | None:
    name, own_class = type(model).__name__, cast(Any, type(model))  # its own class has the method, the type does not
    if getattr(model, "_is_stateful", False) or not own_class._supports_default_dynamic_cache():
        return f"{name} keeps a state instead of keys and values, or beside them"
    kinds = sorted(set(get_layer_types_and_kwargs(model.config.get_text_config(decoder=True))[0]) - {"full_attention"})
    return f"{name} has layers of the kind {', '.join(kinds)}" if kinds else None


def _refused(why: str) -> QdashError:
    remedy = "Leave kv= out of the recipe, or choose a model of which every layer attends to all earlier tokens."
    return QdashError(f"The KV cache of this model cannot be kept in few bits: {why}.", remedy, "unavailable")


def group_size(config: PreTrainedConfig) -> int:
    """The largest divisor of a head's size that is at most `GROUP`; of both where keys and values differ."""
    text = config.get_text_config(decoder=True)
    own = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    sizes = (getattr(text, "qk_head_dim", None) or own, getattr(text, "v_head_dim", None) or own)
    return group_of(gcd(*sizes))


def cache_options(form: CacheFormat, group: int) -> dict[str, Any]:
    """The `cache_config` of transformers' `generate` for a real format."""
    return {
        "backend": form.backend, "nbits": form.bits, "axis_key": form.axis, "axis_value": form.axis, "q_group_size": group,
        "residual_length": RESIDUAL_TOKENS,
    }  # fmt: skip


def rounded_cache(model: PreTrainedModel, bits: int) -> Cache:
    """An empty cache that rounds to `bits` and holds floats, for one call of `generate` as its `past_key_values`."""
    group, layers = group_size(model.config), model.config.get_text_config(decoder=True).num_hidden_layers
    made: list[Any] = [RoundedLayer(nbits=bits, q_group_size=group, residual_length=RESIDUAL_TOKENS) for _ in range(layers)]
    return Cache(layers=made)


def round_cache(model: PreTrainedModel, form: CacheFormat) -> None:
    """From now on, `generating` has a cache in `form` for `model`; raises QdashError for a model that keeps something else.

    The cache is used once, as a back end may have to build its kernels when it is first used.
    """
    check_cache(model)
    group = group_size(model.config)
    layers = _one_token(model)
    if any(vectors.shape[-1] % group for layer in layers for vectors in layer):
        raise _refused(f"{type(model).__name__} has heads of several sizes")
    _ROUNDED[model] = RoundedCache(form, group, _coverage(form, group, layers))
    cache = _new_cache(model, _ROUNDED[model])
    for _ in range(2):  # what was put in is read when more comes
        for index, (keys, values) in enumerate(layers):
            cache.update(keys, values, index)


@torch.no_grad()
def _one_token(model: PreTrainedModel) -> list[tuple[Tensor, Tensor]]:
    """Keys and values [1, heads, 1, head size] of one token in each layer, as the model itself hands them to a cache."""
    held, name = DynamicCache(config=model.config), type(model).__name__
    try:
        model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device), past_key_values=held, use_cache=True)
    except Exception as error:  # of any type: a model that must have a picture refuses in its own way
        if is_out_of_memory(error):
            raise
        raise _refused(f"{name} does not read a word without a picture") from error
    kept: list[Any] = held.layers
    found = [(layer.keys, layer.values) for layer in kept if layer.is_initialized]
    if len(found) != len(kept) or not found:
        raise _refused(f"{name} has layers that keep no keys and values of words, or keep them elsewhere")
    return found


def _coverage(form: CacheFormat, group: int, layers: list[tuple[Tensor, Tensor]]) -> CacheCoverage:
    every = [vectors for layer in layers for vectors in layer]
    numbers, width = sum(vectors.numel() for vectors in every), every[0].element_size()
    return CacheCoverage(
        bits=form.bits,
        group_size=group,
        float_tokens=RESIDUAL_TOKENS,
        backend=form.backend if form.kind == "real" else None,
        token_bytes=numbers * form.bits // 8 + 2 * width * numbers // group,  # a scale and a zero point for each group
        float_token_bytes=numbers * width,
    )


def rounds_cache(model: PreTrainedModel) -> bool:
    """Whether what `model` says depends on the cache that it is given."""
    return model in _ROUNDED


def cache_coverage(model: PreTrainedModel) -> CacheCoverage | None:
    """How `model` keeps keys and values; None for floats."""
    return _ROUNDED[model].coverage if model in _ROUNDED else None


def generating(model: PreTrainedModel) -> dict[str, Any]:
    """Arguments for one call of the model's `generate`."""
    return {"past_key_values": _new_cache(model, _ROUNDED[model])} if model in _ROUNDED else {}


def _new_cache(model: PreTrainedModel, own: RoundedCache) -> Cache:
    if own.coverage.backend is None:
        return rounded_cache(model, own.form.bits)
    return QuantizedCache(config=model.config, **cache_options(own.form, own.group))
