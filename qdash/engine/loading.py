"""From a folder on disk to a model and its processor, through transformers' own `from_pretrained` and nothing beside it.

Only safetensors, only local files, never code from the checkpoint. What transformers forgives is an error here: it would fill weights
that are missing from a file with random numbers, and the answers would look like a bad quantization.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers.initialization import meta_device_safe_creation_ops, no_init_weights
from transformers.utils import logging

from qdash.engine.failures import is_out_of_memory
from qdash.engine.prompting import Processor, tokenizer_of
from qdash.errors import QdashError
from qdash.records import WorkerSpec

MODELS = {"image-text-to-text": AutoModelForImageTextToText, "text-generation": AutoModelForCausalLM}
PROCESSORS = {"image-text-to-text": AutoProcessor, "text-generation": AutoTokenizer}
OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def load_skeleton(spec: WorkerSpec) -> PreTrainedModel:
    """The model on the meta device: its modules and shapes, no weights. Takes no memory; raises QdashError("checkpoint")."""
    with _reading(spec), torch.device("meta"), meta_device_safe_creation_ops(), no_init_weights():
        config = AutoConfig.from_pretrained(spec.folder, **OFFLINE)
        return MODELS[spec.task].from_config(config, trust_remote_code=False)


def load_processor(spec: WorkerSpec) -> Processor:
    """What turns a question into the model's inputs: an image processor with tokenizer, or a tokenizer; raises QdashError("checkpoint")."""
    with _reading(spec):
        processor: Processor = PROCESSORS[spec.task].from_pretrained(spec.folder, **OFFLINE)
        # Without its files transformers makes some tokenizers up from the config, with no vocabulary: every prompt would be empty.
        if not tokenizer_of(processor).encode("a", add_special_tokens=False):
            raise OSError("the tokenizer's files are missing")
        return processor


def load_model(spec: WorkerSpec, arguments: dict[str, Any], on_fraction: Callable[[float], None]) -> PreTrainedModel:
    """`from_pretrained(spec.folder, **arguments)` in evaluation mode, every weight found in the files.

    `on_fraction` gets the share of tensors loaded before each one, and may raise to cancel. Raises QdashError: "checkpoint" for missing,
    corrupt or mismatched files, "unavailable" for a package the model needs.
    """
    with _reading(spec), _progress(on_fraction):
        model, report = MODELS[spec.task].from_pretrained(
            spec.folder, **arguments, **OFFLINE, use_safetensors=True, output_loading_info=True
        )
    missing = sorted(report["missing_keys"])
    if missing:
        message = f"{len(missing)} weights are missing from {spec.folder}, among them {missing[0]}."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint")
    return model


@contextmanager
def _reading(spec: WorkerSpec) -> Iterator[None]:
    """Whatever transformers raises over a checkpoint's files is the checkpoint's fault, but for memory and missing packages."""
    try:
        yield
    except QdashError:
        raise
    except ImportError as error:
        message = f"The model in {spec.folder} needs a package that is not installed: {_gist(error)}"
        raise QdashError(message, "Install the requirements again: pip install -r requirements.txt", "unavailable") from error
    except Exception as error:  # of any type: a broken config.json fails wherever the model first trips over it
        if is_out_of_memory(error):
            raise
        message = f"The checkpoint in {spec.folder} cannot be loaded: {_gist(error)}"
        remedy = "Download or copy it again; if it is new, check that transformers supports its architecture."
        raise QdashError(message, remedy, "checkpoint") from error


def _gist(error: Exception) -> str:
    """The first line of an error that says something, at most 300 characters, with its type if that is the message."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    line = f"{type(error).__name__}: {line}" if isinstance(error, KeyError | SafetensorError) or not line else line
    return line[:300].rstrip(".") + "."


@contextmanager
def _progress(on_fraction: Callable[[float], None]) -> Iterator[None]:
    """Listen to the bar that transformers draws while it loads weights, in its place; others' bars are not drawn."""

    def bar(factory: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return _Counted(arguments[0], on_fraction) if arguments else factory(*arguments, **options)

    before = logging.set_tqdm_hook(bar)
    try:
        # compressed-tensors draws bars that heed no setting.
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_tqdm_hook(before)


class _Counted:
    """Stands in for a progress bar over items whose number is known."""

    def __init__(self, items: Iterable[Any], on_fraction: Callable[[float], None]) -> None:
        self._items = list(items)
        self._on_fraction = on_fraction

    def __iter__(self) -> Iterator[Any]:
        for done, item in enumerate(self._items):
            self._on_fraction(done / len(self._items))
            yield item

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        # update, close, set_postfix …: a bar that nobody sees.
        return lambda *arguments, **options: None
