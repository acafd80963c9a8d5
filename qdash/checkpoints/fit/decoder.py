"""A config.json as the facts that decide memory: widths, heads and what each layer keeps of the text so far.

Values that a config.json leaves out are those of transformers' own class. What is not understood is an error, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdash.checkpoints.fit.families import FAMILIES, WRAPPERS, Family
from qdash.checkpoints.supported import class_defaults
from qdash.errors import QdashError

Config = Mapping[str, Any]

_OTHER_NAMES = {
    "num_hidden_layers": ("n_layer",),
    "num_attention_heads": ("n_head",),
    "hidden_size": ("n_embed",),
    "intermediate_size": ("block_ff_dim",),
}
"""Older names, which win where both stand, as they do in transformers."""

_LEGACY_LAYERS = {"attention": "full_attention"}


@dataclass(frozen=True)
class CacheLayer:
    """What one layer keeps: `token_values` for each token, or each of the last `window`, and `state_values` whatever the length."""

    token_values: int = 0
    window: int | None = None
    state_values: int = 0


@dataclass(frozen=True)
class Latent:
    """Keys and values kept as one latent vector: its widths, and those of a head once they are unpacked."""

    rank: int
    rope: int
    nope: int
    value: int


@dataclass(frozen=True)
class Decoder:
    """The language model of a checkpoint.

    `heads` and `kv_heads` are `head` wide. `gated` is the width of the feed-forward block, for experts that of all a token is sent to;
    `sent` counts these, 1 where there are none. `longest` is the context that the model was made for.
    """

    family: Family
    hidden: int
    vocabulary: int
    heads: int
    kv_heads: int
    head: int
    gated: int
    sent: int
    routed: bool
    layers: tuple[CacheLayer, ...]
    longest: int | None
    latent: Latent | None = None


def decoder_of(config: Config) -> Decoder:
    """The decoder that a config.json describes; raises QdashError ("unavailable") for one whose memory cannot be told, and says why."""
    text = _text_config(config)
    model_type = text["model_type"]
    family = FAMILIES[model_type]
    read = _Values(text)
    hidden, heads = read.number("hidden_size"), read.number("num_attention_heads")
    latent = _latent(read) if family.attention == "latent" else None
    head = latent.nope + latent.rope if latent else read.number("head_dim", hidden // heads)
    kv_heads = heads if latent or model_type == "bloom" else read.number("num_key_value_heads", heads)
    gated, sent, routed = _feed_forward(read, model_type, hidden)
    token_values = latent.rank + latent.rope if latent else 2 * kv_heads * head
    return Decoder(
        family=family,
        hidden=hidden,
        vocabulary=read.number("vocab_size"),
        heads=heads,
        kv_heads=kv_heads,
        head=head,
        gated=gated,
        sent=sent,
        routed=routed,
        layers=tuple(_layers(read, family, token_values, hidden)),
        longest=read.number("max_position_embeddings", 0) or None,
        latent=latent,
    )


class _Values:
    """Numbers of a configuration, the class's own where it leaves one out."""

    def __init__(self, text: Config) -> None:
        self.model_type: str = text["model_type"]
        older = {name: text[old] for name, olds in _OTHER_NAMES.items() for old in olds if old in text}
        self.found: Config = {**class_defaults(self.model_type), **text, **older}

    def number(self, name: str, otherwise: int | None = None) -> int:
        """A whole number; `otherwise` where nothing is said. Raises QdashError for anything else."""
        value = self.found.get(name)
        value = otherwise if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (value == 0 and otherwise != 0):
            said = "does not say" if value is None else f"says {str(value)[:40]} for"
            raise _unknown(f"its config.json {said} {name}")
        return value


def _text_config(config: Config) -> Config:
    """The part of a configuration that describes the language model."""
    model_type = config.get("model_type")
    if model_type in WRAPPERS:
        nested = config.get("text_config")
        text = nested if isinstance(nested, Mapping) else config
        text = {**text, "model_type": text.get("model_type") if text is nested and text.get("model_type") else WRAPPERS[model_type]}
        # Older configurations name the whole in the place of the part.
        text["model_type"] = WRAPPERS.get(text["model_type"]) or text["model_type"]
        model_type = text["model_type"]
    else:
        text = config
    if model_type not in FAMILIES:
        raise _unknown(f"the memory of the model type “{str(model_type)[:60]}” has not been counted")
    return text


def _latent(read: _Values) -> Latent:
    names = ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    return Latent(*(read.number(name) for name in names))


def _feed_forward(read: _Values, model_type: str, hidden: int) -> tuple[int, int, bool]:
    """Width of the widest block, how many experts a token is sent to, whether there are any."""
    if model_type == "bloom":
        return 4 * hidden, 1, False
    width = read.number("intermediate_size")
    if model_type == "lfm2" and read.found.get("block_auto_adjust_ff_dim"):
        factor, step = read.found.get("block_ffn_dim_multiplier"), read.number("block_multiple_of")
        width = int(2 * width / 3)
        width = step * -(-int((1 if factor is None else factor) * width) // step)
    if model_type == "mixtral":
        return width, read.number("num_experts_per_tok"), True
    if model_type in ("qwen3_moe", "deepseek_v3"):
        sent, narrow = read.number("num_experts_per_tok"), read.number("moe_intermediate_size")
        wider = 3 * width > sent * max(hidden + 4 * narrow, 4 * hidden)
        dense, routed = _dense_layers(read), read.number("num_hidden_layers")
        return (width, 1, False) if dense >= routed or (dense and wider) else (narrow, sent, True)
    return width, 1, False


def _dense_layers(read: _Values) -> int:
    """How many layers have no experts."""
    if read.number("decoder_sparse_step", 1) != 1:
        raise _unknown("its config.json gives experts to some layers by a decoder_sparse_step")
    alone = read.found.get("mlp_only_layers")
    return len(alone) if isinstance(alone, list) else read.number("first_k_dense_replace", 0)


def _layers(read: _Values, family: Family, token_values: int, hidden: int) -> list[CacheLayer]:
    count = read.number("num_hidden_layers")
    kinds = read.found.get("layer_types")
    if kinds is None:
        kinds = _kinds(read, family, count)
    if not isinstance(kinds, list) or len(kinds) != count:
        raise _unknown(f"its config.json lists other layer_types than its {count} layers")
    return [_layer(_LEGACY_LAYERS.get(str(kind), str(kind)), read, token_values, hidden) for kind in kinds]


def _layer(kind: str, read: _Values, token_values: int, hidden: int) -> CacheLayer:
    if kind == "full_attention":
        return CacheLayer(token_values)
    if kind == "sliding_attention":
        return CacheLayer(token_values, window=read.number("sliding_window"))
    if kind == "conv":
        return CacheLayer(state_values=hidden * read.number("conv_L_cache"))
    raise _unknown(f"it has layers of the type “{kind[:40]}”")


def _kinds(read: _Values, family: Family, count: int) -> list[str]:
    """The types of layers that transformers' class gives where none are listed."""
    if read.model_type == "lfm2":
        attending = read.found.get("full_attn_idxs")
        return ["full_attention" if attending is None or place in attending else "conv" for place in range(count)]
    return ["sliding_attention" if _slides(place, read, family) else "full_attention" for place in range(count)]


def _slides(place: int, read: _Values, family: Family) -> bool:
    """Whether the layer at `place` looks back over a window only."""
    if read.found.get("sliding_window") is None or read.found.get("use_sliding_window") is False:
        return False
    match family.windows:
        case "none":
            raise _unknown("its config.json has a sliding_window and does not list the layers that use it")
        case "all":
            return True
        case "from max_window_layers":
            return place >= read.number("max_window_layers")
        case "but every sixth":
            return (place + 1) % read.number("sliding_window_pattern", 6) != 0
        case _:
            return place % 2 == 0


def _unknown(why: str) -> QdashError:
    return QdashError(f"The memory for a context cannot be told for this model: {why}.", "Choose another model.", "unavailable")
