"""Tiny random checkpoints of architectures that the catalogue does not have, each of its own kind of decoding.

Widths are multiples of 64 so that every 4-bit kernel takes them. Weights are spread, so that answers depend on what was read.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.support.checkpoints import configured, token_id

CORPUS = ["What is in this picture?", "the cat sat on the mat", "a red circle and a blue square"]
PLAIN = ("<eos>", "<pad>", "<bos>")
SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}  # fmt: skip
EYES: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
}  # fmt: skip

Made = tuple[hf.PreTrainedModel, hf.PreTrainedTokenizerBase | hf.ProcessorMixin]


def build(architecture: str, folder: Path) -> Path:
    """Save the checkpoint of `architecture`, a key of `BUILDERS`, in float32."""
    torch.manual_seed(0)
    model, processor = BUILDERS[architecture]()
    lively(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def tokenizer(special: tuple[str, ...] = PLAIN, **named: str) -> hf.PreTrainedTokenizerFast:
    """Byte-level BPE; the first three of `special` are end, padding and beginning."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    end, pad, begin, *others = special
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=end, pad_token=pad, bos_token=begin, clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"], extra_special_tokens=named,
    )  # fmt: skip
    fast.add_special_tokens({"additional_special_tokens": others})
    return fast


def ids(words: hf.PreTrainedTokenizerBase) -> dict[str, Any]:
    """What a config says of a tokenizer."""
    special = {name: getattr(words, name) for name in ("eos_token_id", "pad_token_id", "bos_token_id")}
    return {"vocab_size": len(words), **special}


def lively(model: hf.PreTrainedModel) -> hf.PreTrainedModel:
    """`model` with weights spread so that its answers depend on what it read."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "norm" not in name:
                weight.normal_(std=weight.shape[-1] ** -0.5)
    return model


def _qwen3_moe() -> Made:
    words = tokenizer()
    sizes = {"head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
    config = configured(hf.Qwen3MoeConfig, **SMALL, **ids(words), **sizes)
    return hf.Qwen3MoeForCausalLM(config), words


def _gpt_oss() -> Made:
    """Attention with sinks, every other layer in a window shorter than the prompt."""
    words = tokenizer()
    rope = {"rope_type": "default", "rope_theta": 10000.0}
    config = hf.GptOssConfig(
        **SMALL, **ids(words), head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=8, rope_parameters=rope
    )
    return hf.GptOssForCausalLM(config), words


def _rwkv() -> Made:
    """More blocks than are divided by the same power of two."""
    words = tokenizer()
    config = hf.RwkvConfig(
        hidden_size=64,
        attention_hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        context_length=512,
        rescale_every=2,
        **ids(words),
    )
    return hf.RwkvForCausalLM(config), words


def _mamba2() -> Made:
    words = tokenizer()
    config = hf.Mamba2Config(
        hidden_size=64, num_hidden_layers=2, state_size=16, expand=2, head_dim=32, num_heads=4, n_groups=1, chunk_size=16, **ids(words)
    )
    return hf.Mamba2ForCausalLM(config), words


def _falcon_h1() -> Made:
    words = tokenizer()
    config = configured(
        hf.FalconH1Config, **SMALL, **ids(words), head_dim=16, mamba_d_ssm=128, mamba_n_heads=4, mamba_d_head=32, mamba_n_groups=1,
        mamba_d_state=16, mamba_chunk_size=16,
    )  # fmt: skip
    return hf.FalconH1ForCausalLM(config), words


_SCAN: dict[str, Any] = {"mamba_d_state": 16, "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_n_groups": 1, "mamba_chunk_size": 16}


def _bamba() -> Made:
    words = tokenizer()
    return hf.BambaForCausalLM(hf.BambaConfig(**SMALL, **ids(words), **_SCAN, attn_layer_indices=[1])), words


def _zamba2() -> Made:
    words = tokenizer()
    config = configured(
        hf.Zamba2Config, **SMALL | {"num_hidden_layers": 4, "num_key_value_heads": 4}, **ids(words), mamba_d_state=16, mamba_ngroups=1,
        n_mamba_heads=4, mamba_headdim=32, chunk_size=16, adapter_rank=8, use_mem_rope=True, layers_block_type=["mamba", "hybrid"] * 2,
    )  # fmt: skip
    return hf.Zamba2ForCausalLM(config), words


def _nemotron_h() -> Made:
    words = tokenizer()
    config = hf.NemotronHConfig(
        **SMALL | {"num_hidden_layers": 4}, **ids(words), head_dim=16, ssm_state_size=16, mamba_num_heads=4, mamba_head_dim=32, n_groups=1,
        chunk_size=16, layers_block_type=["mamba", "attention", "mamba", "mlp"],
    )  # fmt: skip
    return hf.NemotronHForCausalLM(config), words


def _lfm2() -> Made:
    """A short convolution and attention, in turn."""
    words = tokenizer()
    config = hf.Lfm2Config(**SMALL, **ids(words), layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False)
    return hf.Lfm2ForCausalLM(config), words


def _paligemma() -> Made:
    """Reads the picture and the question with every token in view of every other, and must have a picture."""
    words = tokenizer((*PLAIN, "<image>"))
    images: Any = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    images.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(images, words)
    words = processor.tokenizer
    vision = configured(hf.SiglipVisionConfig, **EYES, projection_dim=64, vision_use_head=False)
    text = hf.GemmaConfig(**SMALL | {"num_key_value_heads": 1}, head_dim=16, tie_word_embeddings=True, **ids(words))
    config = configured(
        hf.PaliGemmaConfig, vision_config=vision, text_config=text, image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=64, hidden_size=64, tie_word_embeddings=True, pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id, bos_token_id=words.bos_token_id,
    )  # fmt: skip
    return hf.PaliGemmaForConditionalGeneration(config), processor


def _gemma3_processor() -> tuple[hf.PreTrainedTokenizerBase, hf.ProcessorMixin]:
    words = tokenizer((*PLAIN, "<soi>", "<eoi>", "<img>"), boi_token="<soi>", eoi_token="<eoi>", image_token="<img>")
    return words, hf.Gemma3Processor(hf.Gemma3ImageProcessor(size={"height": 32, "width": 32}), words, image_seq_length=4)


def _gemma3() -> Made:
    """The tokens of a picture see each other both ways, text does not."""
    words, processor = _gemma3_processor()
    text = hf.Gemma3TextConfig(**SMALL, head_dim=16, sliding_window=8, **ids(words))
    names = {"image_token_index": "<img>", "boi_token_index": "<soi>", "eoi_token_index": "<eoi>"}
    config = configured(
        hf.Gemma3Config, text_config=text, vision_config=hf.SiglipVisionConfig(**EYES, vision_use_head=False), mm_tokens_per_image=4,
        **{name: words.convert_tokens_to_ids(token) for name, token in names.items()},
    )  # fmt: skip
    return hf.Gemma3ForConditionalGeneration(config), processor


def _qwen2_vl() -> Made:
    """Positions of three dimensions, which go on after a picture from where it ends."""
    special = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer((*PLAIN, *special))
    start, end, picture, video = (token_id(words, token) for token in special)
    vision = {"depth": 2, "embed_dim": 64, "hidden_size": 64, "num_heads": 2, "patch_size": 8, "mlp_ratio": 2}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    config = hf.Qwen2VLConfig(
        vision_config=vision, text_config={**SMALL, **ids(words), "rope_parameters": rope}, image_token_id=picture, video_token_id=video,
        vision_start_token_id=start, vision_end_token_id=end,
    )  # fmt: skip
    edges = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    images = hf.Qwen2VLImageProcessor(patch_size=8, merge_size=2, size=edges)
    chat = (
        "{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    )
    movies = hf.Qwen2VLVideoProcessor(patch_size=8, merge_size=2, size=edges)
    return hf.Qwen2VLForConditionalGeneration(config), hf.Qwen2VLProcessor(images, words, movies, chat_template=chat)


def _mllama() -> Made:
    """Looks at pictures in layers of their own, through a mask that says which token sees which tile."""
    words = tokenizer((*PLAIN, "<|image|>", "<|python_tag|>", "<|begin_of_text|>"))
    text = {
        **SMALL,
        **ids(words),
        "num_hidden_layers": 4,
        "cross_attention_layers": [1, 3],
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    }
    vision = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_global_layers": 1, "attention_heads": 2, "image_size": 32,
        "patch_size": 8, "max_num_tiles": 2, "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]], "intermediate_layers_indices": [0, 1],
        "vision_output_dim": 192,
    }  # fmt: skip
    config = hf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=token_id(words, "<|image|>"))
    images = hf.MllamaImageProcessor(size={"height": 32, "width": 32}, max_image_tiles=2)
    chat = (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    model = hf.MllamaForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("gate") or "_gate" in name or "attn_gate" in name:
                weight.fill_(0.7)  # at zero, as they start, nothing of the picture comes through
    return model, hf.MllamaProcessor(images, words, chat_template=chat)


def _blip2() -> Made:
    """Its processor puts the tokens of the picture before the prompt; a former asks it a few questions of its own."""
    words = tokenizer((*PLAIN, "<image>"))
    images = hf.BlipImageProcessor(size={"height": 32, "width": 32})
    processor = hf.Blip2Processor(images, words, num_query_tokens=4)
    text = hf.OPTConfig(
        hidden_size=64, ffn_dim=128, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=512, word_embed_proj_dim=64,
        **ids(words),
    )  # fmt: skip
    former = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "encoder_hidden_size": 64}
    config = hf.Blip2Config(
        vision_config=EYES, qformer_config=former, text_config=text.to_dict(), num_query_tokens=4,
        image_token_index=token_id(words, "<image>"),
    )  # fmt: skip
    return hf.Blip2ForConditionalGeneration(config), processor


def _t5gemma2() -> Made:
    words, processor = _gemma3_processor()
    text = {**SMALL, "head_dim": 16, "sliding_window": 8, **ids(words)}
    vision = {**EYES, "vision_use_head": False, "model_type": "siglip_vision_model"}
    names = {"image_token_index": "<img>", "boi_token_index": "<soi>", "eoi_token_index": "<eoi>"}
    numbers = {name: token_id(words, token) for name, token in names.items()}
    encoder = {"text_config": text, "vision_config": vision, "mm_tokens_per_image": 4, **numbers}
    config = hf.T5Gemma2Config(encoder=encoder, decoder=dict(text), image_token_index=numbers["image_token_index"])
    return hf.T5Gemma2ForConditionalGeneration(config), processor


def _bart() -> Made:
    words = tokenizer()
    config = hf.BartConfig(
        d_model=64, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, max_position_embeddings=128, forced_eos_token_id=None, decoder_start_token_id=0, **ids(words),
    )  # fmt: skip
    return hf.BartForConditionalGeneration(config), words


def _t5() -> Made:
    words = tokenizer()
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
    config = configured(hf.T5Config, **sizes, decoder_start_token_id=0, **ids(words))
    return hf.T5ForConditionalGeneration(config), words


def _bert() -> Made:
    words = tokenizer()
    config = hf.BertConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=256, **ids(words)
    )
    return hf.BertForMaskedLM(config), words


BUILDERS: dict[str, Callable[[], Made]] = {
    "qwen3-moe": _qwen3_moe,
    "gpt-oss": _gpt_oss,
    "rwkv": _rwkv,
    "mamba2": _mamba2,
    "falcon-h1": _falcon_h1,
    "bamba": _bamba,
    "zamba2": _zamba2,
    "nemotron-h": _nemotron_h,
    "lfm2": _lfm2,
    "paligemma": _paligemma,
    "gemma3": _gemma3,
    "qwen2-vl": _qwen2_vl,
    "mllama": _mllama,
    "blip2": _blip2,
    "t5gemma2": _t5gemma2,
    "bart": _bart,
    "t5": _t5,
    "bert": _bert,
}
SEES = ("paligemma", "gemma3", "qwen2-vl", "mllama", "blip2")
READS = ("qwen3-moe", "gpt-oss", "rwkv", "mamba2", "falcon-h1", "lfm2")
ENCODERS = ("t5gemma2", "bart", "t5")
