"""A small configuration of every model type whose memory can be told, wide enough for the widest tensors to decide."""

from collections.abc import Callable
from typing import Any

import transformers as hf

TOKENS: dict[str, Any] = {"vocab_size": 320, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
WIDTHS: dict[str, Any] = {
    "hidden_size": 128, "intermediate_size": 320, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 2,
    "max_position_embeddings": 16384,
}  # fmt: skip
SMALL: dict[str, Any] = {**WIDTHS, **TOKENS}
EXPERTS: dict[str, Any] = {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96}
LATENT: dict[str, Any] = {"q_lora_rank": 48, "kv_lora_rank": 32, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16}
BLOOM: dict[str, Any] = {"hidden_size": 128, "n_layer": 3, "n_head": 8, "seq_length": 16384}
WINDOW = 128
MANY = ["sliding_attention", "full_attention", "sliding_attention"]
TURNS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}

CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: hf.LlamaConfig(**SMALL),
    "granite": lambda: hf.GraniteConfig(**SMALL),
    "olmo2": lambda: hf.Olmo2Config(**SMALL),
    "smollm3": lambda: hf.SmolLM3Config(**SMALL),
    "lfm2": lambda: hf.Lfm2Config(**SMALL, layer_types=["conv", "full_attention", "conv"]),
    "qwen2": lambda: hf.Qwen2Config(**SMALL),
    "qwen2 from the second layer": lambda: hf.Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1),
    "qwen3": lambda: hf.Qwen3Config(**SMALL, head_dim=32),
    "qwen3_moe": lambda: hf.Qwen3MoeConfig(**SMALL, **EXPERTS),
    "mistral": lambda: hf.MistralConfig(**SMALL, sliding_window=None),
    "mistral in a window": lambda: hf.MistralConfig(**SMALL, sliding_window=WINDOW),
    "mistral with as many keys": lambda: hf.MistralConfig(**{**SMALL, "num_key_value_heads": 8}, sliding_window=WINDOW),
    "mixtral": lambda: hf.MixtralConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2),
    "phi3": lambda: hf.Phi3Config(**SMALL),
    "gemma2": lambda: hf.Gemma2Config(**SMALL, head_dim=16, sliding_window=WINDOW),
    "gemma3_text": lambda: hf.Gemma3TextConfig(**SMALL, head_dim=16, sliding_window=WINDOW, layer_types=MANY),
    "deepseek_v3": lambda: hf.DeepseekV3Config(**{**SMALL, "num_key_value_heads": 8}, **LATENT, first_k_dense_replace=3),
    "bloom": lambda: hf.BloomConfig(**TOKENS, **BLOOM),
    "qwen2_vl_text": lambda: hf.Qwen2VLTextConfig(**SMALL, rope_parameters=TURNS),
    "qwen2_5_vl_text": lambda: hf.Qwen2_5_VLTextConfig(**SMALL, rope_parameters=TURNS),
    "qwen3_vl_text": lambda: hf.Qwen3VLTextConfig(
        **SMALL, head_dim=16, rope_parameters={**TURNS, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    ),
}
