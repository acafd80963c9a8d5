"""A worker as the rest of qdash sees it: the methods of `engine.worker.Worker`, typed, wherever it runs.

Here alone the methods have their names as strings, as an executor takes them over a pipe. A call runs when it is iterated over: it yields
what the worker emits and returns its result. `reserve_bytes` is the memory that the worker needs from then on; see `Executor.call`.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from qdash.execution import Executor, Part, Rank, StopSignal
from qdash.execution.wire import Call
from qdash.records import (
    Agreement,
    Answer,
    BatchAnswered,
    BatchRequest,
    BatchStats,
    Healed,
    Healing,
    HealJob,
    InspectorReport,
    LayerDamage,
    LayerDetail,
    Loaded,
    Logits,
    MeasuredLayer,
    Measurement,
    MemoryWatched,
    Played,
    PlayRequest,
    Question,
    Reference,
    ReloadCheck,
    SchemeWeights,
    SensitivityBegun,
    SensitivityRequest,
    Step,
    TextSoFar,
    TimedRun,
    WeightFile,
    WeightReport,
    WorkerSpec,
    Written,
)
from qdash.remedies import files_are_the_servers


@dataclass(frozen=True)
class WorkerClient:
    """Calls the worker of `spec`, which `executor` starts if need be. `stop` cancels a call; `rank` is its place in the line."""

    executor: Executor
    spec: WorkerSpec
    stop: StopSignal | None = None
    rank: Rank | None = None

    def load(self, *, reserve_bytes: int = 0) -> Generator[Step, None, Loaded]:
        """See `Worker.load`."""
        return self._run(_LOAD, reserve_bytes)

    def answer(self, question: Question, max_tokens: int, *, reserve_bytes: int = 0) -> Generator[Step | TextSoFar, None, Answer]:
        """See `Worker.answer`."""
        return self._run(Call("answer", (question, max_tokens)), reserve_bytes)

    def warm_up(self, question: Question, measurement: Measurement, *, reserve_bytes: int = 0) -> Generator[Step, None, MemoryWatched]:
        """See `Worker.warm_up`."""
        return self._run(_warm_up(question, measurement), reserve_bytes)

    def time(self, question: Question, tokens: int, *, reserve_bytes: int = 0) -> Generator[Step, None, TimedRun]:
        """See `Worker.time`."""
        return self._run(_time(question, tokens), reserve_bytes)

    def measure_context(self, tokens: int, conversations: int, *, reserve_bytes: int = 0) -> Generator[Step, None, MemoryWatched]:
        """See `Worker.measure_context`."""
        return self._run(Call("measure_context", (tokens, conversations)), reserve_bytes)

    def measure_sensitivity(
        self, request: SensitivityRequest, *, reserve_bytes: int = 0
    ) -> Generator[Step | SensitivityBegun | LayerDamage, None, SensitivityBegun]:
        """See `Worker.measure_sensitivity`."""
        return self._run(Call("measure_sensitivity", (request,)), reserve_bytes)

    def heal(self, job: HealJob, *, reserve_bytes: int = 0) -> Generator[Step | Healing, None, Healed]:
        """See `Worker.heal`."""
        return self._run(Call("heal", (job,)), reserve_bytes)

    def play(self, request: PlayRequest, *, reserve_bytes: int = 0) -> Generator[Step, None, Played]:
        """See `Worker.play`."""
        return self._run(Call("play", (request,)), reserve_bytes)

    def record_reference(
        self, question: Question, said: tuple[int, ...] | str, stepwise: bool = False, *, reserve_bytes: int = 0
    ) -> Generator[Step, None, Reference]:
        """See `Worker.record_reference`."""
        return self._run(Call("record_reference", (question, said, stepwise)), reserve_bytes)

    def compare_to_reference(self, question: Question, reference: Reference, *, reserve_bytes: int = 0) -> Generator[Step, None, Agreement]:
        """See `Worker.compare_to_reference`."""
        return self._run(Call("compare_to_reference", (question, reference)), reserve_bytes)

    def run_batches(
        self, request: BatchRequest, *, reserve_bytes: int = 0, gives_way: bool = False
    ) -> Generator[Step | BatchAnswered, None, BatchStats]:
        """See `Worker.run_batches`; `gives_way`: it pauses for those who go before, see `Executor.call`."""
        return self._run(Call("run_batches", (request,), gives_way), reserve_bytes)

    def report_model(self, folder: str | None, *, reserve_bytes: int = 0) -> Generator[Step, None, InspectorReport]:
        """See `Worker.report_model`."""
        return self._run(Call("report_model", (folder,)), reserve_bytes)

    def saving_problem(self, *, reserve_bytes: int = 0) -> Generator[Step, None, str | None]:
        """See `Worker.saving_problem`."""
        return self._run(Call("saving_problem", ()), reserve_bytes)

    def save(self, folder: str, room_bytes: int, *, reserve_bytes: int = 0) -> Generator[Step, None, Written]:
        """See `Worker.save`."""
        return self._run(Call("save", (folder, room_bytes)), reserve_bytes)

    def logits(self, question: Question, text: str, *, reserve_bytes: int = 0) -> Generator[Step, None, Logits]:
        """See `Worker.logits`."""
        return self._run(Call("logits", (question, text)), reserve_bytes)

    def compare_logits(
        self, question: Question, text: str, expected: Logits, *, reserve_bytes: int = 0
    ) -> Generator[Step, None, ReloadCheck]:
        """See `Worker.compare_logits`."""
        return self._run(Call("compare_logits", (question, text, expected)), reserve_bytes)

    def measure_weight_error(
        self, schemes: Sequence[str], *, reserve_bytes: int = 0
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """See `Worker.measure_weight_error`."""
        return self._run(Call("measure_weight_error", (schemes,)), reserve_bytes)

    def measure_layer(
        self, scheme: str, layer: str, row: int | None, column: int, *, reserve_bytes: int = 0
    ) -> Generator[Step, None, LayerDetail]:
        """See `Worker.measure_layer`."""
        return self._run(Call("measure_layer", (scheme, layer, row, column)), reserve_bytes)

    def compare_files(
        self, own: WeightFile, other: WeightFile, *, reserve_bytes: int = 0
    ) -> Generator[Step | MeasuredLayer, None, SchemeWeights]:
        """See `Worker.compare_files`."""
        return self._run(Call("compare_files", (own, other)), reserve_bytes)

    def _run(self, call: Call, reserve_bytes: int) -> Generator[Any, None, Any]:
        about: dict[str, Any] = {"reserve_bytes": reserve_bytes, "stop": self.stop, "rank": self.rank, "gives_way": call.gives_way}
        with files_are_the_servers():
            return (yield from self.executor.call(self.spec, call.method, *call.arguments, **about))


_LOAD = Call("load", ())


def _warm_up(question: Question, measurement: Measurement) -> Call:
    return Call("warm_up", (question, measurement))


def _time(question: Question, tokens: int) -> Call:
    return Call("time", (question, tokens))


def timed_part(spec: WorkerSpec, question: Question, measurement: Measurement, *, loading_bytes: int, held_bytes: int) -> Part:
    """The part of a round in which the worker of `spec`, loaded and warmed up, does one timed run of `measurement`."""
    ready, run = _warm_up(question, measurement), _time(question, measurement.max_new_tokens)
    return Part(spec, _LOAD, ready, run, loading_bytes, held_bytes)
