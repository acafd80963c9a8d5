"""Figures worked out by hand from published configurations, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from qdash.checkpoints.fit import cache_bytes, decoder_of, working_bytes
from qdash.errors import QdashError

ARCHITECTURES = Path(__file__).parents[3] / "qdash" / "assets" / "architectures"
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 1, "vocab_size": 100,
}  # fmt: skip


def published(name: str) -> dict[str, Any]:
    return json.loads((ARCHITECTURES / name / "config.json").read_text())


@pytest.mark.parametrize(
    ("model", "token_bytes"),
    [
        ("qwen3-4b", 36 * 2 * 8 * 128 * 2),  # 144 KiB: grouped queries
        ("bloom-1b7", 24 * 2 * 2048 * 2),  # 192 KiB: keys and values of every head
        ("fastvlm-0.5b", 24 * 2 * 2 * 64 * 2),  # 12 KiB: the language model of one that sees
        ("smollm2-135m", 30 * 2 * 3 * 64 * 2),
    ],
)
def test_bytes_of_a_token_in_the_cache(model: str, token_bytes: int) -> None:
    decoder = decoder_of(published(model))
    assert cache_bytes(decoder, 1, 1, 16) == token_bytes
    assert cache_bytes(decoder, 8192, 4, 16) == 4 * 8192 * token_bytes
    assert cache_bytes(decoder, 8192, 1, 8) == 8192 * token_bytes // 2


def test_a_window_ends_the_growth() -> None:
    decoder = decoder_of({**LLAMA, "model_type": "mistral", "sliding_window": 100, "head_dim": 16})
    layer = 2 * 16 * 4
    assert [cache_bytes(decoder, tokens, 1, 32) for tokens in (50, 100, 1000)] == [2 * 50 * layer, 2 * 100 * layer, 2 * 100 * layer]


def test_a_latent_vector_is_kept_in_the_place_of_keys_and_values() -> None:
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    decoder = decoder_of({**LLAMA, **latent, "model_type": "deepseek_v3", "num_hidden_layers": 3, "first_k_dense_replace": 3})
    assert cache_bytes(decoder, 10, 1, 16) == 3 * 10 * (512 + 64) * 2


JAMBA = {"model_type": "jamba"}  # as published first, which are the class's own figures
NEMOTRON = {
    "model_type": "nemotron_h", "hidden_size": 2688, "num_hidden_layers": 7, "hybrid_override_pattern": "MEM*E-M", "num_key_value_heads": 2,
    "mamba_num_heads": 64, "mamba_head_dim": 64, "intermediate_size": 1856,
}  # fmt: skip
GRANITE = {
    **LLAMA, "model_type": "granitemoehybrid", "num_hidden_layers": 3, "layer_types": ["mamba", "attention", "mamba"], "mamba_n_heads": 4,
    "mamba_d_state": 8, "num_local_experts": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "token_bytes", "state_bytes"),
    [
        (JAMBA, 4 * 2 * 8 * 128 * 2, 28 * 8192 * (4 * 2 + 16 * 4)),
        (NEMOTRON, 2 * 2 * 128 * 2, 3 * ((4096 + 2 * 8 * 128) * 4 * 2 + 4096 * 128 * 4)),
        (GRANITE, 2 * 1 * 16 * 2, 2 * ((128 + 2 * 8) * 4 * 2 + 128 * 8 * 4)),
        ({"model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 2}, 0, 2 * 128 * (4 * 2 + 16 * 4)),
    ],
)
def test_a_state_does_not_grow_with_the_text(config: dict[str, Any], token_bytes: int, state_bytes: int) -> None:
    """Its recurrence stays in 32 bits in a model of 16."""
    decoder = decoder_of(config)
    assert [cache_bytes(decoder, tokens, 3, 16) for tokens in (10, 1000)] == [3 * (n * token_bytes + state_bytes) for n in (10, 1000)]


def test_reading_with_a_state_grows_with_the_chunks_of_the_prompt() -> None:
    """Of Mamba 2, scores of a chunk's tokens among each other for every head; all else is little here."""
    many = {**GRANITE, "mamba_n_heads": 64, "mamba_chunk_size": 2048, "mamba_d_head": 2}
    decoder = decoder_of(many)
    scores = 64 * 3 * 2048 * 4
    assert 1.0 < working_bytes(decoder, 4096, 1, 2, "cuda") / (4096 * scores) < 1.05
    assert working_bytes(decoder, 2049, 1, 2, "cuda") > 4096 * scores


def test_the_feed_forward_block_decides_what_reading_takes() -> None:
    """Four vectors as wide as the model and three as wide as the block, cosines and sines, and ids."""
    decoder = decoder_of(LLAMA)
    assert working_bytes(decoder, 1000, 1, 4, "cuda") == 1000 * (4 * (4 * 64 + 3 * 192) + 4 * 2 * 16 + 4 * 8)


def test_a_window_takes_a_mask_of_all_pairs() -> None:
    """A byte for each, and a number of the model's own type; on a card as on a CPU."""
    decoder = decoder_of({**LLAMA, "model_type": "mistral", "sliding_window": 100})
    pairs = 4000 * 4000 * (1 + 2)
    assert 1.0 < working_bytes(decoder, 4000, 1, 2, "cuda") / pairs < 1.2


def test_what_a_configuration_leaves_out_is_the_class_s() -> None:
    assert decoder_of({"model_type": "llama"}).hidden == 4096
    nested = decoder_of({"model_type": "llava", "text_config": {"model_type": "llama", "num_key_value_heads": 4}})
    assert (nested.heads, nested.kv_heads) == (32, 4)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "rwkv"}, "the model type “rwkv” has not been counted"),
        ({}, "the model type “None” has not been counted"),
        ({**LLAMA, "hidden_size": "wide"}, "its config.json says wide for hidden_size"),
        ({**LLAMA, "num_hidden_layers": 2, "layer_types": ["full_attention"]}, "lists other layer_types than its 2 layers"),
        ({**LLAMA, "layer_types": ["full_attention", "mystery"]}, "it has layers of the type “mystery”"),
        ({**LLAMA, "sliding_window": 64}, "does not list the layers that use it"),
        ({"model_type": "zamba2"}, "does not list the types of its layers"),
        ({**NEMOTRON, "hybrid_override_pattern": "MX"}, "it has layers of the type “X”"),
        ({"model_type": "recurrent_gemma"}, "the model type “recurrent_gemma” has not been counted"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(config: dict[str, Any], why: str) -> None:
    with pytest.raises(QdashError, match=why) as refused:
        decoder_of(config)
    assert refused.value.kind == "unavailable"
