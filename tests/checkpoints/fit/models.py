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
STATES: dict[str, Any] = {"mamba_n_heads": 8, "mamba_d_state": 16, "mamba_n_groups": 2, "mamba_chunk_size": 32}
DELTA: dict[str, Any] = {
    "num_hidden_layers": 4, "linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_num_key_heads": 4, "linear_num_value_heads": 8,
}  # fmt: skip
TURNED = ["linear_attention", "full_attention", "linear_attention"]

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
    "mamba": lambda: hf.MambaConfig(**TOKENS, hidden_size=128, num_hidden_layers=3, state_size=8),
    "falcon_mamba": lambda: hf.FalconMambaConfig(**TOKENS, hidden_size=128, num_hidden_layers=3, expand=1),
    "mamba2": lambda: hf.Mamba2Config(
        **TOKENS, hidden_size=128, num_hidden_layers=3, num_heads=8, head_dim=32, state_size=64, n_groups=2, chunk_size=32
    ),
    "jamba": lambda: hf.JambaConfig(**SMALL, attn_layer_period=3, attn_layer_offset=1, num_experts=4, mamba_d_state=8),
    "bamba": lambda: hf.BambaConfig(**SMALL, **STATES, attn_layer_indices=[1]),
    "falcon_h1": lambda: hf.FalconH1Config(**SMALL, **STATES, mamba_d_ssm=256),
    "granitemoehybrid": lambda: hf.GraniteMoeHybridConfig(**SMALL, **STATES, layer_types=TURNED, num_local_experts=4),
    "granitemoehybrid without experts": lambda: hf.GraniteMoeHybridConfig(
        **SMALL, **STATES, layer_types=TURNED, num_local_experts=0, shared_intermediate_size=320
    ),
    "nemotron_h": lambda: hf.NemotronHConfig(
        **{name: value for name, value in SMALL.items() if name != "num_hidden_layers"},
        head_dim=16,
        n_routed_experts=4,
        mamba_num_heads=8,
        layers_block_type=["linear_attention", "moe", "full_attention", "mlp"],
        moe_intermediate_size=96,
        mamba_head_dim=32,
        moe_shared_expert_intermediate_size=96,
        ssm_state_size=16,
        n_groups=2,
        chunk_size=32,
    ),
    "zamba2": lambda: hf.Zamba2Config(
        **SMALL,
        layers_block_type=["linear_attention", "hybrid", "linear_attention"],
        n_mamba_heads=8,
        mamba_d_state=16,
        mamba_ngroups=2,
        chunk_size=32,
    ),
    "qwen3_next": lambda: hf.Qwen3NextConfig(**{**SMALL, **EXPERTS, **DELTA}, shared_expert_intermediate_size=96),
    "qwen3_5_text": lambda: hf.Qwen3_5TextConfig(**{**SMALL, **DELTA}, head_dim=16),
    "olmo_hybrid": lambda: hf.OlmoHybridConfig(
        **{**SMALL, **DELTA, "linear_num_key_heads": 4, "linear_num_value_heads": 4, "linear_value_head_dim": 64}
    ),
}
