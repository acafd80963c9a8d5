"""Which of torch's many errors mean that memory ran out, and what a person can do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from qdash.errors import QdashError

# torch raises a plain RuntimeError where a CPU allocation fails.
CPU_ALLOCATION = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that device or host memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in CPU_ALLOCATION)


@contextmanager
def memory_errors(doing: str, device: str) -> Iterator[None]:
    """Turn running out of memory while `doing` something ("loading the model") into QdashError("out_of_memory")."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        where = "The GPU's memory" if device == "cuda" else "Memory"
        less = "Close other programs, or choose a smaller model, a scheme with fewer bits, or a shorter prompt."
        raise QdashError(f"{where} ran out while {doing}.", less, "out_of_memory") from error


def cancelled() -> QdashError:
    """What is raised when a person pressed Stop."""
    return QdashError("Stopped.", "Press Compare to run it again.", "cancelled")
