"""Which of torch's many errors mean that memory ran out, and what a person can do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import torch

from qdash.catalog.schemes import packages
from qdash.errors import QdashError

# torch raises a plain RuntimeError where an allocation fails on a CPU or in Metal, or in a GPU's library that allocates by itself.
CPU_ALLOCATION = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
GPU_ALLOCATION = (
    "MPS backend out of memory",
    "Invalid buffer size",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "OUT_OF_DEVICE_MEMORY",
)


_MODELS = ("transformers", "tokenizers", "jinja2", "timm", "PIL")
_PUBLISHED = ("compressed_tensors", "gptqmodel", "optimum")
"""What transformers loads checkpoints with that were published quantized."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that device or host memory ran out."""
    return _of_gpu(error) or _of_host(error)


def _of_gpu(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _says(error, GPU_ALLOCATION)


def _of_host(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or _says(error, CPU_ALLOCATION)


def _says(error: BaseException, signs: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


@contextmanager
def memory_errors(doing: str) -> Iterator[None]:
    """Turn running out of memory while `doing` something ("loading the model") into QdashError("out_of_memory")."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        where = "The GPU's memory" if _of_gpu(error) else "Memory"
        less = "Close other programs, or choose a smaller model, a scheme with fewer bits, or a shorter prompt."
        raise QdashError(f"{where} ran out while {doing}.", less, "out_of_memory") from error


@contextmanager
def model_errors(doing: str) -> Iterator[None]:
    """Turn what other libraries raise over a model while `doing` something into QdashError; a fault in qdash's own code stays what it is.

    Who raised is told by the innermost frame that is neither torch's nor Python's: "checkpoint" for the model's own code and its
    tokenizer, "unavailable" for the libraries of schemes.
    """
    try:
        yield
    except QdashError:
        raise
    except Exception as error:
        library = _raised_in(error)
        if library is None or is_out_of_memory(error):
            raise
        message = f"{library} failed while {doing}: {_said(error)}."
        if library in _scheme_modules():
            raise QdashError(message, "This scheme cannot run this model: choose another one.", "unavailable") from error
        remedy = "Most likely its files do not match, or this version of transformers does not run it: choose another model."
        raise QdashError(message, remedy, "checkpoint") from error


def _said(error: Exception) -> str:
    """“ValueError: its first line”."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300].rstrip(".")
    return f"{type(error).__name__}{': ' if said else ''}{said}"


def layer_failure(error: Exception) -> str:
    """What one layer failed with; raises `error` again where it is not the layer's: memory ran out, a stop, a lost GPU.

    After an error on the GPU itself, such as a read out of bounds, every later call of the process fails as well.
    """
    own = error.kind in ("cancelled", "out_of_memory") if isinstance(error, QdashError) else is_out_of_memory(error)
    if own or "CUDA error" in str(error):
        raise error
    return error.message if isinstance(error, QdashError) else _said(error)


def _raised_in(error: BaseException) -> str | None:
    """The library whose code raised `error`; None for qdash's own."""
    modules = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    libraries = (*_MODELS, *_scheme_modules())
    return next((name if name in libraries else None for name in reversed(modules) if name in ("qdash", *libraries)), None)


def _scheme_modules() -> tuple[str, ...]:
    """The modules of the packages that schemes need."""
    return (*(name.replace("-", "_") for name in packages()), *_PUBLISHED)


def cancelled() -> QdashError:
    """What is raised when a person pressed Stop."""
    return QdashError("Stopped.", "Start it again when you like.", "cancelled")
