"""A comparison: ask the same question of every variant in turn, and relay what happens as events.

The baseline goes first and is timed again last, which tells how much this machine's speed wanders: the noise floor. What it says at every
token of its answer is kept, and every other variant is scored against that once it has been timed. A variant that fails costs its own
result only. Nothing here knows torch, a process or a screen.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any

from qdash import checkpoints
from qdash.catalog.models import is_random
from qdash.catalog.schemes import Scheme, find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Emitted, Executor
from qdash.machine import this_machine
from qdash.planning import check_runnable, device_of, dtype_of, host_of, labels_of, worker_spec
from qdash.records import (
    Agreement,
    Answer,
    AnswerText,
    Comparison,
    ComparisonDone,
    ErrorRecord,
    Event,
    Latency,
    Loaded,
    Memory,
    NoiseFloor,
    Progress,
    Question,
    Reference,
    Relative,
    Request,
    Stage,
    Step,
    TextSoFar,
    Timed,
    Timing,
    VariantDone,
    VariantResult,
    WorkerSpec,
)


def compare(request: Request, png: bytes | None, executor: Executor, stop: StopEvent | None = None) -> Iterator[Event]:
    """Run `request` and yield its events, `ComparisonDone` last.

    `png`: the picture as RGB PNG bytes, or None. When `stop` is set, variants not yet done become "skipped" and the comparison ends with
    what it has. Raises QdashError only if nothing can be compared at all.
    """
    check_runnable(request)
    found = yield from _locate_all(request, stop)
    run = _Run(request, Question(prompt=request.prompt, png=png), executor, stop, found)
    results = []
    for index in range(len(request.variants)):
        result = yield from run.variant(index)
        results.append(result)
        yield VariantDone(index=index, result=relative_to(result, results[0]))
    noise = yield from run.noise_floor(results[0])
    done = tuple(relative_to(result, results[0]) for result in results)
    comparison = Comparison(host=host_of(request), request=request, noise_floor=noise, variants=done)
    yield ComparisonDone(comparison=comparison)


def relative_to(result: VariantResult, baseline: VariantResult) -> VariantResult:
    """`result` with its ratios to `baseline`; a simulated variant's speed and memory are its carrier's, so it gets none."""
    if not (result.latency and result.memory and baseline.latency and baseline.memory):
        return result
    if result.kind == "simulated":
        ratios = Relative(latency=None, memory=None, tokens_per_s=None)
    else:
        ratios = Relative(
            latency=result.latency.total_s.median / baseline.latency.total_s.median,
            memory=result.memory.weights_bytes / baseline.memory.weights_bytes,
            tokens_per_s=result.latency.tokens_per_s.median / baseline.latency.tokens_per_s.median,
        )
    return result.model_copy(update={"relative": ratios})


def noise_of(first: Timing, again: Timing) -> NoiseFloor:
    """The larger of the drift between two medians and the half-spread (p90 − p10)/2 of the runs, relative to the median."""
    return NoiseFloor(relative=_wandering(first, again), first_median_s=first.median, again_median_s=again.median)


def _wandering(first: Timing, again: Timing) -> float:
    drift = abs(again.median - first.median) / first.median
    return max(drift, *((timing.p90 - timing.p10) / 2 / timing.median for timing in (first, again)))


@dataclass
class _Run:
    request: Request
    question: Question
    executor: Executor
    stop: StopEvent | None
    found: dict[str, Checkpoint | QdashError]
    specs: dict[int, WorkerSpec] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    """What the baseline says along its answer and along the request's text, under the names that results give to it."""
    unreferenced: str | None = "The original did not run, so there is nothing to compare with word by word."
    """Why there are no references."""

    def variant(self, index: int) -> Generator[Event, None, VariantResult]:
        """Load, ask and time one variant; whatever goes wrong becomes its result."""
        variant = self.request.variants[index]
        scheme = find_scheme(variant.scheme)
        known: dict[str, Any] = {
            "scheme": scheme.key, "label": self._label(index), "kind": scheme.kind, "model": variant.model, "status": "ok",
            "bits": scheme.bits,
        }  # fmt: skip
        try:
            if self.stop is not None and self.stop.is_set():
                raise QdashError("Stopped before this variant's turn.", "Press Compare to run it.", "cancelled")
            problem = unavailable(scheme, this_machine().on(device_of(self.request)))
            if problem:
                raise problem
            yield from self._measure(index, scheme, known)
        except QdashError as error:
            status = "skipped" if error.kind in ("unavailable", "cancelled") else "failed"
            known.update(status=status, error=ErrorRecord.of(error), latency=None, memory=None)
        return VariantResult(**known)

    def _measure(self, index: int, scheme: Scheme, known: dict[str, Any]) -> Generator[Event, None, None]:
        checkpoint = self._checkpoint(index)
        problem = checkpoints.published_problem(checkpoint, scheme, this_machine().on(device_of(self.request)))
        if problem:
            raise problem
        dtype = dtype_of(self.request)
        spec = self.specs[index] = worker_spec(checkpoint, scheme.key, device_of(self.request), dtype)
        estimated, needed = (of(checkpoint, scheme, dtype) for of in (checkpoints.estimate_bytes, checkpoints.loading_bytes))

        call = self.executor.call(spec, "load", reserve_bytes=needed, stop=self.stop)
        loaded: Loaded = yield from _relayed(call, index, "loading")
        known.update(dtype=loaded.dtype, coverage=loaded.coverage, snippet=loaded.snippet)
        if checkpoint.quantization is not None:
            known.update(bits=checkpoint.quantization.bits)

        answer: Answer | None = None
        if not is_random(known["model"]):
            limit = self.request.measurement.max_answer_tokens
            call = self.executor.call(spec, "answer", self.question, limit, stop=self.stop)
            answer = yield from _relayed(call, index, "answering")
            assert answer is not None
            known.update(answer=answer.text, new_tokens=answer.new_tokens, answer_complete=answer.complete)

        call = self.executor.call(spec, "time", self.question, self.request.measurement, reserve_bytes=estimated, stop=self.stop)
        timed: Timed = yield from _relayed(call, index, "timing")
        known.update(latency=_latency(loaded, timed), memory=_memory(loaded, timed, estimated))
        if answer is not None:
            known.update((yield from (self._score(index) if index else self._refer(answer))))
        elif not index:
            self.unreferenced = "The original has random weights, so there is nothing to compare with word by word."

    def _refer(self, answer: Answer) -> Generator[Event, None, dict[str, Any]]:
        """Keep what the baseline says along its answer, and along the request's text."""
        along = {"agreement": answer.tokens, "agreement_text": self.request.reference_text}
        try:
            for name, said in along.items():
                if said:
                    call = self.executor.call(self.specs[0], "refer", self.question, said, stop=self.stop)
                    self.references[name] = yield from _relayed(call, 0, "scoring")
            self.unreferenced = None
        except QdashError as error:
            self.unreferenced = error.message
            return {"agreement_problem": error.message}
        return {}

    def _score(self, index: int) -> Generator[Event, None, dict[str, Any]]:
        """Compare a variant with what is kept. It has answered and been timed: if this fails, that is all it loses."""
        found: dict[str, Any] = {"agreement_problem": self.unreferenced}
        try:
            for name, reference in self.references.items():
                found[name] = yield from self._scored(index, reference, "scoring")
        except QdashError as error:
            found["agreement_problem"] = error.message
        return found

    def _scored(self, index: int, reference: Reference, stage: Stage) -> Generator[Event, None, Agreement]:
        call = self.executor.call(self.specs[index], "score", self.question, reference, stop=self.stop)
        agreement: Agreement = yield from _relayed(call, index, stage)
        return agreement

    def noise_floor(self, baseline: VariantResult) -> Generator[Event, None, NoiseFloor | None]:
        """Time the baseline again, and score it against itself; None if it never ran, or the person has seen enough."""
        if baseline.latency is None or baseline.memory is None or (self.stop is not None and self.stop.is_set()):
            return None
        spec = self.specs[0]
        try:
            # It may have had to make room for the others.
            load = self.executor.call(spec, "load", reserve_bytes=baseline.memory.estimated_bytes or 0, stop=self.stop)
            yield from _relayed(load, 0, "re-timing")
            call = self.executor.call(spec, "time", self.question, self.request.measurement, stop=self.stop)
            again: Timed = yield from _relayed(call, 0, "re-timing")
        except QdashError:
            return None
        parts = {name: _wandering(getattr(baseline.latency, f"{name}_s"), getattr(again, f"{name}_s")) for name in ("ttft", "tpot")}
        kl_nats = yield from self._own_divergence()
        return noise_of(baseline.latency.total_s, again.total_s).model_copy(update={**parts, "kl_nats": kl_nats})

    def _own_divergence(self) -> Generator[Event, None, float | None]:
        """How far the baseline is from what it said before: 0 where the same sums are always done in the same order."""
        if "agreement" not in self.references:
            return None
        try:
            agreement = yield from self._scored(0, self.references["agreement"], "re-timing")
        except QdashError:
            return None
        return agreement.kl_mean_nats

    def _label(self, index: int) -> str:
        located = [found for found in self.found.values() if isinstance(found, Checkpoint)]
        published = {found.model: found.quantization.label for found in located if found.quantization is not None}
        return labels_of(self.request.variants, published)[index]

    def _checkpoint(self, index: int) -> Checkpoint:
        found = self.found[self.request.variants[index].model]
        if isinstance(found, QdashError):
            raise found
        return found


def _latency(loaded: Loaded, timed: Timed) -> Latency:
    return Latency(
        load_s=loaded.load_s,
        preprocess_s=timed.preprocess_s,
        ttft_s=timed.ttft_s,
        tpot_s=timed.tpot_s,
        total_s=timed.total_s,
        tokens_per_s=timed.tokens_per_s,
    )


def _memory(loaded: Loaded, timed: Timed, estimated_bytes: int) -> Memory:
    return Memory(
        weights_bytes=loaded.weights_bytes,
        load_peak_bytes=loaded.load_peak_bytes,
        peak_bytes=timed.peak_bytes,
        saved_bytes=loaded.saved_bytes,
        estimated_bytes=estimated_bytes,
        projected_bytes=loaded.projected_bytes,
        reserved_bytes=timed.reserved_bytes,
        process_bytes=timed.process_bytes,
    )


def _locate_all(request: Request, stop: StopEvent | None) -> Generator[Event, None, dict[str, Checkpoint | QdashError]]:
    """Find every model once; one that fails costs its variants only, unless it is all there is."""
    found: dict[str, Checkpoint | QdashError] = {}
    for index, variant in enumerate(request.variants):
        if variant.model in found:
            continue
        try:
            steps = _downloaded(checkpoints.locate(variant.model), stop)
            stage = "making" if is_random(variant.model) else "downloading"
            found[variant.model] = yield from _relayed(steps, index, stage)
        except QdashError as error:
            found[variant.model] = error
    problems = [item for item in found.values() if isinstance(item, QdashError)]
    if len(problems) == len(found):
        raise problems[0]
    return found


def _downloaded(checkpoint: Checkpoint, stop: StopEvent | None) -> Generator[Step, None, Checkpoint]:
    if checkpoint.folder is not None:
        return checkpoint
    local: Checkpoint = yield from checkpoints.obtain(checkpoint, stop)
    return local


def _relayed(call: Generator[Emitted, None, Any], index: int, stage: Stage) -> Generator[Event, None, Any]:
    """Turn what a worker emits into events of variant `index`; returns the call's result."""
    yield Progress(index=index, stage=stage)
    while True:
        try:
            item = next(call)
        except StopIteration as end:
            return end.value
        if isinstance(item, TextSoFar):
            yield AnswerText(index=index, text=item.text)
        elif isinstance(item, Step):
            yield Progress(index=index, stage=stage, fraction=item.fraction, detail=item.detail)


def steps_of(call: Generator[Emitted, None, Any]) -> Generator[Step, None, Any]:
    """The steps of a call that has no text to show; returns its result."""
    while True:
        try:
            item = next(call)
        except StopIteration as end:
            return end.value
        if isinstance(item, Step):
            yield item
