"""One worker, one process, one model: a crash, a hang or an out-of-memory kill costs that variant alone.

Workers start from a forkserver that has torch and transformers loaded already, so starting one takes milliseconds and its memory
readings start from a clean slate. When they are closed is decided in `pool`.
"""

import atexit
import importlib
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextlib import suppress
from multiprocessing import connection as ipc
from pathlib import Path
from threading import Event, Thread
from typing import Any

from qdash.errors import QdashError
from qdash.execution import StopSignal
from qdash.execution.failures import KILLED, cancelled
from qdash.execution.pool import Pausing, PooledExecutor
from qdash.execution.wire import Call, Cancel, Pause, Raised, Returned
from qdash.parent import end_with_parent
from qdash.records import Emitted, Step, WorkerSpec, device_type
from qdash.remedies import TELL, by_reader
from qdash.scratch import scratch_folder

POLL_S = 0.05
LONGEST_PATH = 50  # of the folder for temporary files: a socket's path has 107 characters at most, and a folder of ours takes 35
GRACE_S = 0.6  # how long a cancelled worker may take to reach the next token before it is ended


def _run_worker(connection: ipc.Connection, spec: WorkerSpec) -> None:
    end_with_parent()  # `child` listens to the parent too, but only once its imports are done
    # Imported in the child only: the parent must never load torch. First what makes a worker offline, where no forkserver has done it.
    preload = importlib.import_module("qdash.engine.preload")
    if spec.device == "cpu":
        # A worker on the CPU must not open the GPU: it would take memory there, and bitsandbytes would load its CUDA library alone.
        preload.hide_gpus()
    importlib.import_module("qdash.execution.child").serve(connection, spec)


class _Handle:
    """The parent's end of one worker process."""

    def __init__(self, context: Any, spec: WorkerSpec) -> None:
        self.connection, self._theirs = context.Pipe()
        self.process = context.Process(target=_run_worker, args=(self._theirs, spec), name=f"qdash {spec.scheme}", daemon=True)
        self.reserved_bytes = 0
        self._unwanted = Event()
        self._failure: Exception | None = None
        # Starting blocks until the forkserver has preloaded, which a person who presses Stop should not have to wait for.
        self._starter = Thread(target=self._start, daemon=True)
        self._starter.start()

    def _start(self) -> None:
        try:
            self.process.start()
        except Exception as error:  # of any type: the forkserver may have died in its imports, the system may refuse a process
            self._failure = error
        self._theirs.close()
        if self._unwanted.is_set():
            self._kill()

    def call(self, call: Call, stop: StopSignal | None, pause: Pausing) -> Iterator[Emitted | Returned | Raised]:
        """Yield what the worker sends until the call is over; ends a worker that ignores `stop`."""
        if self._starter.is_alive():
            yield Step(detail="starting a worker")
        while self._starter.is_alive():
            if stop is not None and stop.is_set():
                raise cancelled()
            self._starter.join(POLL_S)
        if self._failure is not None:
            raise _not_started(self._failure)
        self._send(call)
        deadline: float | None = None
        while True:
            if deadline is None and stop is not None and stop.is_set():
                self._send(Cancel())
                deadline = time.monotonic() + GRACE_S
            if deadline is not None and time.monotonic() > deadline:
                raise cancelled()
            if pause is not None and pause():
                self._send(Pause())
                pause = None
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

    def _send(self, message: Call | Cancel | Pause) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise _died(self.process) from None

    def end(self) -> None:
        """Kill the process: a worker holds nothing worth saving, and politeness would have to wait for it."""
        self._unwanted.set()
        if not self._starter.is_alive():
            self._kill()
        self.connection.close()

    def _kill(self) -> None:
        if self._failure is None:
            self.process.kill()
            self.process.join(timeout=5)

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is about to."""
        return self._starter.is_alive() or (self._failure is None and self.process.is_alive())


class ProcessExecutor(PooledExecutor):
    """Workers in processes of their own; see `execution.Executor`."""

    def __init__(self) -> None:
        super().__init__()
        self._spawning = multiprocessing.get_context("spawn")
        self._forking = None
        if sys.platform == "linux":  # macOS has forks, but its libraries do not survive them
            self._forking = multiprocessing.get_context("forkserver")
            self._forking.set_forkserver_preload(["qdash.engine.preload"])
            _start_forkserver()
        self._handles: OrderedDict[WorkerSpec, _Handle] = OrderedDict()
        atexit.register(self.close)

    def workers(self) -> dict[WorkerSpec, int]:
        """Process ids of the live workers, least recently used first."""
        return {spec: handle.process.pid for spec, handle in list(self._handles.items()) if handle.process.is_alive()}

    def close(self) -> None:
        """End every worker."""
        for spec in list(self._handles):
            self._drop(spec)

    def _reserved(self) -> dict[WorkerSpec, int]:
        return {spec: handle.reserved_bytes for spec, handle in list(self._handles.items()) if handle.alive}

    def _attempt(
        self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: StopSignal | None, pause: Pausing
    ) -> Generator[Emitted, None, Any]:
        over = False
        try:
            handle = self._warm(spec)
            before, handle.reserved_bytes = handle.reserved_bytes, reserve_bytes or handle.reserved_bytes
            for message in handle.call(call, stop, pause):
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

    def _warm(self, spec: WorkerSpec) -> _Handle:
        handle = self._handles.get(spec)
        if handle is not None and not handle.alive:
            self._drop(spec)
            handle = None
        if handle is None:
            handle = self._handles[spec] = _Handle(self._context_for(spec), spec)
        self._handles.move_to_end(spec)
        return handle

    def _context_for(self, spec: WorkerSpec) -> Any:
        # Only CUDA is known to leave a forked process alone if nothing touched it before.
        forks = device_type(spec.device) in ("cpu", "cuda")
        return self._forking if forks and self._forking is not None else self._spawning

    def _drop(self, spec: WorkerSpec) -> None:
        handle = self._handles.pop(spec, None)
        if handle is not None:
            with suppress(OSError):
                handle.end()


def _start_forkserver() -> None:
    """Return at once; the preloading goes on in the server while the page comes up."""
    _own_sockets()
    # Ctrl-C in a terminal reaches the whole process group: what it means for workers is the parent's to say. The mask is inherited.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        importlib.import_module("multiprocessing.forkserver").ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _own_sockets() -> None:
    """Where `multiprocessing` puts the server's socket: a folder that the next qdash finds if this one is killed. It has no setting."""
    known = multiprocessing.current_process()._config  # type: ignore[attr-defined] - what a child inherits
    if known.get("tempdir") is not None:
        return
    try:
        temporary = Path(tempfile.gettempdir())
        if len(str(temporary)) > LONGEST_PATH:
            return  # `multiprocessing` has a shorter name for it
        folder = known["tempdir"] = str(scratch_folder(temporary, "workers"))
    except OSError as error:
        message = f"No folder for temporary files can be written ({error.strerror})."
        said = by_reader(owner="Free some space, or set TMPDIR to a folder that can be written.", visitor=TELL)
        raise QdashError(message, said, "unavailable") from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _not_started(cause: Exception) -> QdashError:
    check = "The terminal where qdash runs shows what failed. “qdash doctor” checks every package that workers need."
    said = by_reader(owner=check, visitor=f"Try again; if it happens every time: {TELL[0].lower()}{TELL[1:]}")
    return QdashError(f"The process of this variant could not be started ({type(cause).__name__}: {cause}).", said, "worker_died")


def _died(process: Any) -> QdashError:
    process.join(timeout=10)  # its end of the connection is closed; on a busy machine the rest takes a while
    code = process.exitcode
    if code == -9:
        return QdashError(KILLED, "Close other programs or choose fewer or smaller variants, then compare again.", "worker_died")
    reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    message = f"The process of this variant ended unexpectedly ({reason})."
    return QdashError(message, "Compare again; if it happens every time, this scheme does not work on this machine.", "worker_died")
