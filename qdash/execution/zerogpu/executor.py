"""Runs each job as a whole on a GPU that ZeroGPU lends for some seconds: in a fork of this process, with inline workers.

The scheduler knows one function, `_on_gpu`. A thread drives it, so that Stop works while a visitor waits for a GPU, and a job that does
not stop by itself is killed, which frees the GPU as well. Forks inherit the imported engine. Jobs for the CPU run in ordinary worker
processes: computing in this process would start threads of OpenMP, after which no fork of it could compute.
"""

import gc
import importlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

import psutil
import spaces

from qdash.catalog.schemes import families
from qdash.engine.modules import MODULES
from qdash.errors import QdashError
from qdash.execution import Executor, Item, Part, PartMoved, Rank, Result, Round, StopSignal
from qdash.execution.failures import cancelled, failure_of, only_qdash_errors
from qdash.execution.inline import InlineExecutor
from qdash.execution.process import ProcessExecutor
from qdash.execution.wire import Raised, Returned
from qdash.execution.work import Work
from qdash.execution.zerogpu.durations import Durations, Spent
from qdash.execution.zerogpu.refusals import ABORTED, JobFailed, explained, quota_of
from qdash.execution.zerogpu.stop_file import StopFile
from qdash.records import Emitted, ErrorRecord, Step, WorkerSpec
from qdash.records.types import device_type
from qdash.scratch import scratch_folder
from qdash.settings import settings

Job = Callable[[Executor, StopSignal | None], Generator[Any, None, Any]]

LEAST_S = 10
MARGIN = 1.25
POLL_S = 0.05
STOP_GRACE_S = 5.0
"""How long a job that was stopped may take to hand in what it has."""
CLOSE_GRACE_S = 1.0
"""How long an abandoned job may take to end by itself."""
SILENCE_S = 5.0
"""How long after the end of the job's process its last messages may arrive."""

ENGINE = (*MODULES, *(family.engine for family in families()))
"""What forks need and would spend GPU seconds on. A module that is missing is left to the worker, which reports it."""


@dataclass(frozen=True)
class Started:
    """First message of a job's process."""

    pid: int


def _duration_s(job: Job, stop: StopFile, seconds: int) -> int:
    return seconds


@spaces.GPU(duration=_duration_s)
def _on_gpu(job: Job, stop: StopFile, seconds: int) -> Iterator[Any]:
    """In a process that holds the GPU: yield `Started`, the items of `job`, and its end as `Returned` or `Raised`."""
    gc.freeze()  # what was inherited stays; a search for garbage would walk over it and copy its pages
    yield Started(os.getpid())
    executor = InlineExecutor()
    try:
        end: Returned | Raised = Returned((yield from job(executor, stop)))
    except Exception as error:
        end = Raised(ErrorRecord.of(failure_of(error, "A job on the GPU")))
    finally:
        executor.close()
    yield end


class ZeroGPUExecutor(Executor):
    """See `execution.Executor`. Warm workers last for one job: the GPU is gone afterwards."""

    def __init__(self) -> None:
        for module in ENGINE:
            with suppress(ImportError, QdashError):
                importlib.import_module(module)
        self._durations = Durations()
        self._processes: ProcessExecutor | None = None
        self._creating = Lock()
        self._running: set[_Running] = set()

    def call(
        self,
        spec: WorkerSpec,
        method: str,
        *arguments: Any,
        reserve_bytes: int = 0,
        stop: StopSignal | None = None,
        rank: Rank | None = None,
        gives_way: bool = False,
    ) -> Generator[Emitted, None, Any]:
        """A job of a single call, for which the scheduler decides whose turn it is: it gives way to nobody; see `execution.Executor`."""
        return (yield from self.run(_Call(spec, method, arguments, reserve_bytes), Work(spec.device), stop))

    def round(
        self, parts: Sequence[Part], stop: StopSignal | None = None, rank: Rank | None = None, *, together: bool = True
    ) -> Generator[PartMoved | Step, None, Round]:
        """A job of a single round; see `execution.Executor`."""
        return (yield from self.run(_Round(tuple(parts), together), Work(parts[0].spec.device), stop))

    def run(
        self, job: Callable[[Executor, StopSignal | None], Generator[Item, None, Result]], work: Work, stop: StopSignal | None = None
    ) -> Generator[Item, None, Result]:
        """Run `job` on a lent GPU, or in worker processes if its device is the CPU; see `execution.Executor`.

        The GPU is asked for as long as `work` is expected to take, and if a visitor's quota is smaller, for what is left, if that may do.
        """
        with only_qdash_errors("A job"):
            return (yield from self._run(job, work, stop))

    def held_bytes(self, device: str) -> int:
        """What the worker processes of the CPU have reserved; a GPU is empty between jobs."""
        return self._processes.held_bytes(device) if self._processes is not None else 0

    def end(self, spec: WorkerSpec) -> None:
        """End the worker process of `spec` on the CPU; a GPU has none between jobs."""
        if self._processes is not None:
            self._processes.end(spec)

    def close(self) -> None:
        """End the jobs that run and the worker processes of the CPU."""
        for running in list(self._running):
            running.end()
        if self._processes is not None:
            self._processes.close()

    def _run(self, job: Job, work: Work, stop: StopSignal | None) -> Generator[Any, None, Any]:
        if device_type(work.device) == "cpu":
            return (yield from self._on_cpu().run(job, work, stop))
        most_s, needed_s = settings().gpu_seconds, self._durations.estimate_s(work)
        asked_s = max(LEAST_S, min(most_s, ceil(needed_s * MARGIN)))
        try:
            return (yield from self._lent(job, work, stop, asked_s))
        except JobFailed as failure:
            quota = quota_of(failure, asked_s)
            if quota is None:
                raise explained(failure, asked_s, most_s) from None
            if quota.left_s < min(needed_s, most_s):
                raise quota.error(needed_s) from None
        try:
            return (yield from self._lent(job, work, stop, quota.left_s))
        except JobFailed as failure:
            raise explained(failure, quota.left_s, most_s) from None

    def _lent(self, job: Job, work: Work, stop: StopSignal | None, seconds: int) -> Generator[Any, None, Any]:
        """Run `job` once with a GPU for `seconds`; raises JobFailed, or QdashError if the job raised it."""
        running = _Running(job, seconds)
        self._running.add(running)
        spent = Spent(len(work.variants))
        try:
            for message in running.messages(stop):
                if isinstance(message, Started):
                    spent = Spent(len(work.variants))
                elif isinstance(message, Raised):
                    raise message.error.raised()
                elif isinstance(message, Returned):
                    if stop is None or not stop.is_set():
                        self._durations.remember(work, spent, cut_off=False)
                    return message.result
                else:
                    spent.count(message)
                    yield message
        except JobFailed as failure:
            if failure.overran(seconds):
                spent.lap()
                self._durations.remember(work, spent, cut_off=True)
            raise
        finally:
            self._running.discard(running)
            running.end()
        raise AssertionError("the messages of a job end with Returned, Raised or an exception")

    def _on_cpu(self) -> ProcessExecutor:
        with self._creating:
            if self._processes is None:
                self._processes = ProcessExecutor()
            return self._processes


@dataclass(frozen=True)
class _Call:
    """A job of one call."""

    spec: WorkerSpec
    method: str
    arguments: tuple[Any, ...]
    reserve_bytes: int

    def __call__(self, executor: Executor, stop: StopSignal | None) -> Generator[Emitted, None, Any]:
        return executor.call(self.spec, self.method, *self.arguments, reserve_bytes=self.reserve_bytes, stop=stop)


@dataclass(frozen=True)
class _Round:
    """A job of one round."""

    parts: tuple[Part, ...]
    together: bool

    def __call__(self, executor: Executor, stop: StopSignal | None) -> Generator[PartMoved | Step, None, Round]:
        return executor.round(self.parts, stop, together=self.together)


class _Running:
    """One job: a thread that waits for the GPU and for the job's messages, and the means to end it."""

    def __init__(self, job: Job, seconds: int) -> None:
        self._folder = str(scratch_folder(Path(tempfile.gettempdir()), "job"))
        self._stop = StopFile(str(Path(self._folder) / "stop"))
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._pid: int | None = None
        self._began = self._last_alive = 0.0
        self._ended = False
        # The scheduler finds the visitor's sign-in in the context of the page's event.
        self._thread = Thread(target=copy_context().run, args=(self._drive, job, seconds), daemon=True)
        self._thread.start()

    def messages(self, stop: StopSignal | None) -> Iterator[Any]:
        """What the job's process sends until it has sent its end.

        Raises JobFailed where it never began or broke off, and QdashError("cancelled") where it had to be killed after `stop` was set.
        """
        give_up = float("inf")
        while True:
            if give_up == float("inf") and stop is not None and stop.is_set():
                self._stop.set()
                # There is nothing to wait for without a GPU: if one is given to the job still, the job finds itself stopped.
                give_up = time.monotonic() + STOP_GRACE_S if self._pid is not None else 0.0
            if time.monotonic() > give_up:
                raise cancelled()
            try:
                message = self._messages.get(timeout=POLL_S)
            except Empty:
                self._check_process()
                continue
            if isinstance(message, BaseException):
                raise JobFailed(message, time.monotonic() - self._began if self._pid is not None else None)
            if isinstance(message, Started):
                self._pid, self._began = message.pid, time.monotonic()
            self._ended = isinstance(message, Returned | Raised)
            yield message
            if self._ended:
                return

    def end(self) -> None:
        """Make sure that the job does not use the GPU any longer, and let `spaces` tell the scheduler so: takes a moment at most."""
        self._stop.set()
        if self._pid is None:
            return
        self._thread.join(CLOSE_GRACE_S)
        if self._thread.is_alive() and not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._thread.join(CLOSE_GRACE_S)

    def _drive(self, job: Job, seconds: int) -> None:
        try:
            for message in _on_gpu(job, self._stop, seconds):
                self._messages.put(message)
        except BaseException as error:
            self._messages.put(error)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check_process(self) -> None:
        """Notice a process that is gone although nobody says so, as happens where the scheduler cannot be told."""
        if self._pid is None or psutil.pid_exists(self._pid):
            self._last_alive = time.monotonic()
        elif time.monotonic() - self._last_alive > SILENCE_S:
            raise JobFailed(RuntimeError(ABORTED), self._last_alive - self._began)
