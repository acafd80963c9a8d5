"""Tiny checkpoints with one fault each, and what qdash says of them, all in this process."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash import checkpoints
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Answer, Question, WorkerSpec
from tests.support.checkpoints import CHATML, QWEN_SPECIAL, _livelier, tokenizer_of_corpus

Weights = dict[str, torch.Tensor]
SIZES = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}  # fmt: skip


def tokenizer(chat: str | None = CHATML) -> hf.PreTrainedTokenizerFast:
    """A byte-level tokenizer of about 320 tokens."""
    return tokenizer_of_corpus(QWEN_SPECIAL, chat, "<|im_end|>", "<|endoftext|>")


def ids(own: hf.PreTrainedTokenizerFast) -> dict[str, Any]:
    """What a configuration says of a tokenizer."""
    return {"vocab_size": len(own), "eos_token_id": own.eos_token_id, "pad_token_id": own.pad_token_id, "bos_token_id": None}


def save(folder: Path, model: hf.PreTrainedModel, own: hf.PreTrainedTokenizerFast) -> Path:
    """Save a model with weights that differ enough for its answers to, beside its tokenizer."""
    torch.manual_seed(0)
    _livelier(model).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


def llama(folder: Path, **config: Any) -> Path:
    """A Llama of two layers with a head of its own."""
    if config:
        own = tokenizer()
        return save(folder, hf.LlamaForCausalLM(hf.LlamaConfig(**{**SIZES, "tie_word_embeddings": False, **ids(own), **config})), own)
    return Path(shutil.copytree(_plain_llama(), folder))


@cache
def _plain_llama() -> Path:
    return llama(Path(mkdtemp()) / "model", tie_word_embeddings=False)


def edit(path: Path, **entries: Any) -> None:
    """Overwrite entries of a JSON file; `...` takes one out."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({name: value for name, value in {**known, **entries}.items() if value is not ...}))


def rewrite_weights(folder: Path, change: Callable[[Weights], Weights]) -> Path:
    """Save what `change` makes of the weights."""
    weights = {name: weight.clone() for name, weight in load_file(folder / "model.safetensors").items()}
    save_file(change(weights), folder / "model.safetensors", {"format": "pt"})
    return folder


def without_emit(event: object) -> None:
    """An `emit` that nobody listens to."""


def never() -> bool:
    """A `stop` that nobody presses."""
    return False


def worker(folder: Path, scheme: str = "original", **changes: Any) -> Worker:
    """A loaded worker on the CPU in float32."""
    known: dict[str, Any] = {"task": "text-generation", "device": "cpu", "dtype": "float32", "threads": 1, "revision": ""}
    made = Worker(WorkerSpec(folder=str(folder), scheme=scheme, **{**known, **changes}))
    made.load(emit=without_emit, stop=never)
    return made


def ask(asked: Worker, prompt: str = "What is it?", tokens: int = 4) -> Answer:
    """A short answer."""
    return asked.answer(Question(prompt=prompt), tokens, emit=without_emit, stop=never)


def located(folder: Path) -> checkpoints.Checkpoint:
    """What headers tell."""
    return checkpoints.locate(str(folder))


def refusal(refused: Callable[[], object]) -> QdashError:
    """The error that a person would see: never one that is qdash's own fault, and never without a remedy."""
    with pytest.raises(QdashError) as caught:
        refused()
    error = caught.value
    assert error.kind in ("checkpoint", "bad_input", "unavailable") and error.remedy and len(error.message) < 500
    return error
