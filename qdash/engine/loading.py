"""From a folder on disk to a model and its processor, through transformers' own `from_pretrained` and nothing beside it.

Only safetensors, only local files, never code from the checkpoint. What transformers forgives is an error here: it would fill weights
that are missing from a file with random numbers, and the answers would look like a bad quantization.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import meta_device_safe_creation_ops, no_init_weights
from transformers.utils import logging

from qdash.engine.failures import is_out_of_memory
from qdash.engine.generation_config import published
from qdash.engine.placing import check_places
from qdash.engine.prompting import Processor, tokenizer_of
from qdash.errors import CHOOSE_ANOTHER, INSTALL_AGAIN, QdashError
from qdash.records import Dtype, WorkerSpec
from qdash.remedies import by_reader

MODELS = {"image-text-to-text": AutoModelForImageTextToText, "text-generation": AutoModelForCausalLM}
PROCESSORS = {"image-text-to-text": AutoProcessor, "text-generation": AutoTokenizer}
_MODEL = "Download or copy it again; if it is new, check that transformers supports its architecture."
_TOKENIZER = "Save its tokenizer as tokenizer.json beside it: AutoTokenizer.from_pretrained(…).save_pretrained(…), where that loads."
_CHOICES = ("_attn_implementation_internal", "_experts_implementation_internal")
_BUILT_IN = ("eager", "sdpa", "batched_mm", "grouped_mm")
OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def load_skeleton(spec: WorkerSpec, dtype: Dtype | None = None) -> PreTrainedModel:
    """The model on the meta device: its modules and shapes, no weights. Takes no memory; raises QdashError("checkpoint").

    With `dtype`, its parameters and buffers have the types they would have if it were loaded in that (None: as the configuration says).
    """
    with _reading(spec), torch.device("meta"), meta_device_safe_creation_ops(), no_init_weights():
        config = _read_config(spec)[0]
        asked = {} if dtype is None else {"dtype": getattr(torch, dtype)}
        skeleton = MODELS[spec.task].from_config(config, trust_remote_code=False, **asked).eval()
    if skeleton.config.is_encoder_decoder or not skeleton.can_generate():
        how = "reads with one half and writes with the other" if skeleton.config.is_encoder_decoder else "does not generate text"
        message = (
            f"{type(skeleton).__name__}, the class of the model in {spec.folder}, {how}; qdash runs models that continue their prompt."
        )
        raise QdashError(message, "Choose a decoder-only model, such as one of type llama, qwen3, gemma3 or llava.", "checkpoint")
    return skeleton


def load_processor(spec: WorkerSpec) -> Processor:
    """What turns a question into the model's inputs: an image processor with tokenizer, or a tokenizer; raises QdashError("checkpoint")."""
    with _reading(spec, _TOKENIZER):
        processor: Processor = PROCESSORS[spec.task].from_pretrained(spec.folder, **OFFLINE)
        # Without its files transformers makes some tokenizers up from the config, with no vocabulary: every prompt would be empty.
        if not tokenizer_of(processor).encode("a", add_special_tokens=False):
            raise OSError("the tokenizer's files are missing, or its vocabulary has no letters")
        return processor


def load_model(
    spec: WorkerSpec,
    arguments: dict[str, Any],
    on_fraction: Callable[[float], None],
    on_note: Callable[[str], None] = lambda note: None,
) -> PreTrainedModel:
    """`from_pretrained(spec.folder, **arguments)` in evaluation mode, every weight found in the files.

    `on_fraction` gets the share of tensors loaded before each one, and may raise to cancel; `on_note` a sentence on whatever is not as
    it was published. Raises QdashError: "checkpoint" for missing,
    corrupt or mismatched files and for weights without a place in the model, "unavailable" for a package the model needs.
    """
    with _reading(spec), _progress(on_fraction):
        config, notes = _read_config(spec)
        own: dict[str, Any] = {"config": config} if notes else {}
        kept = published(Path(spec.folder))
        if kept is not None:
            own["generation_config"] = kept
        model, report = MODELS[spec.task].from_pretrained(
            spec.folder, **own, **arguments, **OFFLINE, use_safetensors=True, output_loading_info=True
        )
    if getattr(model, "_hf_peft_config_loaded", False):  # which transformers does by itself where peft is installed
        message = f"The adapter in {spec.folder} was applied to the model beside it, so the model no longer matches its files."
        raise QdashError(message, "Move adapter_config.json out of the folder, or merge the adapter into the model.", "checkpoint")
    for note in (*notes, *check_places(model, spec, report["missing_keys"], report["unexpected_keys"])):
        on_note(note)
    return model


class _Called(Exception):
    """A layer was about to be called."""


@torch.no_grad()
def begin(model: PreTrainedModel) -> bool:
    """Let `model` change its own weights as it does when it is first called, while it finds them as they were loaded; calls no layer.

    RWKV divides the weights of its later blocks. Layers that have been called, or that a transform has made, hold theirs otherwise.
    Returns whether there was anything to change, now or when it began before; a model on the meta device can be asked too.
    """
    before = [weight._version for weight in model.parameters()]

    def called(layer: nn.Module, inputs: object) -> None:
        raise _Called

    leaves = [layer for layer in model.modules() if next(layer.children(), None) is None]
    hooks = [layer.register_forward_pre_hook(called) for layer in leaves]
    try:
        # What else a model may lack for its first call, it says before or after.
        with suppress(Exception):
            model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    changed = getattr(model, _CHANGED, False) or before != [weight._version for weight in model.parameters()]
    setattr(model, _CHANGED, changed)
    return changed


_CHANGED = "qdash_changed_its_weights"


def _read_config(spec: WorkerSpec) -> tuple[PreTrainedConfig, tuple[str, ...]]:
    """The model's configuration, and a note if it asks for kernels of attention or experts that may have to be fetched as code."""
    config = AutoConfig.from_pretrained(spec.folder, **OFFLINE)
    asked = {str(name) for part in _parts(config) for field in _CHOICES if (name := getattr(part, field, None)) not in (None, *_BUILT_IN)}
    if not asked:
        return config, ()
    for part in _parts(config):
        for field in _CHOICES:
            setattr(part, field, None)
    return config, (f"Its config.json asks for {', '.join(sorted(asked))}; what is built in is used instead.",)


def _parts(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    yield config
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if isinstance(part, PreTrainedConfig):
            yield from _parts(part)


@contextmanager
def _reading(spec: WorkerSpec, remedy: str = _MODEL) -> Iterator[None]:
    """Whatever transformers raises over a checkpoint's files is the checkpoint's fault, but for memory and missing packages."""
    try:
        yield
    except QdashError:
        raise
    except ImportError as error:
        message = f"The model in {spec.folder} needs a package that is not installed: {gist(error)}"
        raise QdashError(message, _installing(error), "unavailable") from error
    except Exception as error:  # of any type: a broken config.json fails wherever the model first trips over it
        if is_out_of_memory(error):
            raise
        message = f"The checkpoint in {spec.folder} cannot be loaded: {gist(error)}"
        raise QdashError(message, remedy, "checkpoint") from error


def _installing(error: ImportError) -> str:
    """How to get what is missing, where the error names it."""
    named = re.search(r"pip install ['\"`]?([\w.\[\]=<>-]+)|requires the (\w+) library|No module named '(\w+)", str(error))
    package = next(filter(None, named.groups()), None) if named else None
    return by_reader(owner=f"Install it: pip install {package}" if package else INSTALL_AGAIN, visitor=CHOOSE_ANOTHER)


def gist(error: Exception) -> str:
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
