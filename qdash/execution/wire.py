"""What goes over the pipe between a parent and its worker, besides what a worker emits meanwhile."""

from dataclasses import dataclass
from typing import Any

from qdash.records import ErrorRecord


@dataclass(frozen=True)
class Call:
    """Parent to worker: run a method of `Worker`; `gives_way`: one that can be asked to pause."""

    method: str
    arguments: tuple[Any, ...]
    gives_way: bool = False


@dataclass(frozen=True)
class Cancel:
    """Parent to worker: stop at the next token."""


@dataclass(frozen=True)
class Pause:
    """Parent to worker: return at the next batch with what there is, somebody waits for the device."""


@dataclass(frozen=True)
class Returned:
    """Worker to parent: the call is over; `result` is what it returned."""

    result: Any


@dataclass(frozen=True)
class Raised:
    """Worker to parent: the call is over; it failed."""

    error: ErrorRecord
