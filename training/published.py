"""Writes `qdash/assets/architectures`: published configurations, as facts, with the tensors and preprocessing that transformers gives them.

`python -m training.published` makes the folders again; a test compares them with the classes of the installed transformers. The
configurations are those of Qwen3-4B, bloom-1b7, FastVLM-0.5B and SmolVLM-256M-Instruct; tokenizers and chat templates are our own, with the
published ids of special tokens.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from transformers.core_model_loading import revert_weight_conversion
from transformers.initialization import no_init_weights

from qdash.catalog.models import ASSETS
from qdash.checkpoints.random.vocabulary import tokenizer_json

DTYPES = {torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64"}
LAYER = re.compile(r"(?<=\b(?:layers|blocks)\.)\d+|(?<=\bh\.)\d+")

CHATML = """{%- for message in messages -%}
<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] -%}
{% if part['type'] == 'image' %}<image>
{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif -%}"""
IDEFICS_CHAT = """<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:{% for part in message['content'] %}
{%- if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] == 'image' %}<image>{% endif %}
{%- endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""

QWEN_TOKENS = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
TILES = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
SMOLVLM_TOKENS = {
    **{token: index for index, token in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))},
    **{token: 49152 + index for index, token in enumerate(("<global-img>", *TILES, "<fake_token_around_image>", "<image>"))},
    "<end_of_utterance>": 49279,
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """One architecture: how to build it, and its tokens by what they are for (as tokenizer_config.json names them) and by id."""

    config: hf.PreTrainedConfig
    model_class: type[hf.PreTrainedModel]
    tokens: Mapping[str, int]
    roles: Mapping[str, str]
    chat: str | None = None

    def skeleton(self) -> hf.PreTrainedModel:
        """The model on the meta device, in its published dtype."""
        with torch.device("meta"), no_init_weights():
            model = self.model_class(self.config)
        model.tie_weights()
        return model.to(dtype=self.config.dtype)  # type: ignore[call-overload]

    def processor(self, tokenizer: hf.PreTrainedTokenizerBase) -> hf.ProcessorMixin | None:
        """What turns pictures into pixels and their tokens; None for a text model."""
        if isinstance(self.config, hf.FastVlmConfig):
            images = hf.CLIPImageProcessor(
                size={"shortest_edge": 1024}, crop_size={"height": 1024, "width": 1024}, image_mean=[0.0] * 3, image_std=[1.0] * 3
            )
            return hf.LlavaProcessor(images, tokenizer, patch_size=64, vision_feature_select_strategy="full", chat_template=self.chat)
        if isinstance(self.config, hf.Idefics3Config):
            images = hf.Idefics3ImageProcessor(
                size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}, image_mean=[0.5] * 3, image_std=[0.5] * 3
            )
            return hf.Idefics3Processor(images, tokenizer, image_seq_len=64, chat_template=self.chat)
        return None


def qwen3_4b() -> Published:
    """Qwen3-4B."""
    config = hf.Qwen3Config(
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, max_window_layers=36, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True, dtype="bfloat16",
        bos_token_id=151643, eos_token_id=151645,
    )  # fmt: skip
    roles = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return Published(config, hf.Qwen3ForCausalLM, QWEN_TOKENS, roles, CHATML)


def bloom_1b7() -> Published:
    """bloom-1b7."""
    published_too: dict[str, Any] = {"unk_token_id": 0, "seq_length": 4096}
    config = hf.BloomConfig(
        vocab_size=250880, hidden_size=2048, n_layer=24, n_head=16, layer_norm_epsilon=1e-5, dtype="float16", bos_token_id=1,
        eos_token_id=2, pad_token_id=3, **published_too,
    )  # fmt: skip
    tokens = {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3}
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return Published(config, hf.BloomForCausalLM, tokens, roles)


def fastvlm_05b() -> Published:
    """FastVLM-0.5B in transformers' own form."""
    text = hf.Qwen2Config(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=32768, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, bos_token_id=151643, eos_token_id=151645,
    )  # fmt: skip
    # The vision tower is FastVlmConfig's default: timm's fastvit_mci3.
    config = hf.FastVlmConfig(text_config=text, image_token_index=151646, image_seq_length=256, tie_word_embeddings=True, dtype="bfloat16")
    roles = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return Published(config, hf.FastVlmForConditionalGeneration, {**QWEN_TOKENS, "<image>": 151646}, roles, CHATML)


def smolvlm_256m() -> Published:
    """SmolVLM-256M-Instruct."""
    vision = {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 512,
        "patch_size": 16,
    }  # fmt: skip
    text = hf.LlamaConfig(
        vocab_size=49280, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5}, bos_token_id=1, eos_token_id=49279, pad_token_id=2,
    )  # fmt: skip
    padding: dict[str, Any] = {"pad_token_id": 2}
    config = hf.Idefics3Config(
        vision_config=vision, text_config=text, scale_factor=4, image_token_id=49190, tie_word_embeddings=False, dtype="bfloat16",
        **padding,
    )  # fmt: skip
    roles = {"eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>", "bos_token": "<|im_start|>"}
    return Published(config, hf.Idefics3ForConditionalGeneration, SMOLVLM_TOKENS, roles, IDEFICS_CHAT)


PUBLISHED = {"bloom-1b7": bloom_1b7, "qwen3-4b": qwen3_4b, "fastvlm-0.5b": fastvlm_05b, "smolvlm-256m": smolvlm_256m}


def saved_tensors(model: hf.PreTrainedModel) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name → safetensors dtype and shape of what `save_pretrained` would write: tied weights once, names as published."""
    tied = set(model.all_tied_weights_keys)
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    state = revert_weight_conversion(model, state)
    return {name: (DTYPES[tensor.dtype], tuple(tensor.shape)) for name, tensor in state.items()}


def folded(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, dict[str, list[int]]]:
    """Fold into dtype → name → shape, with tensors that every layer has in one row: “layers.{24}.weight”."""
    rows: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for name, (dtype, shape) in tensors.items():
        rows.setdefault((dtype, _row(name, "{}"), shape), []).append(name)
    kept: dict[str, dict[str, list[int]]] = {}
    for (dtype, row, shape), names in rows.items():
        whole = set(names) == {row.replace("{}", str(index)) for index in range(len(names))}
        for name in [row.replace("{}", f"{{{len(names)}}}")] if whole else names:
            kept.setdefault(dtype, {})[name] = list(shape)
    return kept


def _row(name: str, index: str) -> str:
    """`name` with its last layer number replaced."""
    found = list(LAYER.finditer(name))
    return name[: found[-1].start()] + index + name[found[-1].end() :] if found else name


def write(published: Published, folder: Path) -> None:
    """Write the files of one architecture."""
    folder.mkdir(parents=True, exist_ok=True)
    published.config.architectures = [published.model_class.__name__]
    published.config.save_pretrained(folder)
    (folder / "tensors.json").write_text(_one_row_a_line(folded(saved_tensors(published.skeleton()))))
    ids = {name: getattr(published.config.get_text_config(), f"{name}_token_id") for name in ("bos", "eos", "pad")}
    generation = hf.GenerationConfig(do_sample=False, **{f"{name}_token_id": value for name, value in ids.items()})
    generation.save_pretrained(folder)
    tokenizer = _tokenizer(published)
    added = {str(index): {"content": token, "special": True} for token, index in published.tokens.items()}
    settings: dict[str, Any] = {**published.roles, "added_tokens_decoder": added, "tokenizer_class": "PreTrainedTokenizerFast"}
    _write_json(folder / "tokenizer_config.json", settings)
    if published.chat:
        (folder / "chat_template.jinja").write_text(published.chat)
    processor = published.processor(tokenizer)
    if processor is not None:
        with tempfile.TemporaryDirectory() as saved:
            processor.save_pretrained(saved)
            (folder / "processor_config.json").write_bytes((Path(saved) / "processor_config.json").read_bytes())


def _one_row_a_line(kept: Mapping[str, Mapping[str, list[int]]]) -> str:
    """The same JSON, short enough to read."""
    parts = (
        f'"{dtype}": {{\n' + ",\n".join(f"  {json.dumps(name)}: {json.dumps(shape)}" for name, shape in rows.items()) + "\n }"
        for dtype, rows in kept.items()
    )
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _tokenizer(published: Published) -> hf.PreTrainedTokenizerFast:
    with tempfile.TemporaryDirectory() as saved:
        file = Path(saved) / "tokenizer.json"
        file.write_text(tokenizer_json(published.config.get_text_config().vocab_size, published.tokens))
        return hf.PreTrainedTokenizerFast(tokenizer_file=str(file), **published.roles)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")


def main(names: Iterable[str] = PUBLISHED) -> None:
    """Write them all."""
    for name in names:
        write(PUBLISHED[name](), ASSETS / "architectures" / name)


if __name__ == "__main__":
    main()
