"""The checks every checkpoint passes before a weight is read: complete, unbroken, safetensors only, and no code of its own.

They are written once against `Files`, a folder or a hub repository seen alike: names with sizes, small JSON files, safetensors headers.
Pickled weights and remote code are refused because both run whatever their author wrote.
"""

from collections.abc import Iterator
from typing import Any

from qdash.catalog.types import ModelTask
from qdash.checkpoints.codes import check_plain
from qdash.checkpoints.files import INDEX, SINGLE, Files, damaged, read_json
from qdash.checkpoints.prefixes import check_names
from qdash.checkpoints.published import NEEDS, base_model_of, original_of, published_quantization
from qdash.checkpoints.purpose import check_purpose, unused_heads
from qdash.checkpoints.record import PublishedQuantization, TensorInfo
from qdash.checkpoints.supported import fills_in, has_encoder, task_of
from qdash.checkpoints.tying import tied_copies
from qdash.checkpoints.weights import weight_files
from qdash.errors import QdashError
from qdash.records import Record

CARD = "README.md"
CARD_BYTES = 2**20  # what a model card never reaches
READ_SUFFIXES = (".json", ".jinja", ".txt", ".model", ".tiktoken")
"""Of the files that are no weights, those that transformers reads: configuration, chat template, vocabulary."""

_CODE_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt", "tekken.json")
_IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json", "image_processor_config.json")


class Validated(Record):
    """What the checks found out on their way."""

    task: ModelTask
    model_type: str
    tensors: tuple[TensorInfo, ...]
    copies: tuple[str, ...]
    context_length: int | None
    quantization: PublishedQuantization | None
    needed: tuple[str, ...]
    """The files that a worker reads, weights last: where these are, a download was complete."""
    notes: tuple[str, ...]


def validate(files: Files) -> Validated:
    """Run every check on `files`; raises QdashError (kind "checkpoint") naming what is wrong and what to do."""
    if "config.json" not in files.sizes:
        remedy = "Choose a folder or model that holds config.json, safetensors weights and a tokenizer, as save_pretrained writes them."
        raise QdashError(f"{files.where} is not a transformers model: it has no config.json.", remedy, "checkpoint")
    config = read_json(files, "config.json")
    task = _safe_task(files, config)
    weights = weight_files(files)
    _check_preprocessing(files, task)
    # A tensor that is in two files is loaded once.
    stored = {tensor.name: (file, tensor) for file in weights for tensor in files.header(file)}
    tensors = tuple(tensor for _, tensor in stored.values())
    card = _card(files)
    base_model = base_model_of(card)
    check_purpose(files.where, config, stored, files.sizes, base_model)
    check_names(files.where, stored)
    copies = tied_copies(files, config, stored) | unused_heads(stored)
    own = tuple(tensor for tensor in tensors if tensor.name not in copies)
    quantization = published_quantization(files.where, config, own, card)
    if quantization is None:
        check_plain(files.where, config, tensors, files.sizes, original_of(base_model), NEEDS)
    small = tuple(name for name in files.sizes if name.endswith(READ_SUFFIXES) and name != INDEX)
    text_config = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    return Validated(
        task=task,
        model_type=config["model_type"],
        tensors=tensors,
        copies=tuple(sorted(copies)),
        context_length=_context_length(text_config),
        quantization=quantization,
        needed=(*small, *(() if SINGLE in weights else (INDEX,)), *weights),
        notes=tuple(_notes(files)),
    )


def _notes(files: Files) -> Iterator[str]:
    """What a person should know of files that are not read."""
    adapter = next((name for name in ("adapter_model.safetensors", "adapter_config.json") if name in files.sizes), None)
    if adapter is not None:
        yield f"The adapter beside the model ({adapter}) is not applied: merge it into the weights to see what it does."


def _safe_task(files: Files, config: dict[str, Any]) -> ModelTask:
    """The model's task, if transformers' own code can do it."""
    model_type = config.get("model_type")
    for name in _CODE_CONFIGS:
        if name in files.sizes and "auto_map" in (config if name == "config.json" else read_json(files, name)):
            message = f"{files.where} asks to run its own code (“auto_map” in {name}), which qdash never does."
            raise QdashError(message, f"Choose a version of the model that transformers loads natively{_hint(config)}.", "checkpoint")
    if not isinstance(model_type, str):
        raise damaged(files, "config.json", "it has no model_type")
    _check_left_to_right(files, config)
    task = task_of(config)
    if task is None:
        message = f"{files.where} has the model type “{model_type}”, for which transformers has no class that generates text."
        raise QdashError(message, "Choose a model of type image-text-to-text or text-generation, in its native form.", "checkpoint")
    return task


def _check_left_to_right(files: Files, config: dict[str, Any]) -> None:
    """Refuse what transformers can make write a text, but what was not made to write one on."""
    model_type = config["model_type"]
    if has_encoder(config):
        message = (
            f"{files.where} is an encoder–decoder (model type “{model_type}”): one half reads the question, the other writes an answer. "
            "qdash runs models that continue their prompt."
        )
        raise QdashError(message, "Choose a decoder-only model, such as one of type llama, qwen3, gemma3 or llava.", "checkpoint")
    if fills_in(config):
        message = (
            f"{files.where} has the model type “{model_type}” and no “is_decoder”: true in its config.json: it was trained to fill in "
            "missing words from the text on both sides, not to write from left to right."
        )
        raise QdashError(message, "Choose a model trained to continue a text, such as one of type llama or qwen3.", "checkpoint")


def _card(files: Files) -> str | None:
    """The model card, for the name of the model that this one was made from."""
    if not 0 < files.sizes.get(CARD, 0) <= CARD_BYTES:
        return None
    try:
        return files.read(CARD).decode("utf-8", errors="replace")
    except QdashError:
        return None


def _hint(config: dict[str, Any]) -> str:
    return ", such as KamilaMila/FastVLM-0.5B for FastVLM" if config.get("model_type") == "llava_qwen2" else ""


def _check_preprocessing(files: Files, task: ModelTask) -> None:
    """A model without its tokenizer or image processor loads and then answers nonsense, or nothing."""
    save = "Save them beside the weights: processor.save_pretrained(folder)."
    if not any(name in files.sizes for name in _TOKENIZERS):
        raise QdashError(f"{files.where} has no tokenizer ({', '.join(_TOKENIZERS[:2])} …).", save, "checkpoint")
    if task == "image-text-to-text" and not any(name in files.sizes for name in _IMAGE_PROCESSORS):
        raise QdashError(f"{files.where} has no image processor ({_IMAGE_PROCESSORS[0]} …).", save, "checkpoint")


def _context_length(text_config: dict[str, Any]) -> int | None:
    for key in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx"):
        if isinstance(text_config.get(key), int):
            return text_config[key]
    return None
