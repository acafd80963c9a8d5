"""Workers in the current process: inside a GPU process of ZeroGPU, for hosts that forbid child processes, and in tests.

Each call runs in a thread, and what the worker emits passes through a queue. A crash ends everything, and a worker that does not reach its
next token cannot be ended. Memory budget, warm reuse, Stop and errors are those of worker processes.
"""

import importlib
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from qdash.execution import StopSignal
from qdash.execution.failures import failure_of
from qdash.execution.pool import Pausing, PooledExecutor
from qdash.execution.wire import Call, Raised, Returned
from qdash.records import Emitted, ErrorRecord, WorkerSpec


@dataclass
class _Warm:
    worker: Any
    reserved_bytes: int = 0


class InlineExecutor(PooledExecutor):
    """Workers as objects; see `execution.Executor`."""

    def __init__(self) -> None:
        super().__init__()
        # Not imported at the top: importing this module must not load torch.
        self._worker_class = importlib.import_module("qdash.engine.worker").Worker
        self._warm: OrderedDict[WorkerSpec, _Warm] = OrderedDict()

    def workers(self) -> tuple[WorkerSpec, ...]:
        """The warm workers, least recently used first."""
        return tuple(self._warm)

    def close(self) -> None:
        """Drop every worker."""
        for spec in list(self._warm):
            self._drop(spec)

    def _reserved(self) -> dict[WorkerSpec, int]:
        return {spec: warm.reserved_bytes for spec, warm in list(self._warm.items())}

    def _attempt(
        self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: StopSignal | None, pause: Pausing
    ) -> Generator[Emitted, None, Any]:
        before, returned = self._reserved().get(spec, 0), False
        try:
            result = yield from self._in_thread(spec, call, stop, pause)
            returned = True
            return result
        finally:
            if spec in self._warm:
                self._warm[spec].reserved_bytes = (reserve_bytes or before) if returned else before

    def _drop(self, spec: WorkerSpec) -> None:
        warm = self._warm.pop(spec, None)
        if warm is not None:
            warm.worker.release()

    def _in_thread(self, spec: WorkerSpec, call: Call, stop: StopSignal | None, pause: Pausing) -> Generator[Emitted, None, Any]:
        closed = Event()
        queue: SimpleQueue[Emitted | Returned | Raised] = SimpleQueue()

        def stopped() -> bool:
            return closed.is_set() or (stop is not None and stop.is_set())

        signals: dict[str, Any] = {"emit": queue.put, "stop": stopped} | ({} if pause is None else {"pause": pause})

        def work() -> None:
            queue.put(self._outcome(spec, call, signals))

        thread = Thread(target=work, daemon=True)
        thread.start()
        try:
            while not isinstance(message := queue.get(), Returned | Raised):
                yield message
        finally:
            closed.set()
            thread.join()
        if isinstance(message, Raised):
            raise message.error.raised()
        return message.result

    def _outcome(self, spec: WorkerSpec, call: Call, signals: dict[str, Any]) -> Returned | Raised:
        try:
            if spec not in self._warm:
                self._warm[spec] = _Warm(self._worker_class(spec))
            self._warm.move_to_end(spec)
            return Returned(getattr(self._warm[spec].worker, call.method)(*call.arguments, **signals))
        except BaseException as error:  # a library in Rust that panics raises no Exception
            return Raised(ErrorRecord.of(failure_of(error, f"{call.method} of {spec.scheme}")))
