"""What tiny-vlm is made of: a SigLIP tower, a two-layer projector and a Qwen3 decoder, all stock transformers classes.

Every weight matrix of the towers has an input side that is a multiple of 64, so that group-wise quantizers need no padding. The
picture is 96×96 in patches of 12, which is 64 tokens: enough to tell the drawings apart and cheap enough to train on a
laptop processor.
"""

from __future__ import annotations

from transformers import (
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaImageProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen3Config,
    SiglipVisionConfig,
)

from training.tokenizer import ASSISTANT, CHAT_TEMPLATE, END, IMAGE, PAD, SPECIAL_TOKENS, USER, VOCAB_SIZE

IMAGE_SIZE = 96
PATCH_SIZE = 12
GRID = IMAGE_SIZE // PATCH_SIZE
IMAGE_TOKENS = GRID * GRID

PAD_ID, IMAGE_ID, USER_ID, ASSISTANT_ID, END_ID = map(SPECIAL_TOKENS.index, (PAD, IMAGE, USER, ASSISTANT, END))


def tiny_config() -> LlavaConfig:
    """The configuration of the shipped model: about 4.7 million parameters."""
    vision = SiglipVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=3,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        vision_use_head=False,
    )
    text = Qwen3Config(
        vocab_size=VOCAB_SIZE,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=PAD_ID,
        eos_token_id=END_ID,
        bos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE_ID,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=True,
    )
    config.pad_token_id, config.eos_token_id = PAD_ID, END_ID
    return config


def build_model(config: LlavaConfig | None = None) -> LlavaForConditionalGeneration:
    """An untrained model that generates greedily until the end token."""
    model = LlavaForConditionalGeneration(config or tiny_config())
    model.generation_config = GenerationConfig(eos_token_id=END_ID, pad_token_id=PAD_ID, do_sample=False, max_new_tokens=64)
    return model


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor: any picture is padded with gray to a square, then scaled to 96×96."""
    images = LlavaImageProcessor(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        do_pad=True,
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )
