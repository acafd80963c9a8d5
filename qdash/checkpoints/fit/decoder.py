"""A config.json as the facts that decide memory: widths, heads and what each layer keeps of the text so far.

Values that a config.json leaves out are those of transformers' own class. What is not understood is an error, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from qdash.checkpoints.fit.families import FAMILIES, WRAPPERS, Family
from qdash.checkpoints.fit.layers import CacheLayer, layers_of
from qdash.checkpoints.fit.states import State, state_of
from qdash.checkpoints.fit.values import Config, Values, unknown


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

    `heads` and `kv_heads` are `head` wide; all three are 0 where no layer has attention. `gated` is the width of the feed-forward block,
    for experts that of all a token is sent to; `sent` counts these, 1 where there are none. `longest` is the context that the model was
    made for, `state` that of the layers that have one.
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
    state: State | None = None


def decoder_of(config: Config) -> Decoder:
    """The decoder that a config.json describes; raises QdashError ("unavailable") for one whose memory cannot be told, and says why."""
    text = _text_config(config)
    model_type = text["model_type"]
    family = FAMILIES[model_type]
    read = Values(text)
    hidden, state = read.number("hidden_size"), state_of(read, family)
    latent = _latent(read) if family.attention == "latent" else None
    heads, kv_heads, head = _heads(read, family, hidden, latent)
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
        layers=layers_of(read, family, token_values, hidden, state),
        longest=read.number("max_position_embeddings", 0) or None,
        latent=latent,
        state=state,
    )


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
        raise unknown(f"the memory of the model type “{str(model_type)[:60]}” has not been counted")
    return text


def _heads(read: Values, family: Family, hidden: int, latent: Latent | None) -> tuple[int, int, int]:
    """Heads of queries, those of keys and values, and how wide each is."""
    if family.attention == "none":
        return 0, 0, 0
    heads = read.number("num_attention_heads")
    if latent is not None:
        return heads, heads, latent.nope + latent.rope
    if read.model_type == "bloom":
        return heads, heads, hidden // heads
    # The attention of Zamba 2 reads the embeddings beside what the layer before it gives.
    head = 2 * hidden // heads if read.model_type == "zamba2" else read.number("head_dim", hidden // heads)
    return heads, read.number("num_key_value_heads", heads), head


def _latent(read: Values) -> Latent:
    names = ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    return Latent(*(read.number(name) for name in names))


def _feed_forward(read: Values, model_type: str, hidden: int) -> tuple[int, int, bool]:
    """Width of the widest block, how many experts a token is sent to, whether there are any."""
    if model_type == "bloom":
        return 4 * hidden, 1, False
    if model_type in ("mamba", "falcon_mamba", "mamba2"):
        return 0, 1, False
    width = read.number("intermediate_size", 4 * hidden if model_type == "zamba2" else None)
    if model_type == "lfm2" and read.found.get("block_auto_adjust_ff_dim"):
        factor, step = read.found.get("block_ffn_dim_multiplier"), read.number("block_multiple_of")
        width = int(2 * width / 3)
        width = step * -(-int((1 if factor is None else factor) * width) // step)
    if model_type == "mixtral" or (model_type == "jamba" and read.number("num_experts") > 1):
        return width, read.number("num_experts_per_tok"), True
    if model_type == "granitemoehybrid":
        shared = read.number("shared_intermediate_size")
        return (width, read.number("num_experts_per_tok"), True) if read.number("num_local_experts", 0) else (shared, 1, False)
    if model_type in ("qwen3_moe", "deepseek_v3", "qwen3_next"):
        sent, narrow = read.number("num_experts_per_tok"), read.number("moe_intermediate_size")
        wider = 3 * width > sent * max(hidden + 4 * narrow, 4 * hidden)
        dense, routed = _dense_layers(read), read.number("num_hidden_layers")
        return (width, 1, False) if dense >= routed or (dense and wider) else (narrow, sent, True)
    return width, 1, False


def _dense_layers(read: Values) -> int:
    """How many layers have no experts."""
    if read.number("decoder_sparse_step", 1) != 1:
        raise unknown("its config.json gives experts to some layers by a decoder_sparse_step")
    alone = read.found.get("mlp_only_layers")
    return len(alone) if isinstance(alone, list) else read.number("first_k_dense_replace", 0)
