"""What tiny-lm is made of: a stock Qwen3 decoder, small enough to ship.

Every weight matrix has an input side that is a multiple of 128, so that group-wise quantizers need no padding, and keys and
values have half as many heads as queries, as in the large models of the family.
"""

from __future__ import annotations

from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

from training.stories.tokenizer import END, PAD, SPECIAL_TOKENS, VOCAB_SIZE

PAD_ID, END_ID = map(SPECIAL_TOKENS.index, (PAD, END))


def tiny_config() -> Qwen3Config:
    """The configuration of the shipped model: about 4.3 million parameters."""
    return Qwen3Config(
        vocab_size=VOCAB_SIZE,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=PAD_ID,
        eos_token_id=END_ID,
        bos_token_id=None,
    )


def build_model(config: Qwen3Config | None = None) -> Qwen3ForCausalLM:
    """An untrained model that generates greedily until the end token."""
    model = Qwen3ForCausalLM(config or tiny_config())
    model.generation_config = GenerationConfig(eos_token_id=END_ID, pad_token_id=PAD_ID, do_sample=False, max_new_tokens=64)
    return model
