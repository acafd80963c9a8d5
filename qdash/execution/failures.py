"""The errors that executors themselves raise, and how they report an unexpected exception."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from qdash.errors import QdashError
from qdash.remedies import TELL, by_reader

KILLED = "The process of this variant was killed by the system, most likely because memory ran out."


def failure_of(error: BaseException, doing: str) -> QdashError:
    """`error` if a person can act on it. Anything else is a bug: its traceback goes to the log, its first line into the error.

    `doing` names the work for the log, as in "load of bnb-nf4".
    """
    if isinstance(error, QdashError):
        return error
    logging.getLogger("qdash").error("%s failed", doing, exc_info=error)
    first_line = next(iter(str(error).splitlines()), "no message")[:300]
    more = by_reader(owner="The terminal where qdash runs shows the details.", visitor=TELL)
    return QdashError(f"{type(error).__name__}: {first_line}", f"This is not expected. {more}", "internal")


@contextmanager
def only_qdash_errors(doing: str) -> Iterator[None]:
    """Let QdashError through, and turn any other exception into one; see `failure_of`."""
    try:
        yield
    except QdashError:
        raise
    except Exception as error:
        raise failure_of(error, doing) from error


def cancelled() -> QdashError:
    """A person pressed Stop."""
    return QdashError("Stopped.", "Start it again when you like.", "cancelled")


def too_large(needed_bytes: int, budget_bytes: int, device: str) -> QdashError:
    """A variant needs more memory than all workers on `device` together may use."""
    where, variable = ("on this machine", "QDASH_MEMORY_FRACTION") if device == "cpu" else (f"on {device}", "QDASH_GPU_MEMORY_FRACTION")
    smaller = "Choose a scheme with fewer bits or a smaller model"
    return QdashError(
        f"This variant needs about {needed_bytes / 2**30:.1f} GiB; {max(budget_bytes, 0) / 2**30:.1f} GiB may be used {where}.",
        by_reader(owner=f"{smaller}, close other programs, or raise {variable}.", visitor=f"{smaller}."),
        "out_of_memory",
    )
