"""Tiny random checkpoints of real architectures, so that tests run the full path offline in milliseconds.

Each builder saves what the hub would hold: config, safetensors, tokenizer or processor, and the chat template where the family has one.
Only sizes are made up. Widths are multiples of 64 so that every 4-bit kernel takes them; weights are larger than at a normal start, so
that answers depend on the input.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

Made = TypeVar("Made")
CORPUS = ["What is in this picture? Describe it.", "这张图片中有什么？请描述一下。", "A black square on a white background.", "红色的圆形"]
QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = """{%- for message in messages -%}
<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] -%}
{% if part['type'] == 'image' %}IMAGE{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif -%}"""
IDEFICS_CHAT = """<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:{% for part in message['content'] %}
{%- if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] == 'image' %}<image>{% endif %}
{%- endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""


def build(architecture: str, folder: Path) -> Path:
    """Save the tiny checkpoint of `architecture` (a key of `BUILDERS`) in `folder` and return it."""
    torch.manual_seed(0)
    model, processor = BUILDERS[architecture]()
    # As published: BLOOM in float16, everything newer in bfloat16.
    model = _livelier(model).half() if architecture == "bloom" else _livelier(model).bfloat16()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def shard(folder: Path, target: Path, max_shard_size: str = "60KB") -> Path:
    """Save the checkpoint in `folder` again as several safetensors files with an index, as large models are."""
    config = hf.AutoConfig.from_pretrained(folder)
    auto = hf.AutoModelForImageTextToText if hasattr(config, "vision_config") else hf.AutoModelForCausalLM
    auto.from_pretrained(folder, dtype="auto").save_pretrained(target, max_shard_size=max_shard_size)
    for file in folder.iterdir():
        if not (target / file.name).exists() and file.suffix != ".safetensors":
            (target / file.name).write_bytes(file.read_bytes())
    return target


def edit_config(folder: Path, **changes: object) -> None:
    """Overwrite entries of config.json in place."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def configured(kind: Callable[..., Made], **values: Any) -> Made:
    """A `kind` made with values that it takes but does not declare, or declares more narrowly than it takes them."""
    return kind(**values)


def token_id(tokenizer: hf.PreTrainedTokenizerBase, token: str) -> int:
    """The number of one token."""
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def _livelier(model: hf.PreTrainedModel) -> hf.PreTrainedModel:
    """Spread the weights: at the usual 0.02 a tiny model answers every prompt alike. A few large columns make int8 outliers."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "norm" not in name:
                weight.normal_(std=weight[0].numel() ** -0.5)
            if weight.ndim == 2:
                weight[:, 1] *= 4
    return model


def tokenizer_of_corpus(special: list[str], chat_template: str | None, eos: str, pad: str) -> hf.PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any text, any script, and tokens that end in the middle of a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False))
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=pad, clean_up_tokenization_spaces=False)
    fast.add_special_tokens({"additional_special_tokens": [token for token in special if token not in (eos, pad)]})
    fast.chat_template = chat_template
    return fast


def _ids(tokenizer: hf.PreTrainedTokenizerBase) -> dict[str, Any]:
    return {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def _decoder(tokenizer: hf.PreTrainedTokenizerBase, **changes: object) -> dict[str, Any]:
    """Sizes that Llama, Qwen2 and Qwen3 decoders share."""
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
    }  # fmt: skip
    return {**sizes, **_ids(tokenizer), "bos_token_id": None, **changes}


def _qwen3() -> tuple[hf.PreTrainedModel, hf.PreTrainedTokenizerBase]:
    tokenizer = tokenizer_of_corpus(QWEN_SPECIAL, CHATML, "<|im_end|>", "<|endoftext|>")
    config = hf.Qwen3Config(**_decoder(tokenizer, head_dim=32, tie_word_embeddings=True))
    return hf.Qwen3ForCausalLM(config), tokenizer


def _bloom() -> tuple[hf.PreTrainedModel, hf.PreTrainedTokenizerBase]:
    tokenizer = tokenizer_of_corpus(["<s>", "</s>", "<pad>"], None, "</s>", "<pad>")
    config = hf.BloomConfig(vocab_size=len(tokenizer), hidden_size=64, n_layer=2, n_head=4, bos_token_id=None, **_ids(tokenizer))
    return hf.BloomForCausalLM(config), tokenizer


def _llava() -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    tokenizer = tokenizer_of_corpus([*QWEN_SPECIAL, "<image>"], CHATML.replace("IMAGE", "<image>\n"), "<|im_end|>", "<|endoftext|>")
    vision = hf.SiglipVisionConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        vision_use_head=False,
    )  # fmt: skip
    text = hf.Qwen3Config(**_decoder(tokenizer, head_dim=32, tie_word_embeddings=True))
    config = hf.LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=token_id(tokenizer, "<image>"),
        vision_feature_select_strategy="full", vision_feature_layer=-1, image_seq_length=16, tie_word_embeddings=True,
    )  # fmt: skip
    images = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    processor = hf.LlavaProcessor(
        images, tokenizer, patch_size=8, vision_feature_select_strategy="full", chat_template=tokenizer.chat_template
    )
    return hf.LlavaForConditionalGeneration(config), processor


def _fastvlm() -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    """FastViT in two stages, the second with attention as in the real one's last; 64 × 64 pixels become 4 × 4 tokens."""
    tokenizer = tokenizer_of_corpus([*QWEN_SPECIAL, "<image>"], CHATML.replace("IMAGE", "<image>"), "<|im_end|>", "<|endoftext|>")
    vision = configured(
        hf.TimmWrapperConfig, architecture="fastvit_mci3", do_pooling=True, global_pool="avg", hidden_size=128, initializer_range=0.02,
        model_args={
            "inference_mode": True, "layers": [1, 1, 1], "embed_dims": [32, 32, 64], "mlp_ratios": [2, 2, 2],
            "se_downsamples": [False] * 3, "downsamples": [False, True, True], "pos_embs": [None] * 3,
            "token_mixers": ["repmixer", "repmixer", "attention"], "lkc_use_act": True, "stem_use_scale_branch": False,
        },
    )  # fmt: skip
    text = hf.Qwen2Config(**_decoder(tokenizer, tie_word_embeddings=True))
    config = hf.FastVlmConfig(
        vision_config=vision, text_config=text, image_token_index=token_id(tokenizer, "<image>"), image_seq_length=16,
        tie_word_embeddings=True,
    )  # fmt: skip
    size = {"shortest_edge": 64}
    images = hf.CLIPImageProcessor(size=size, crop_size={"height": 64, "width": 64}, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    processor = hf.LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="full", chat_template=tokenizer.chat_template
    )
    return hf.FastVlmForConditionalGeneration(config), processor


def _smolvlm() -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    """Idefics3 with images cut in tiles of 32 × 32, each 4 tokens after the 2 × 2 pixel shuffle."""
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>", *tiles]
    tokenizer = tokenizer_of_corpus(special, IDEFICS_CHAT, "<end_of_utterance>", "<|im_start|>")
    vision = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    config = configured(
        hf.Idefics3Config, vision_config=vision, text_config=hf.LlamaConfig(**_decoder(tokenizer)), scale_factor=2,
        image_token_id=token_id(tokenizer, "<image>"), pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    images = hf.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = hf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=IDEFICS_CHAT)
    return hf.Idefics3ForConditionalGeneration(config), processor


def _qwen3_vl() -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    special = [*QWEN_SPECIAL, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    chat = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    tokenizer = tokenizer_of_corpus(special, chat, "<|im_end|>", "<|endoftext|>")
    vision = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 8, "out_hidden_size": 64,
        "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4], "mrope_interleaved": True}
    text = _decoder(tokenizer, head_dim=32, rope_parameters=rope)
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    ids = {name: token_id(tokenizer, token) for name, token in names.items()}
    config = configured(hf.Qwen3VLConfig, vision_config=vision, text_config=text, tie_word_embeddings=True, **ids)
    edges = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    images = hf.Qwen2VLImageProcessor(patch_size=8, merge_size=2, size=edges)
    video = hf.Qwen3VLVideoProcessor(patch_size=8, merge_size=2, size=edges)
    return hf.Qwen3VLForConditionalGeneration(config), hf.Qwen3VLProcessor(images, tokenizer, video, chat_template=chat)


BUILDERS: dict[str, Callable[[], tuple[hf.PreTrainedModel, hf.ProcessorMixin | hf.PreTrainedTokenizerBase]]] = {
    "llava": _llava,
    "fastvlm": _fastvlm,
    "smolvlm": _smolvlm,
    "qwen3-vl": _qwen3_vl,
    "qwen3": _qwen3,
    "bloom": _bloom,
}
VISION = ("llava", "fastvlm", "smolvlm", "qwen3-vl")
TEXT = ("qwen3", "bloom")
