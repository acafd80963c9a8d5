"""Tiny checkpoints of architectures whose weights are not all in plain linear layers, or are stored in ways of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from tests.support.checkpoints import CHATML, QWEN_SPECIAL, tokenizer_of_corpus

SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}  # fmt: skip
MIXTURE: dict[str, Any] = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "head_dim": 32}


def save(architecture: str, folder: Path, **changes: Any) -> Path:
    """Save the checkpoint of `architecture` (a key of `BUILDERS`), its configuration changed, in `folder` and return it."""
    tokenizer = tokenizer_of_corpus(QWEN_SPECIAL, CHATML, "<|im_end|>", "<|endoftext|>")
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    torch.manual_seed(0)
    model = BUILDERS[architecture]({"vocab_size": len(tokenizer), **ids, **changes})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "norm" not in name:
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


BUILDERS: dict[str, Callable[[dict[str, Any]], hf.PreTrainedModel]] = {
    "llama": lambda known: hf.LlamaForCausalLM(hf.LlamaConfig(**{**SMALL, "tie_word_embeddings": False, **known})),
    "qwen3-moe": lambda known: hf.Qwen3MoeForCausalLM(
        hf.Qwen3MoeConfig(**{**SMALL, **MIXTURE, "tie_word_embeddings": False, **known})
    ),
    "mixtral": lambda known: hf.MixtralForCausalLM(hf.MixtralConfig(**{**SMALL, "num_local_experts": 4, **known})),
    "gpt-oss": lambda known: hf.GptOssForCausalLM(
        hf.GptOssConfig(**{**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 32, "intermediate_size": 64, **known})
    ),
    "granite-moe": lambda known: hf.GraniteMoeForCausalLM(
        hf.GraniteMoeConfig(**{**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2, **known})
    ),
    "llama4": lambda known: hf.Llama4ForCausalLM(
        hf.Llama4TextConfig(
            **{
                **SMALL, "intermediate_size_mlp": 128, "num_local_experts": 4, "num_experts_per_tok": 1, "head_dim": 16,
                "tie_word_embeddings": False, **known,
            }
        )
    ),
    "falcon": lambda known: hf.FalconForCausalLM(
        hf.FalconConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, alibi=True, **known)
    ),
    "gpt2": lambda known: hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=128, **known)),
    "opt": lambda known: hf.OPTForCausalLM(
        hf.OPTConfig(
            hidden_size=64, ffn_dim=128, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=64, max_position_embeddings=128,
            **known,
        )
    ),
    "mamba": lambda known: hf.MambaForCausalLM(hf.MambaConfig(hidden_size=64, num_hidden_layers=2, state_size=16, **known)),
    "odd-widths": lambda known: hf.LlamaForCausalLM(
        hf.LlamaConfig(**{**SMALL, "hidden_size": 72, "intermediate_size": 100, "head_dim": 18, **known})
    ),
}  # fmt: skip
