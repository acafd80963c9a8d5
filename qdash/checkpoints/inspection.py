"""The checks every checkpoint passes before a weight is read: complete, unbroken, safetensors only, and no code of its own.

They are written once against `Files`, a folder or a hub repository seen alike: names with sizes, small JSON files, safetensors headers.
Pickled weights and remote code are refused because both run whatever their author wrote.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from qdash.catalog.models import Task
from qdash.checkpoints.published import published_quantization
from qdash.checkpoints.record import PublishedQuantization, TensorInfo
from qdash.checkpoints.supported import task_of
from qdash.errors import QdashError
from qdash.records import Record

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
CARD = "README.md"
CARD_BYTES = 2**20  # what a model card never reaches
READ_SUFFIXES = (".json", ".jinja", ".txt", ".model", ".tiktoken")
"""Of the files that are no weights, those that transformers reads: configuration, chat template, vocabulary."""

_CODE_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt", "tekken.json")
_IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json", "image_processor_config.json")
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".gguf", ".onnx")
_CONVERT = (
    "If you trust its author, convert it once: load it with transformers' from_pretrained(…, use_safetensors=False) and call "
    "save_pretrained on the result."
)


class Files(Protocol):
    """The files of a checkpoint, wherever they are. `where` names it in messages; `sizes` maps each name to its bytes."""

    where: str
    sizes: Mapping[str, int]

    def read(self, name: str) -> bytes:
        """The contents of a small file; raises QdashError if it cannot be had."""
        ...

    def header(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors of a safetensors file; raises QdashError if its header is corrupt or the file too short for it."""
        ...


class Inspection(Record):
    """What the checks found out on their way."""

    task: Task
    model_type: str
    tensors: tuple[TensorInfo, ...]
    tied_head: bool
    context_length: int | None
    quantization: PublishedQuantization | None
    needed: tuple[str, ...]
    """The files that a worker reads, weights last: where these are, a download was complete."""


def inspect(files: Files) -> Inspection:
    """Run every check on `files`; raises QdashError (kind "checkpoint") naming what is wrong and what to do."""
    if "config.json" not in files.sizes:
        remedy = "Choose a folder or model that holds config.json, safetensors weights and a tokenizer, as save_pretrained writes them."
        raise QdashError(f"{files.where} is no transformers model: it has no config.json.", remedy, "checkpoint")
    config = read_json(files, "config.json")
    task = _safe_task(files, config)
    weights = weight_files(files)
    _check_preprocessing(files, task)
    tensors = tuple(tensor for name in weights for tensor in files.header(name))
    small = tuple(name for name in files.sizes if name.endswith(READ_SUFFIXES) and name != INDEX)
    text_config = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    tied_head = bool(config.get("tie_word_embeddings", text_config.get("tie_word_embeddings", False)))
    return Inspection(
        task=task,
        model_type=config["model_type"],
        tensors=tensors,
        tied_head=tied_head,
        context_length=_context_length(text_config),
        quantization=published_quantization(files.where, config, tensors, tied_head, lambda: _card(files)),
        needed=(*small, *(() if SINGLE in weights else (INDEX,)), *weights),
    )


def weight_files(files: Files) -> tuple[str, ...]:
    """The safetensors files that from_pretrained would read; raises QdashError if there are none or one is missing."""
    if SINGLE in files.sizes:
        return (SINGLE,)
    if INDEX not in files.sizes:
        raise _no_weights(files)
    weight_map = read_json(files, INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise _broken(files, INDEX, "it lists no weights")
    shards = sorted({str(shard) for shard in weight_map.values()})
    missing = [shard for shard in shards if shard not in files.sizes]
    if missing:
        message = f"{files.where} is incomplete: {_listed(missing)} of {len(shards)} weight files missing."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint")
    return tuple(shards)


def read_json(files: Files, name: str) -> dict[str, Any]:
    """Parse a JSON object; raises QdashError naming the file if it is none."""
    try:
        data = json.loads(files.read(name))
    except (ValueError, RecursionError) as error:
        raise _broken(files, name, f"it is not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise _broken(files, name, "it holds no JSON object")
    return data


def _safe_task(files: Files, config: dict[str, Any]) -> Task:
    """The model's task, if transformers' own code can do it."""
    model_type = config.get("model_type")
    for name in _CODE_CONFIGS:
        if name in files.sizes and "auto_map" in (config if name == "config.json" else read_json(files, name)):
            message = f"{files.where} asks to run code of its own (“auto_map” in {name}), which qdash never does."
            raise QdashError(message, f"Choose a version of the model that transformers loads natively{_hint(config)}.", "checkpoint")
    if not isinstance(model_type, str):
        raise _broken(files, "config.json", "it names no model_type")
    task = task_of(config)
    if task is None:
        message = f"{files.where} has the model type “{model_type}”, for which transformers has no class that generates text."
        raise QdashError(message, "Choose a model of type image-text-to-text or text-generation, in its native form.", "checkpoint")
    return task


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


def _check_preprocessing(files: Files, task: Task) -> None:
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


def _no_weights(files: Files) -> QdashError:
    """Name the weights there are, if any, and why they do not do."""
    safetensors = [name for name in files.sizes if name.endswith(".safetensors")]
    if safetensors:
        message = f"{files.where} has no {SINGLE}, only {_listed(safetensors)}: an adapter, or another program's layout."
        return QdashError(message, "Merge the adapter or convert the weights, and save them with save_pretrained.", "checkpoint")
    others = [name for name in files.sizes if name.endswith(_OTHER_WEIGHTS) and not name.startswith("training_args")]
    if others:
        pickled = any(name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")) for name in others)
        why = "loading pickled weights can run any code hidden in them" if pickled else "qdash reads safetensors only"
        return QdashError(f"{files.where} has no safetensors weights, only {_listed(others)}; {why}.", _CONVERT, "checkpoint")
    return QdashError(f"{files.where} holds no weights.", f"Add {SINGLE}, or choose another model.", "checkpoint")


def _broken(files: Files, name: str, why: str) -> QdashError:
    return QdashError(f"{files.where} holds a damaged {name}: {why}.", "Download or copy the checkpoint again.", "checkpoint")


def _listed(names: list[str], limit: int = 3) -> str:
    shown = ", ".join(sorted(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
