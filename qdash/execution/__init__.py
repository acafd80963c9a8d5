"""Where workers live. One small interface, so that a comparison never knows whether a worker is a process or an object beside it.

A call yields what the worker emits meanwhile and returns its result. Setting `stop`, or closing the generator, cancels it: between
two tokens if the worker answers, by ending the worker if it does not.
"""

from collections.abc import Generator
from threading import Event
from typing import Any, Protocol

from qdash.records import BatchAnswered, Step, TextSoFar, WeighedLayer, WorkerSpec

Emitted = Step | TextSoFar | WeighedLayer | BatchAnswered


class Executor(Protocol):
    """Runs methods of `engine.worker.Worker` by name, one worker per spec, kept warm between calls."""

    def call(
        self, spec: WorkerSpec, method: str, *arguments: Any, reserve_bytes: int = 0, stop: Event | None = None
    ) -> Generator[Emitted, None, Any]:
        """Run `method` on the worker of `spec`, starting it if need be.

        `reserve_bytes` is what the worker takes from now on; 0: as before. Before a worker gets its first, least recently used ones are
        closed until it fits the memory budget. Raises QdashError: whatever the worker raised, worker_died, cancelled, or out_of_memory for
        a variant larger than the budget.
        """
        ...

    def close(self) -> None:
        """End every worker."""
        ...
