"""Workers in this very process: where processes are not to be had, as on Spaces with ZeroGPU, and in tests.

The worker runs in a thread and what it emits passes through a queue. There is no crash protection, and a worker that does not reach
its next token cannot be ended; everything else is as with processes.
"""

import importlib
from collections.abc import Generator
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from qdash.execution import Emitted
from qdash.records import WorkerSpec


class InlineExecutor:
    """See `execution.Executor`."""

    def __init__(self) -> None:
        # Not imported at the top: whoever merely mentions this class must not load torch.
        self._worker_class = importlib.import_module("qdash.engine.worker").Worker
        self._workers: dict[WorkerSpec, Any] = {}
        self._turn = Lock()

    def call(
        self, spec: WorkerSpec, method: str, *arguments: Any, reserve_bytes: int = 0, stop: Event | None = None
    ) -> Generator[Emitted, None, Any]:
        """Run `method` on the worker of `spec`; see `execution.Executor`."""
        closed = Event()
        queue: SimpleQueue[tuple[str, Any]] = SimpleQueue()

        def stopped() -> bool:
            return closed.is_set() or (stop is not None and stop.is_set())

        def run() -> None:
            try:
                if spec not in self._workers:
                    self._workers[spec] = self._worker_class(spec)
                bound = getattr(self._workers[spec], method)
                queue.put(("returned", bound(*arguments, emit=lambda item: queue.put(("emitted", item)), stop=stopped)))
            except BaseException as error:
                queue.put(("raised", error))

        with self._turn:
            if reserve_bytes:  # about to load: without processes there is room for one model at a time
                self._workers = {other: worker for other, worker in self._workers.items() if other == spec}
            thread = Thread(target=run, daemon=True)
            thread.start()
            try:
                while (message := queue.get())[0] == "emitted":
                    yield message[1]
            finally:
                closed.set()
                thread.join()
        if message[0] == "raised":
            raise message[1]
        return message[1]

    def close(self) -> None:
        """Forget every worker."""
        self._workers.clear()
