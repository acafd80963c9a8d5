"""Which tensors of a GGUF file a parameter is made from, in both of the ways in which transformers reads such files."""

from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter
from transformers import AutoModelForCausalLM, Lfm2Config, PreTrainedConfig, PreTrainedModel, Qwen3MoeConfig

from qdash.engine.gguf_names import parameter_sources


def model_of(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def written(file: Path, architecture: str, names: list[str]) -> Path:
    writer = GGUFWriter(file, architecture)
    for name in names:
        writer.add_tensor(name, np.zeros(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_experts_are_made_from_several(tmp_path: Path) -> None:
    names = [f"blk.0.ffn_{name}_exps.weight" for name in ("gate", "up", "down")]
    file = written(tmp_path / "m.gguf", "qwen3moe", ["token_embd.weight", "blk.0.attn_q.weight", *names, "rope_freqs.weight"])
    config = Qwen3MoeConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        moe_intermediate_size=8, num_experts=4, num_experts_per_tok=2,
    )  # fmt: skip
    assert parameter_sources(file, model_of(config)) == {
        "model.embed_tokens.weight": ("token_embd.weight",),
        "model.layers.0.self_attn.q_proj.weight": ("blk.0.attn_q.weight",),
        "model.layers.0.mlp.experts.gate_up_proj": (names[0], names[1]),
        "model.layers.0.mlp.experts.down_proj": (names[2],),
    }


def test_rules_that_rename(tmp_path: Path) -> None:
    file = written(tmp_path / "m.gguf", "lfm2", ["token_embd.weight", "blk.0.shortconv.in_proj.weight", "blk.0.ffn_gate.weight", "nowhere"])
    config = Lfm2Config(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        layer_types=["conv"],
    )  # fmt: skip
    assert parameter_sources(file, model_of(config)) == {
        "model.embed_tokens.weight": ("token_embd.weight",),
        "model.layers.0.conv.in_proj.weight": ("blk.0.shortconv.in_proj.weight",),
        "model.layers.0.feed_forward.w1.weight": ("blk.0.ffn_gate.weight",),
    }
