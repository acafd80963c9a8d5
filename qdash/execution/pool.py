"""The policy for warm workers, wherever they live: one call at a time, a memory budget, a second try when memory runs out.

Nothing may disturb a variant that is being timed, so calls take turns, and a round of timings is one turn. Workers stay warm until the
memory budget asks for their place. Estimates can be wrong: when memory runs out all the same, the other workers are closed and the call is
repeated once.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from qdash.busyness import OthersLoad
from qdash.errors import QdashError
from qdash.execution import Executor, Part, PartMoved, Rank, Round, StopSignal
from qdash.execution.budget import MemoryBudget
from qdash.execution.failures import KILLED, cancelled, only_qdash_errors, too_large
from qdash.execution.forward import forward_events, result_of
from qdash.execution.turn import Turn
from qdash.execution.wire import Call
from qdash.machine import memory_budget_bytes
from qdash.records import Emitted, Step, TextSoFar, WorkerSpec

Pausing = Callable[[], bool] | None
"""Whether a call should pause now; None for a method that cannot."""


class PooledExecutor(Executor):
    """See `execution.Executor`. Subclasses start, call and end workers."""

    def __init__(self) -> None:
        self._turn = Turn()

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
        """Run `method` on the worker of `spec`; see `execution.Executor`."""
        rank = rank or Rank()
        yield from self._turn.wait(rank, stop)
        try:
            pause = partial(self._turn.wanted_before, rank) if gives_way else None
            return (yield from self._called(spec, Call(method, arguments, gives_way), reserve_bytes, stop, pause))
        finally:
            self._turn.release()

    def round(
        self, parts: Sequence[Part], stop: StopSignal | None = None, rank: Rank | None = None, *, together: bool = True
    ) -> Generator[PartMoved | Step, None, Round]:
        """Run `parts` one after another in a single turn; see `execution.Executor`."""
        yield from self._turn.wait(rank or Rank(), stop)
        try:
            with only_qdash_errors("A round of timings"):
                return (yield from self._timed(parts, stop, together))
        finally:
            self._turn.release()

    def _timed(self, parts: Sequence[Part], stop: StopSignal | None, together: bool) -> Generator[PartMoved, None, Round]:
        """One round within the turn."""
        made_ready = [self._tried(part, part.ready, stop) if together else None for part in parts]
        load = OthersLoad(parts[0].spec.device)
        results = []
        for place, (part, outcome) in enumerate(zip(parts, made_ready, strict=True)):
            yield PartMoved(place, 0)
            # Its memory may have been needed by another since.
            if not isinstance(outcome, QdashError) and not (together and part.spec in self._reserved()):
                outcome = self._tried(part, part.ready, stop)
            results.append(outcome if isinstance(outcome, QdashError) else self._tried(part, part.run, stop))
            yield PartMoved(place, 1)
        return Round(tuple(results), load.share())

    def _tried(self, part: Part, work: Call, stop: StopSignal | None) -> Any:
        """What `work` of a part returns, its worker loaded if need be, or the error that it ends with; raises "cancelled"."""
        try:
            if not self._reserved().get(part.spec):
                result_of(self._called(part.spec, part.load, part.loading_bytes, stop))
            return result_of(self._called(part.spec, work, part.held_bytes, stop))
        except QdashError as error:
            if error.kind == "cancelled":
                raise
            return error

    def _called(
        self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: StopSignal | None, pause: Pausing = None
    ) -> Generator[Emitted, None, Any]:
        """One call within the turn."""
        with only_qdash_errors(f"{call.method} of {spec.scheme}"):
            return (yield from self._repeated(spec, call, reserve_bytes, stop, pause))

    def _repeated(
        self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: StopSignal | None, pause: Pausing
    ) -> Generator[Emitted, None, Any]:
        """Call the worker; once more if memory runs out and there are others that can be closed."""
        if stop is not None and stop.is_set():
            raise cancelled()
        # A worker that has its model already does not grow.
        if not self._reserved().get(spec):
            self._make_room(spec, reserve_bytes)
        repeatable = True

        def noted(item: Emitted) -> Iterator[Emitted]:
            nonlocal repeatable
            # Results that come piece by piece must not come twice.
            repeatable = repeatable and isinstance(item, Step | TextSoFar)
            yield item

        try:
            return (yield from forward_events(self._attempt(spec, call, reserve_bytes, stop, pause), noted))
        except QdashError as error:
            if not (repeatable and _ran_out_of_memory(error) and self._close_others(spec)):
                raise
        yield Step(detail="memory ran out: trying again with all other workers closed")
        return (yield from self._attempt(spec, call, reserve_bytes, stop, pause))

    def end(self, spec: WorkerSpec) -> None:
        """End the worker of `spec`, if there is one."""
        self._drop(spec)

    def held_bytes(self, device: str) -> int:
        """What the warm workers on `device` have reserved."""
        return sum(held for spec, held in self._reserved().items() if spec.device == device)

    def _reserved(self) -> Mapping[WorkerSpec, int]:
        """The warm workers, least recently used first, and the bytes each has reserved; a copy."""
        raise NotImplementedError

    def _attempt(
        self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: StopSignal | None, pause: Pausing
    ) -> Generator[Emitted, None, Any]:
        """Call the worker of `spec` once, starting it if need be, and note `reserve_bytes` for it unless it fails."""
        raise NotImplementedError

    def _drop(self, spec: WorkerSpec) -> None:
        """End the worker of `spec`, if there is one."""
        raise NotImplementedError

    def _make_room(self, spec: WorkerSpec, needed_bytes: int) -> None:
        """Close least recently used workers until the variant fits the budget; refuse one that never will."""
        others = {other: held for other, held in self._reserved().items() if other != spec and other.device == spec.device}
        budget = MemoryBudget(memory_budget_bytes(spec.device, sum(others.values())))
        if not budget.fits(needed_bytes):
            raise too_large(needed_bytes, budget.total_bytes, spec.device)
        for other in budget.to_close(needed_bytes, others):
            self._drop(other)

    def _close_others(self, spec: WorkerSpec) -> bool:
        """Close every worker, that of `spec` too, which memory failed in the middle of its work; False if it was the only one."""
        others = [other for other in self._reserved() if other != spec]
        for other in [*others, spec] if others else []:
            self._drop(other)
        return bool(others)


def _ran_out_of_memory(error: QdashError) -> bool:
    return error.kind == "out_of_memory" or (error.kind == "worker_died" and error.message == KILLED)
