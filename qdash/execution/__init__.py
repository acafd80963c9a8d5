"""Where models run: in processes of their own, in this process, or on a GPU that ZeroGPU lends for some seconds.

The rest of qdash sees one small interface, `Executor`, gets one from `create`, and calls workers through `client.WorkerClient`. A call
yields what the worker emits and returns its result. Setting `stop`, or closing the generator, cancels it: between two tokens if the
worker answers, by ending the worker if it does not.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol, TypeVar

from qdash.errors import QdashError
from qdash.execution.failures import only_qdash_errors
from qdash.execution.wire import Call
from qdash.execution.work import Work
from qdash.records import Emitted, Step, TimedRun, WorkerSpec
from qdash.settings import Settings
from qdash.zerogpu import active as on_zerogpu  # not the module: `execution.zerogpu` has the same name

Item = TypeVar("Item")
Result = TypeVar("Result")


class StopSignal(Protocol):
    """The signal to stop running work: a `threading.Event`, or its stand-in in another process."""

    def is_set(self) -> bool:
        """Whether to stop; asked once per token."""
        ...


@dataclass(frozen=True, order=True)
class Rank:
    """A priority for the device; less is better: answers before timings, then in order of arrival.

    `arrived`: seconds of the monotonic clock.
    """

    timing: bool = False
    arrived: float = field(default_factory=time.monotonic)

    def for_timing(self) -> "Rank":
        """The same arrival, behind all that wait for an answer."""
        return replace(self, timing=True)


@dataclass(frozen=True)
class Part:
    """One worker's part in a round. `run` is what is measured; `ready` makes the worker ready for it, and does nothing if it is.

    `load` loads it first where it is not warm. `loading_bytes` is the memory that loading takes, `held_bytes` what it takes after. See
    `client.timed_part`.
    """

    spec: WorkerSpec
    load: Call
    ready: Call
    run: Call
    loading_bytes: int
    held_bytes: int


@dataclass(frozen=True)
class PartMoved:
    """Part number `place` of a round moved on: it begins (`done` 0), or is over (1)."""

    place: int
    done: int


@dataclass(frozen=True)
class Round:
    """What came of a round: what each part returned, or why it failed, and the share of the device's time that other programs took."""

    results: tuple[TimedRun | QdashError, ...]
    busy: float | None


class Executor(Protocol):
    """Runs methods of `engine.worker.Worker` by name, one worker per spec, kept warm between calls; `WorkerClient` has the names.

    Nothing here raises anything but QdashError: a bug becomes one of the kind "internal", and its traceback goes to the log.
    """

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
        """Run `method` on the worker of `spec`, starting it if need be, when it is the turn of `rank` (None: an answer, from now).

        `gives_way`: the method can pause, and is asked to as soon as somebody waits who goes before `rank`; what it returns says so.

        `reserve_bytes` is the memory the worker needs from now on; 0: as before. Before a worker gets its first, least recently used ones
        are closed until it fits the memory budget; if memory runs out all the same, the others are closed and the call is repeated once.
        Raises QdashError: what the worker raised, "worker_died", "cancelled", "out_of_memory" for a variant larger than the budget,
        "internal" for a bug.
        """
        ...

    def round(
        self, parts: Sequence[Part], stop: StopSignal | None = None, rank: Rank | None = None, *, together: bool = True
    ) -> Generator[PartMoved | Step, None, Round]:
        """Run `parts` one after another in a single turn, which nothing interrupts.

        All workers are made ready before the first part is run, or, where they are not to be held `together`, each before its own. A part
        that fails has its QdashError for a result; raises QdashError("cancelled") where `stop` ends the round.
        """
        ...

    def run(
        self, job: "Callable[[Executor, StopSignal | None], Generator[Item, None, Result]]", work: Work, stop: StopSignal | None = None
    ) -> Generator[Item, None, Result]:
        """Run a job of many calls: yield what it yields, return what it returns.

        A job gets the executor to call and the signal to obey. Where a GPU is lent for each job, `job`, its items and its result are
        pickled, and `work` decides how long the GPU is asked for. Raises QdashError if the job could not start or was cut off.
        """
        with only_qdash_errors("A job"):
            return (yield from job(self, stop))

    def held_bytes(self, device: str) -> int:
        """Memory that warm workers on `device` have reserved: they can be closed to make room."""
        return 0

    def end(self, spec: WorkerSpec) -> None:
        """End the worker of `spec`, if there is one: its files are about to go."""
        return

    def close(self) -> None:
        """End every worker."""
        ...


EXECUTORS = {"process": "process.ProcessExecutor", "inline": "inline.InlineExecutor"}
"""The executors that can be asked for: module in this folder, and class."""

_ON_ZEROGPU = "zerogpu.executor.ZeroGPUExecutor"


def create(settings: Settings) -> Executor:
    """The executor for this host, or the one that `settings.execution` names. Nothing else constructs executors.

    Raises QdashError for a name that is not in the table.
    """
    module, _, name = _chosen(settings.execution).rpartition(".")
    # Imported here: each brings what only its own host has or needs.
    executor: Executor = getattr(import_module(f"qdash.execution.{module}"), name)()
    return executor


def _chosen(name: str) -> str:
    if name == "auto":
        return _ON_ZEROGPU if on_zerogpu() else EXECUTORS["process"]
    if name not in EXECUTORS:
        raise QdashError(f"QDASH_EXECUTION is “{name}”. It should be one of {', '.join(('auto', *EXECUTORS))}.", "Correct or unset it.")
    return EXECUTORS[name]
