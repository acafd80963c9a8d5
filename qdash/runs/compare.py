"""A comparison: ask the same question of every variant, then time those that have answered, and relay what happens as events.

First the answers: the baseline goes first, what it says at every token of its answer is kept, and every other variant is scored against
that. Then the times, in rounds (see `rounds.timing`). A variant that fails costs its own result only. Nothing here knows torch, a process
or a screen.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event as StopEvent
from typing import Any, TypeVar

from qdash import checkpoints
from qdash.catalog.models import is_random
from qdash.catalog.recipes import cache_of
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.execution import Executor, Rank, StopSignal
from qdash.execution.forward import forward_events
from qdash.records import (
    Agreement,
    Answer,
    AnswerText,
    Comparison,
    ComparisonDone,
    Emitted,
    ErrorRecord,
    Event,
    Loaded,
    Memory,
    NoiseFloor,
    Progress,
    Question,
    Reference,
    Request,
    Rounds,
    Stage,
    Step,
    TextSoFar,
    VariantAnswered,
    VariantDone,
    VariantResult,
)
from qdash.runs.plan import check_runnable, host_of, with_worker
from qdash.runs.rounds.figures import noise_floor, relative_to
from qdash.runs.rounds.groups import Candidate
from qdash.runs.rounds.timing import TimedRounds
from qdash.runs.variant_run import VariantRun, failed, known_of
from qdash.runs.workload import Found, comparison_work
from qdash.tasks import truth_of

Result = TypeVar("Result")


def compare(request: Request, png: bytes | None, executor: Executor, stop: StopEvent | None = None) -> Iterator[Event]:
    """Run `request` and yield its events, `ComparisonDone` last.

    `png`: the picture as RGB PNG bytes, or None. When `stop` is set, variants not yet done become "skipped" and the comparison ends with
    what it has. Raises QdashError only if nothing can be compared at all.
    """
    check_runnable(request)
    found = yield from _locate_all(request, stop)
    job = partial(_measured, request, Question(prompt=request.prompt, png=png), found)
    known: dict[int, VariantResult] = {}
    done: dict[int, VariantResult] = {}
    noise: NoiseFloor | None = None
    rounds: Rounds | None = None

    def collected(event: Event) -> Iterator[Event]:
        if isinstance(event, VariantDone):
            done[event.index] = known[event.index] = event.result
        elif isinstance(event, VariantAnswered):
            known[event.index] = event.result
        yield event

    try:
        noise, rounds = yield from forward_events(executor.run(job, comparison_work(request, found), stop), collected)
    except QdashError as error:
        if not known:
            raise
        # All workers are gone. What was answered and timed stays, and the rest failed for one reason.
        for index in range(len(request.variants)):
            if index not in done:
                result = _cut_off(known[index], error) if index in known else _unmeasured(request, found, index, error)
                yield from collected(VariantDone(index=index, result=result))
    results = tuple(done[index] for index in range(len(request.variants)))
    yield ComparisonDone(comparison=Comparison(host=host_of(request), request=request, noise_floor=noise, rounds=rounds, variants=results))


def _measured(
    request: Request, question: Question, found: Found, executor: Executor, stop: StopSignal | None
) -> Generator[Event, None, tuple[NoiseFloor | None, Rounds | None]]:
    """The part of a comparison that needs the device: every variant answers in turn, then all are timed side by side."""
    rank = Rank()
    answers = _Answers(request=request, found=found, executor=executor, stop=stop, rank=rank, question=question)
    for index in range(len(request.variants)):
        yield from answers.variant(index)
    if not answers.candidates:
        return None, None
    kl_nats = yield from answers.own_divergence(rank.for_timing())
    candidates = answers.estimated()
    timing = TimedRounds(candidates, question, request.measurement, executor, rank.for_timing(), stop)
    yield from timing.run()
    return noise_floor(timing.baseline, kl_nats) if timing.baseline else None, timing.rounds


@dataclass(kw_only=True)
class _Answers(VariantRun[Request]):
    question: Question
    candidates: list[Candidate] = field(default_factory=list)
    """Those that have answered, or have random weights and nothing to say."""
    baseline: VariantResult | None = None
    references: dict[str, Reference] = field(default_factory=dict)
    """What the baseline says along its answer and along the request's text, under the names that results give to it."""
    unreferenced: str | None = "The original did not run, so there is nothing to compare with word by word."
    """Why there are no references."""

    def variant(self, index: int) -> Generator[Event, None, None]:
        """Load and ask one variant and yield its result so far; whatever goes wrong becomes its result."""
        known = known_of(self.request, self.found, index)
        try:
            if self.stopped():
                raise QdashError("Stopped before this variant's turn.", "Compare again to run it.", "cancelled")
            candidate = yield from self._answered(index, known)
        except QdashError as error:
            yield VariantDone(index=index, result=VariantResult(**known | failed(error)))
            return
        self.candidates.append(candidate)
        yield VariantAnswered(index=index, result=candidate.result)

    def _answered(self, index: int, known: dict[str, Any]) -> Generator[Event, None, Candidate]:
        checkpoint = self.prepare(index)
        loading_bytes, worker = self.loading_bytes(index), self.worker(index)
        loaded = yield from _relayed(worker.load(reserve_bytes=loading_bytes), index, "loading")
        known.update(dtype=loaded.dtype, coverage=loaded.coverage, snippet=loaded.snippet)
        known.update(notes=(*checkpoint.notes, *loaded.notes))
        if checkpoint.quantization is not None:
            known.update(bits=checkpoint.quantization.bits)

        sizes = self.sizes(index, wait_s=0)  # its table may have come meanwhile
        held_bytes = with_worker(max(0 if sizes.rough else sizes.estimated_bytes, loaded.weights_bytes), self.device)
        if not is_random(known["model"]):
            limit = self.request.measurement.max_answer_tokens
            answer = yield from _relayed(worker.answer(self.question, limit, reserve_bytes=held_bytes), index, "answering")
            known.update(answer=answer.text, new_tokens=answer.new_tokens, answer_complete=answer.complete)
            known.update(correct=_is_correct(answer.text, known["model"], self.request))
            known.update((yield from (self._compare_to_references(index) if index else self._record_references(answer))))
            known["notes"] += _prompt_notes(known.get("agreement"))
        elif not index:
            self.unreferenced = "The original has random weights, so there is nothing to compare with word by word."
        result = VariantResult(**known, memory=_memory(loaded, None if sizes.rough else sizes.estimated_bytes))
        self.baseline = self.baseline or (None if index else result)
        result = relative_to(result, self.baseline) if self.baseline is not None else result
        return Candidate(index, self.specs[index], loaded, result, loading_bytes, held_bytes)

    def _record_references(self, answer: Answer) -> Generator[Event, None, dict[str, Any]]:
        """Record the baseline's logits along its answer, and along the request's text."""
        along = {"agreement": answer.tokens, "agreement_text": self.request.reference_text}
        stepwise = any(cache_of(find_scheme(variant.scheme)) is not None for variant in self.request.variants)
        try:
            for name, said in along.items():
                if said:
                    call = self.worker(0).record_reference(self.question, said, stepwise=stepwise)
                    self.references[name] = yield from _relayed(call, 0, "scoring")
            self.unreferenced = None
        except QdashError as error:
            self.unreferenced = error.message
            not_finite = error.kind == "not_finite"
            said = f"{error.message} {error.remedy}" if not_finite else error.message
            return {"agreement_problem": said, "scores_finite": False if not_finite else None}
        return {"scores_finite": True if self.references else None}

    def _compare_to_references(self, index: int) -> Generator[Event, None, dict[str, Any]]:
        """Compare a variant's logits with the baseline's. It has answered: if this fails, it loses nothing else."""
        found: dict[str, Any] = {"agreement_problem": self.unreferenced}
        try:
            for name, reference in self.references.items():
                found[name] = yield from _relayed(self.worker(index).compare_to_reference(self.question, reference), index, "scoring")
        except QdashError as error:
            found["agreement_problem"] = error.message
        return found

    def estimated(self) -> list[Candidate]:
        """The candidates, with estimates from layer tables that were not waited for: making one must not go on while times are taken."""
        return [self._estimated(candidate) for candidate in self.candidates]

    def _estimated(self, candidate: Candidate) -> Candidate:
        memory, result = candidate.result.memory, candidate.result
        if memory is None or memory.estimated_bytes is not None:
            return candidate
        sizes = self.sizes(candidate.index)
        known = memory.model_copy(update={"estimated_bytes": None if sizes.rough else sizes.estimated_bytes})
        return replace(candidate, result=result.model_copy(update={"memory": known}))

    def own_divergence(self, rank: Rank) -> Generator[Event, None, float | None]:
        """How far the baseline is from what it said before: 0 where the same sums are always done in the same order."""
        reference, baseline = self.references.get("agreement"), self.candidates[0]
        if reference is None or baseline.index or self.stopped():
            return None
        self.rank = rank
        try:
            # It may have had to make room for the others.
            yield from _relayed(self.worker(0).load(reserve_bytes=baseline.loading_bytes), 0, "scoring")
            again = yield from _relayed(self.worker(0).compare_to_reference(self.question, reference), 0, "scoring")
        except QdashError:
            return None
        return again.kl_mean_nats


def _unmeasured(request: Request, found: Found, index: int, error: QdashError) -> VariantResult:
    return VariantResult(**known_of(request, found, index) | failed(error))


def _cut_off(result: VariantResult, error: QdashError) -> VariantResult:
    """A variant that has answered and will not be timed: nothing is wrong with it, and if nobody stopped it, it says why."""
    return result if error.kind == "cancelled" else result.model_copy(update={"error": ErrorRecord.of(error)})


def _is_correct(answer: str, model: str, request: Request) -> bool | None:
    """Whether an answer is right; None where that is not known."""
    truth = truth_of(model, request.prompt, request.picture.sha256 if request.picture else None)
    return None if truth is None else truth.accepts(answer)


def _prompt_notes(agreement: Agreement | None) -> tuple[str, ...]:
    """That a variant read the question in other tokens, where it did."""
    if agreement is None or agreement.same_prompt:
        return ()
    return ("Its chat template lays the question out in other tokens than the original’s, and its divergence has that in it.",)


def _memory(loaded: Loaded, estimated_bytes: int | None) -> Memory:
    """What is known before a variant is timed: without the peak."""
    return Memory(
        weights_bytes=loaded.weights_bytes,
        load_peak_bytes=loaded.load_peak_bytes,
        peak_bytes=None,
        saved_bytes=loaded.saved_bytes,
        estimated_bytes=estimated_bytes,
        projected_bytes=loaded.projected_bytes,
    )


def _locate_all(request: Request, stop: StopEvent | None) -> Generator[Event, None, Found]:
    """Find every model once, and download it; one that fails costs its variants only, unless it is all there is."""
    found: Found = {}
    for index, variant in enumerate(request.variants):
        if variant.model in found:
            continue
        yield Progress(index=index, stage="locating")
        try:
            checkpoint = checkpoints.locate(variant.model, stop)
            if checkpoint.folder is None:
                checkpoint = yield from _relayed(checkpoints.obtain(checkpoint, stop), index, checkpoint.preparation)
            found[variant.model] = checkpoint
        except QdashError as error:
            found[variant.model] = error
    problems = [item for item in found.values() if isinstance(item, QdashError)]
    if len(problems) == len(found):
        raise problems[0]
    return found


def _relayed(call: Generator[Emitted, None, Result], index: int, stage: Stage) -> Generator[Event, None, Result]:
    """Turn what a worker emits into events of variant `index`; returns the call's result."""
    yield Progress(index=index, stage=stage)
    return (yield from forward_events(call, partial(_events_of, index, stage)))


def _events_of(index: int, stage: Stage, item: Emitted) -> Iterator[Event]:
    if isinstance(item, TextSoFar):
        yield AnswerText(index=index, text=item.text)
    elif isinstance(item, Step):
        yield Progress(index=index, stage=item.preparation or stage, fraction=item.fraction, detail=item.detail)
