"""What each layer of a model keeps of the text so far: keys and values of all tokens or of a window, a state, both, or nothing."""

from dataclasses import dataclass

from qdash.checkpoints.fit.families import Family
from qdash.checkpoints.fit.states import State
from qdash.checkpoints.fit.values import Values, unknown

_LEGACY = {"attention": "full_attention", "mamba": "linear_attention"}
_NEMOTRON = {"M": "linear_attention", "E": "moe", "*": "full_attention", "-": "mlp"}


@dataclass(frozen=True)
class CacheLayer:
    """What one layer keeps: `token_values` for each token, or each of the last `window`; whatever the length, `state_values` in the model's
    own type and `single_values` in 32 bits.
    """

    token_values: int = 0
    window: int | None = None
    state_values: int = 0
    single_values: int = 0


def layers_of(read: Values, family: Family, token_values: int, hidden: int, state: State | None) -> tuple[CacheLayer, ...]:
    """All layers; `token_values` are those of a token's keys and values. Raises QdashError for layers of an unknown type."""
    listed = next((read.found[name] for name in ("layer_types", "layers_block_type") if read.found.get(name) is not None), None)
    kinds = _kinds(read, family) if listed is None else listed
    counted = read.found.get("num_hidden_layers") is not None and read.model_type != "nemotron_h"
    if not isinstance(kinds, list) or (counted and len(kinds) != read.number("num_hidden_layers")):
        raise unknown(f"its config.json lists other layer_types than its {read.number('num_hidden_layers')} layers")
    return tuple(_layer(_LEGACY.get(str(kind), str(kind)), read, token_values, hidden, state) for kind in kinds)


def _layer(kind: str, read: Values, token_values: int, hidden: int, state: State | None) -> CacheLayer:
    if kind == "full_attention":
        return CacheLayer(token_values)
    if kind == "sliding_attention":
        return CacheLayer(token_values, window=read.number("sliding_window"))
    if kind == "conv":
        return CacheLayer(state_values=hidden * read.number("conv_L_cache"))
    if kind in ("linear_attention", "hybrid") and state is not None:
        kept = token_values if kind == "hybrid" else 0
        return CacheLayer(kept, state_values=state.own_values, single_values=state.single_values)
    if kind in ("moe", "mlp"):
        return CacheLayer()
    raise unknown(f"it has layers of the type “{kind[:40]}”")


def _kinds(read: Values, family: Family) -> list[str]:
    """The types of layers that transformers' class gives where none are listed."""
    if read.model_type == "nemotron_h":
        return [_NEMOTRON.get(sign, sign) for sign in str(read.found.get("hybrid_override_pattern") or "ME*-")]
    places = range(read.number("num_hidden_layers"))
    match read.model_type:
        case "lfm2":
            attending = read.found.get("full_attn_idxs")
            return ["full_attention" if attending is None or place in attending else "conv" for place in places]
        case "mamba" | "falcon_mamba" | "mamba2" | "granitemoehybrid":
            return ["linear_attention" for _ in places]
        case "falcon_h1":
            return ["hybrid" for _ in places]
        case "bamba":
            attending = read.found.get("attn_layer_indices") or ()
            return ["full_attention" if place in attending else "linear_attention" for place in places]
        case "jamba":
            period, offset = read.number("attn_layer_period"), read.number("attn_layer_offset", 0)
            return ["full_attention" if place % period == offset else "linear_attention" for place in places]
        case "qwen3_next" | "qwen3_5_text" | "olmo_hybrid":
            return _every_few(places, read.number("full_attention_interval", 4))
        case "zamba2":
            raise unknown("its config.json does not list the types of its layers")
        case _:
            return ["sliding_attention" if _slides(place, read, family) else "full_attention" for place in places]


def _every_few(places: range, interval: int) -> list[str]:
    return ["linear_attention" if (place + 1) % interval else "full_attention" for place in places]


def _slides(place: int, read: Values, family: Family) -> bool:
    """Whether the layer at `place` looks back over a window only."""
    if read.found.get("sliding_window") is None or read.found.get("use_sliding_window") is False:
        return False
    match family.windows:
        case "none":
            raise unknown("its config.json has a sliding_window and does not list the layers that use it")
        case "all":
            return True
        case "from max_window_layers":
            return place >= read.number("max_window_layers")
        case "but every sixth":
            return (place + 1) % read.number("sliding_window_pattern", 6) != 0
        case _:
            return place % 2 == 0
