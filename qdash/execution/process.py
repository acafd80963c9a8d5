"""One worker, one process, one model: a crash, a hang or an out-of-memory kill costs that variant alone.

Workers start from a forkserver that has torch and transformers loaded already (spawn where fork is missing), so starting one takes
milliseconds and its memory readings start from a clean slate. They stay warm until the memory budget asks for their place. One lock
lets a single call run at a time: nothing may disturb a variant that is being timed.
"""

import atexit
import importlib
import multiprocessing
import signal
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextlib import suppress
from multiprocessing import connection as ipc
from threading import Event, Lock, Thread
from typing import Any

from qdash.errors import QdashError
from qdash.execution import Emitted
from qdash.execution.wire import Call, Cancel, Raised, Returned
from qdash.machine import this_machine
from qdash.records import Step, WorkerSpec
from qdash.settings import settings

POLL_S = 0.05
GRACE_S = 0.6  # how long a cancelled worker may take to reach the next token before it is ended


def _run_worker(connection: ipc.Connection, spec: WorkerSpec) -> None:
    # Imported in the child only: the parent must never load torch. First what makes a worker offline, where no forkserver has done it.
    importlib.import_module("qdash.engine.preload")
    importlib.import_module("qdash.execution.child").serve(connection, spec)


class _Handle:
    """The parent's end of one worker process."""

    def __init__(self, context: Any, spec: WorkerSpec) -> None:
        self.connection, self._theirs = context.Pipe()
        self.process = context.Process(target=_run_worker, args=(self._theirs, spec), name=f"qdash {spec.scheme}", daemon=True)
        self.reserved_bytes = 0
        self._unwanted = Event()
        # Starting blocks until the forkserver has preloaded, which a person who presses Stop should not have to wait for.
        self._starter = Thread(target=self._start, daemon=True)
        self._starter.start()

    def _start(self) -> None:
        self.process.start()
        self._theirs.close()
        if self._unwanted.is_set():
            self.process.kill()

    def call(self, method: str, arguments: tuple[Any, ...], stop: Event | None) -> Iterator[Emitted | Returned | Raised]:
        """Yield what the worker sends until the call is over; ends a worker that ignores `stop`."""
        if self._starter.is_alive():
            yield Step(detail="starting a worker")
        while self._starter.is_alive():
            if stop is not None and stop.is_set():
                raise _cancelled()
            self._starter.join(POLL_S)
        self._send(Call(method, arguments))
        deadline: float | None = None
        while True:
            if deadline is None and stop is not None and stop.is_set():
                self._send(Cancel())
                deadline = time.monotonic() + GRACE_S
            if deadline is not None and time.monotonic() > deadline:
                raise _cancelled()
            if self.connection in ipc.wait([self.connection, self.process.sentinel], timeout=POLL_S):
                try:
                    message = self.connection.recv()
                except (EOFError, OSError):
                    raise _died(self.process) from None
                yield message
                if isinstance(message, Returned | Raised):
                    return
            elif not self.process.is_alive():
                raise _died(self.process)

    def _send(self, message: Call | Cancel) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise _died(self.process) from None

    def end(self) -> None:
        """Kill the process: a worker holds nothing worth saving, and politeness would have to wait for it."""
        self._unwanted.set()
        if not self._starter.is_alive():
            self.process.kill()
            self.process.join(timeout=5)
        self.connection.close()

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is about to."""
        return self._starter.is_alive() or self.process.is_alive()


class ProcessExecutor:
    """Workers in processes of their own; see `execution.Executor`."""

    def __init__(self) -> None:
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self._context.set_forkserver_preload(["qdash.engine.preload"])
            _start_forkserver()
        self._handles: OrderedDict[WorkerSpec, _Handle] = OrderedDict()
        self._turn = Lock()
        atexit.register(self.close)

    def call(
        self, spec: WorkerSpec, method: str, *arguments: Any, reserve_bytes: int = 0, stop: Event | None = None
    ) -> Generator[Emitted, None, Any]:
        """Run `method` on the worker of `spec`; see `execution.Executor`."""
        yield from self._wait_for_turn(stop)
        over = False
        try:
            if not self._holds(spec):
                self._make_room(spec, reserve_bytes)
            handle = self._warm(spec)
            before, handle.reserved_bytes = handle.reserved_bytes, reserve_bytes or handle.reserved_bytes
            for message in handle.call(method, arguments, stop):
                if isinstance(message, Returned):
                    over = True
                    return message.result
                if isinstance(message, Raised):
                    over = True
                    handle.reserved_bytes = before
                    raise message.error.raised()
                yield message
        finally:
            # Died, ignored a cancel, or the caller closed this generator: its state is unknown, so it goes.
            if not over:
                self._drop(spec)
            self._turn.release()

    def workers(self) -> dict[WorkerSpec, int]:
        """Process ids of the live workers, least recently used first."""
        return {spec: handle.process.pid for spec, handle in self._handles.items() if handle.process.is_alive()}

    def close(self) -> None:
        """End every worker."""
        for spec in list(self._handles):
            self._drop(spec)

    def _wait_for_turn(self, stop: Event | None) -> Iterator[Step]:
        if self._turn.acquire(timeout=POLL_S):
            return
        yield Step(detail="waiting for another measurement to finish")
        while not self._turn.acquire(timeout=POLL_S):
            if stop is not None and stop.is_set():
                raise _cancelled()

    def _holds(self, spec: WorkerSpec) -> bool:
        """Whether the worker of `spec` has its model already, so that it will not grow."""
        handle = self._handles.get(spec)
        return handle is not None and handle.alive and handle.reserved_bytes > 0

    def _make_room(self, spec: WorkerSpec, needed_bytes: int) -> None:
        """Close least recently used workers until the variant fits the budget; refuse one that never will."""
        budget = _budget_bytes(spec.device)
        if needed_bytes > budget:
            raise _too_large(needed_bytes, budget)
        others = {other: handle for other, handle in self._handles.items() if other != spec and other.device == spec.device}
        held = sum(handle.reserved_bytes for handle in others.values())
        for other, handle in others.items():
            if held + needed_bytes <= budget:
                break
            held -= handle.reserved_bytes
            self._drop(other)

    def _warm(self, spec: WorkerSpec) -> _Handle:
        handle = self._handles.get(spec)
        if handle is not None and not handle.alive:
            self._drop(spec)
            handle = None
        if handle is None:
            handle = self._handles[spec] = _Handle(self._context, spec)
        self._handles.move_to_end(spec)
        return handle

    def _drop(self, spec: WorkerSpec) -> None:
        handle = self._handles.pop(spec, None)
        if handle is not None:
            with suppress(OSError):
                handle.end()


def _start_forkserver() -> None:
    """Return at once; the preloading goes on in the server while the page comes up."""
    # Ctrl-C in a terminal reaches the whole process group: what it means for workers is the parent's to say. The mask is inherited.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        importlib.import_module("multiprocessing.forkserver").ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _budget_bytes(device: str) -> int:
    machine = this_machine()
    total = machine.device_memory_bytes if device == "cuda" else machine.memory_bytes
    return int((total or machine.memory_bytes) * settings().memory_fraction)


def _too_large(needed_bytes: int, budget: int) -> QdashError:
    return QdashError(
        f"This variant needs about {needed_bytes / 2**30:.1f} GiB; {budget / 2**30:.1f} GiB may be used on this machine.",
        "Choose a scheme with fewer bits or a smaller model, or raise QDASH_MEMORY_FRACTION.",
        "out_of_memory",
    )


def _cancelled() -> QdashError:
    return QdashError("Stopped.", "Press Compare to run it again.", "cancelled")


def _died(process: Any) -> QdashError:
    process.join(timeout=2)
    code = process.exitcode
    if code == -9:
        message = "The process of this variant was killed by the system, most likely because memory ran out."
        return QdashError(message, "Close other programs or choose fewer or smaller variants, then compare again.", "worker_died")
    reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    message = f"The process of this variant ended unexpectedly ({reason})."
    return QdashError(message, "Compare again; if it happens every time, this scheme does not work on this machine.", "worker_died")
