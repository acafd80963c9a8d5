"""An evaluation: give every variant the same task in turn, count the right answers, and relay what happens as events.

All variants answer the same questions in the same batches, so that they are compared question by question and their times are of equal
work. The baseline goes first, and answers its first batches again last, which tells how much this machine's speed wanders. Between two
batches the device goes to whoever waits for an answer; no time is taken meanwhile. A variant that fails, or is stopped, costs its own
questions only. Nothing here knows torch, a process or a screen.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event as StopEvent
from typing import Any, TypeVar

from qdash import checkpoints
from qdash.busyness import OthersLoad
from qdash.catalog.models import is_random, model_name
from qdash.catalog.schemes import Scheme, find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, Rank, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import forward_events
from qdash.machine import memory_budget_bytes, this_machine
from qdash.records import (
    BatchAnswered,
    BatchStats,
    Dtype,
    Emitted,
    ErrorRecord,
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationDone,
    EvaluationEvent,
    EvaluationNoise,
    EvaluationProgress,
    EvaluationRequest,
    EvaluationStage,
    Exercise,
    ItemResult,
    ItemsAnswered,
    Question,
    Ratio,
    Rule,
    Step,
    Timing,
    WorkerSpec,
)
from qdash.runs.plan import check_runnable, device_of, dtype_of, host_of, labels_of, with_worker, worker_spec
from qdash.runs.rounds.figures import paired
from qdash.runs.workload import Found, evaluation_work
from qdash.tasks import Item, Task, accuracy_of, beside, bundled_items, counted, find_task, judged, spread

Result = TypeVar("Result")

AGAIN = 4  # the baseline answers one batch in so many again


def evaluate(
    request: EvaluationRequest, executor: Executor, stop: StopEvent | None = None, items: Sequence[Item] | None = None
) -> Iterator[EvaluationEvent]:
    """Run `request` and yield its events, `EvaluationDone` last.

    `items`: the questions; None: the task's own. When `stop` is set, a variant keeps the answers it has, those after it become "skipped",
    and the evaluation ends with that. Raises QdashError only if nothing can be evaluated at all.
    """
    task = find_task(request.task)
    chosen = _chosen(task, request, items)
    located = yield from _located(request, len(chosen), stop)
    found = yield from _obtained(request, located, len(chosen), stop)
    job = partial(_evaluated, request, task, chosen, found)
    work = evaluation_work(request, found, len(chosen), request.max_new_tokens or task.max_new_tokens)
    results: list[EvaluatedVariant] = []
    answers: list[ItemResult] = []
    noise: EvaluationNoise | None = None

    def collected(event: EvaluationEvent) -> Iterator[EvaluationEvent]:
        if isinstance(event, EvaluatedVariantDone):
            results.append(event.result)
            answers.clear()
        elif isinstance(event, ItemsAnswered):
            answers.extend(event.items)
        yield event

    try:
        noise = yield from forward_events(executor.run(job, work, stop), collected)
    except QdashError as error:
        if not results and not answers:
            raise
        # All workers are gone. What was answered stays, and the other variants failed for one reason.
        for index in range(len(results), len(request.variants)):
            result = _cut_off(request, found, chosen, index, error, answers)
            results.append(beside(result, results[0], len(chosen)) if results else result)
            answers.clear()
            yield EvaluatedVariantDone(index=index, result=results[-1])
    evaluation = Evaluation(
        host=host_of(request), request=request, task_label=task.label, rule=request.rule or task.rule,
        max_new_tokens=request.max_new_tokens or task.max_new_tokens, noise_floor=noise, variants=tuple(results),
        questions=tuple(item.question for item in chosen),
    )  # fmt: skip
    yield EvaluationDone(evaluation=evaluation)


def _evaluated(
    request: EvaluationRequest, task: Task, items: tuple[Item, ...], found: Found, executor: Executor, stop: StopSignal | None
) -> Generator[EvaluationEvent, None, EvaluationNoise | None]:
    """The part of an evaluation that needs the device: every variant in turn, then the noise floor."""
    run = _Run(request, task, items, executor, stop, found)
    first: EvaluatedVariant | None = None
    for index in range(len(request.variants)):
        result = yield from run.variant(index)
        first = first or result
        yield EvaluatedVariantDone(index=index, result=beside(result, first, len(items)) if index else result)
    assert first is not None
    return (yield from run.noise_floor(first))


@dataclass
class _Run:
    request: EvaluationRequest
    task: Task
    items: tuple[Item, ...]
    executor: Executor
    stop: StopSignal | None
    found: Found
    specs: dict[int, WorkerSpec] = field(default_factory=dict)
    batches: list[BatchAnswered] = field(default_factory=list)
    """Of the variant whose turn it is."""
    judged: list[ItemResult] = field(default_factory=list)
    """Its answers so far."""
    first: list[BatchAnswered] = field(default_factory=list)
    """Of the baseline."""
    rank: Rank = field(default_factory=lambda: Rank().for_timing())
    shares: dict[str, bool] = field(default_factory=dict)
    """Whether questions to a model may share a batch, by model: the first of its variants that is asked finds out for all."""

    @property
    def rule(self) -> Rule:
        """When an answer is right."""
        return self.request.rule or self.task.rule

    @property
    def max_new_tokens(self) -> int:
        """Where an answer is cut."""
        return self.request.max_new_tokens or self.task.max_new_tokens

    def variant(self, index: int) -> Generator[EvaluationEvent, None, EvaluatedVariant]:
        """Load one variant and let it answer; whatever goes wrong becomes its result, beside the answers there are."""
        scheme, known = find_scheme(self.request.variants[index].scheme), _known(self.request, self.found, index)
        self.batches, self.judged = [], []
        try:
            if self._stopped():
                raise QdashError("Stopped before this variant's turn.", "Evaluate again to run it.", "cancelled")
            yield from self._load(index, scheme, known)
            load = OthersLoad(device_of(self.request))
            exercised = yield from self._answer(index)
            known.update(total_s=exercised.total_s, peak_bytes=exercised.peak_bytes, busy=load.share())
            known.update(self._shared(index, exercised.batch_size))
            if index == 0:
                known["scores_finite"] = yield from self._finite_scores()
        except QdashError as error:
            known.update(_failed(error))
        if index == 0:
            self.first = self.batches
        elif scheme.kind == "real":
            known.update(time=ratio_between(self.first, self.batches))
        return EvaluatedVariant(**(known | self._figures(known.get("total_s"))))

    def noise_floor(self, baseline: EvaluatedVariant) -> Generator[EvaluationEvent, None, EvaluationNoise | None]:
        """Let the baseline answer its first batches again; None if it did not answer all, or the person has seen enough."""
        if baseline.status != "ok" or self._stopped():
            return None
        first = self.first[: -(-len(self.first) // AGAIN)]
        self.batches = []
        try:
            # It may have had to make room for the others.
            yield from self._relayed(self._worker(0).load(reserve_bytes=self._reserve_bytes(0)), 0, "re-timing")
            yield from self._answer(0, batches=len(first))
        except QdashError:
            return None
        return noise_between(first, self.batches)

    def _load(self, index: int, scheme: Scheme, known: dict[str, Any]) -> Generator[EvaluationEvent, None, None]:
        here = this_machine().on(device_of(self.request))
        model = self.request.variants[index].model
        problem = unavailable(scheme, here)
        if problem:
            raise problem
        checkpoint = self._checkpoint(index)
        problem = checkpoints.published_problem(checkpoint, scheme, here)
        if problem:
            raise problem
        if checkpoint.task != "image-text-to-text" and any(item.png for item in self.items):
            raise QdashError(f"{model} reads text only, and this task has pictures.", "Choose a model that sees, or another task.")
        if checkpoint.quantization is not None:
            known.update(bits=checkpoint.quantization.bits)
        self.specs[index] = worker_spec(checkpoint, scheme.key, here.device, self._dtype)
        call = self._worker(index).load(reserve_bytes=self._reserve_bytes(index))
        loaded = yield from self._relayed(call, index, "loading")
        known.update(notes=(*checkpoint.notes, *loaded.notes))
        known.update({name: getattr(loaded, name) for name in ("load_s", "weights_bytes", "projected_bytes", "dtype", "coverage")})

    def _answer(self, index: int, batches: int | None = None) -> Generator[EvaluationEvent, None, BatchStats]:
        exercise = Exercise(
            questions=tuple(Question(prompt=item.question.prompt, png=item.png) for item in self.items),
            targets=tuple(item.target for item in self.items), plain=self.task.plain, max_new_tokens=self.max_new_tokens,
            batch_size=_batch_size(self.request, index) if self._may_share(index) is not False else 1, batches=batches,
            # Rows that one scale rounds differ side by side in any model, which would tell nothing of this one.
            can_share=self._may_share(index) is True or find_scheme(self.request.variants[index].scheme).scales_span_rows,
        )  # fmt: skip
        stage: EvaluationStage = "answering" if batches is None else "re-timing"
        parts: list[BatchStats] = []
        while not parts or parts[-1].paused_at is not None:
            if parts:
                used = {"first": parts[-1].paused_at, "batch_size": parts[-1].batch_size, "can_share": True}
                exercise = exercise.model_copy(update=used)
            # Whoever had the device meanwhile may have needed this variant's memory.
            reserve_bytes = self._reserve_bytes(index) if parts else 0
            call = self._worker(index).exercise(exercise, reserve_bytes=reserve_bytes, gives_way=True)
            parts.append((yield from self._relayed(call, index, stage)))
        return BatchStats(
            total_s=sum(part.total_s for part in parts), peak_bytes=max(part.peak_bytes for part in parts), batch_size=parts[-1].batch_size
        )

    def _may_share(self, index: int) -> bool | None:
        """Whether questions to this variant may share a batch; None: not known yet."""
        return self.shares.get(self.request.variants[index].model)

    def _shared(self, index: int, batch_size: int | None) -> dict[str, Any]:
        """Keep how many questions variant `index` was asked at a time, and give what its result says of it."""
        asked = _batch_size(self.request, index)
        if batch_size is None or asked == 1:
            return {}
        if not find_scheme(self.request.variants[index].scheme).scales_span_rows:
            self.shares.setdefault(self.request.variants[index].model, batch_size == asked)
        return {"batch_size": batch_size, "reads_padding": batch_size < asked}

    def _finite_scores(self) -> Generator[EvaluationEvent, None, bool | None]:
        """Whether the baseline's scores along its first answer are numbers: NaN answers something too, and the same in every variant."""
        first = self.judged[0]
        item = self.items[first.index]
        said, question = first.answer.strip() or item.question.answer, Question(prompt=item.question.prompt, png=item.png)
        try:
            yield from self._relayed(self._worker(0).record_reference(question, said), 0, "answering")
        except QdashError as error:
            return False if error.kind == "not_finite" else None
        return True

    def _worker(self, index: int) -> WorkerClient:
        return WorkerClient(self.executor, self.specs[index], self.stop, self.rank)

    def _relayed(
        self, call: Generator[Emitted, None, Result], index: int, stage: EvaluationStage
    ) -> Generator[EvaluationEvent, None, Result]:
        """Turn what a worker emits into events of variant `index`; returns the call's result."""
        yield self._moved(index, stage, Step())
        return (yield from forward_events(call, partial(self._events_of, index, stage)))

    def _events_of(self, index: int, stage: EvaluationStage, item: Emitted) -> Iterator[EvaluationEvent]:
        if isinstance(item, Step):
            yield self._moved(index, stage, item)
        elif isinstance(item, BatchAnswered):
            self.batches.append(item)
            if stage == "answering":
                yield self._answered(index)
            yield self._moved(index, stage, Step(detail=f"{item.done} of {item.total}"))

    def _moved(self, index: int, stage: EvaluationStage, step: Step) -> EvaluationProgress:
        """A step, which leaves the bar where the answers given so far have brought it."""
        if not self.batches:
            return _progress(index, stage, step, len(self.items))
        last = self.batches[-1]
        return EvaluationProgress(
            index=index, stage=stage, fraction=last.done / last.total, detail=step.detail, done=last.done, total=last.total,
            eta_s=last.eta_s,
        )  # fmt: skip

    def _answered(self, index: int) -> ItemsAnswered:
        new = [judged(reply, self.items[reply.index].question, self.rule) for reply in self.batches[-1].replies]
        self.judged += new
        accuracy = accuracy_of(self.judged)
        assert accuracy is not None
        return ItemsAnswered(index=index, items=tuple(new), accuracy=accuracy)

    def _figures(self, total_s: float | None) -> dict[str, Any]:
        """What the answers given so far come to; a variant that was stopped has taken the time of its batches."""
        if not self.judged:
            return {}
        seconds = total_s if total_s is not None else sum(batch.seconds for batch in self.batches)
        return {
            **counted(self.judged, [item.question for item in self.items]),
            "total_s": seconds,
            "per_item_s": seconds / len(self.judged),
            "new_tokens": sum(reply.new_tokens for batch in self.batches for reply in batch.replies),
        }

    def _stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    def _checkpoint(self, index: int) -> Checkpoint:
        found = self.found[self.request.variants[index].model]
        if isinstance(found, QdashError):
            raise found
        return found

    def _reserve_bytes(self, index: int) -> int:
        scheme = find_scheme(self.request.variants[index].scheme)
        device = device_of(self.request)
        room_bytes = memory_budget_bytes(device, self.executor.held_bytes(device)) // len(self.request.variants)
        sizes = checkpoints.sizes_of(self._checkpoint(index), scheme, self._dtype, device, room_bytes=room_bytes, stopped=self._stopped)
        return with_worker(sizes.loading_bytes, device)

    @property
    def _dtype(self) -> Dtype:
        found = self.found[self.request.variants[0].model]
        return dtype_of(self.request, found if isinstance(found, Checkpoint) else None)


def ratio_between(first: Sequence[BatchAnswered], ours: Sequence[BatchAnswered]) -> Ratio | None:
    """The time of a batch divided by that of the same batch in `first`; None if none is the same."""
    asked = [[reply.index for reply in batch.replies] for batch in first]
    same = [(our, their) for our, their, indexes in zip(ours, first, asked, strict=False) if [one.index for one in our.replies] == indexes]
    return paired(*(Timing.of([batch.seconds for batch in batches]) for batches in zip(*same, strict=True))) if same else None


def noise_between(first: Sequence[BatchAnswered], again: Sequence[BatchAnswered]) -> EvaluationNoise:
    """The larger of the drift between two sums of seconds and the half-spread (p90 − p10)/2 of the batches' ratios."""
    before, after = (sum(batch.seconds for batch in batches) for batches in (first, again))
    ratios = Timing.of([b.seconds / a.seconds for a, b in zip(first, again, strict=True)])
    texts = [{reply.index: reply.text for batch in batches for reply in batch.replies} for batches in (first, again)]
    return EvaluationNoise(
        relative=max(abs(after / before - 1), (ratios.p90 - ratios.p10) / 2),
        first_s=before,
        again_s=after,
        items=len(texts[0]),
        changed=sum(text != texts[1][index] for index, text in texts[0].items()),
    )


def _chosen(task: Task, request: EvaluationRequest, items: Sequence[Item] | None) -> tuple[Item, ...]:
    """The questions to ask; raises QdashError where there are none."""
    own = bundled_items(task.key) if items is None else items
    if own is None:
        raise QdashError(f"The task “{task.key}” was given no questions.", "Choose a file of questions.")
    chosen = spread(own, request.limit)
    if not chosen:
        raise QdashError("There are no questions to ask.", "Give at least one question.")
    return chosen


def _located(request: EvaluationRequest, items: int, stop: StopEvent | None) -> Generator[EvaluationEvent, None, Found]:
    """Find every model; one that fails costs its variants only, unless it is all there is. Random weights have nothing to say."""
    check_runnable(request)
    found: Found = {}
    for index, variant in enumerate(request.variants):
        model = variant.model
        if model in found:
            continue
        yield EvaluationProgress(index=index, stage="locating", total=items)
        try:
            if is_random(model):
                message = f"{model_name(model)} would only guess: its weights are random."
                raise QdashError(message, "Choose a model that has been trained.")
            found[model] = checkpoints.locate(model, stop)
        except QdashError as error:
            found[model] = error
    problems = [item for item in found.values() if isinstance(item, QdashError)]
    if len(problems) == len(found):
        raise problems[0]
    return found


def _obtained(request: EvaluationRequest, located: Found, items: int, stop: StopEvent | None) -> Generator[EvaluationEvent, None, Found]:
    """`located` with every model on this machine that some variant can run; one that cannot be downloaded costs its variants only."""
    here = this_machine().on(device_of(request))
    found = dict(located)
    for index, variant in enumerate(request.variants):
        checkpoint = found[variant.model]
        if isinstance(checkpoint, QdashError) or checkpoint.folder is not None or unavailable(find_scheme(variant.scheme), here):
            continue
        yield EvaluationProgress(index=index, stage="downloading", total=items)
        steps = checkpoints.obtain(checkpoint, stop)
        try:
            found[variant.model] = yield from forward_events(
                steps, lambda step, index=index: (_progress(index, "downloading", step, items),)
            )
        except QdashError as error:
            found[variant.model] = error
    return found


def _progress(index: int, stage: EvaluationStage, step: Step, items: int) -> EvaluationProgress:
    return EvaluationProgress(index=index, stage=stage, fraction=step.fraction, detail=step.detail, total=items)


def _cut_off(
    request: EvaluationRequest, found: Found, items: tuple[Item, ...], index: int, error: QdashError, answers: Sequence[ItemResult]
) -> EvaluatedVariant:
    """A variant whose workers are gone: the answers it had given stay, how long they took is not known."""
    figures = counted(answers, [item.question for item in items]) if answers else {}
    return EvaluatedVariant.model_validate(_known(request, found, index) | _failed(error) | figures)


def _known(request: EvaluationRequest, found: Found, index: int) -> dict[str, Any]:
    """What a result says of variant `index` before it answers anything."""
    variant, scheme = request.variants[index], find_scheme(request.variants[index].scheme)
    located = [checkpoint for checkpoint in found.values() if isinstance(checkpoint, Checkpoint)]
    published = {checkpoint.model: checkpoint.quantization.label for checkpoint in located if checkpoint.quantization is not None}
    return {
        "scheme": scheme.key, "label": labels_of(request.variants, published)[index], "kind": scheme.kind, "model": variant.model,
        "status": "ok", "bits": scheme.bits, "batch_size": _batch_size(request, index), "scales_span_rows": scheme.scales_span_rows,
    }  # fmt: skip


def _failed(error: QdashError) -> dict[str, Any]:
    status = "skipped" if error.kind in ("unavailable", "cancelled") else "failed"
    return {"status": status, "error": ErrorRecord.of(error)}


def _batch_size(request: EvaluationRequest, index: int) -> int:
    """A simulated scheme's time means nothing, so where rows would disturb each other it answers them one by one."""
    scheme = find_scheme(request.variants[index].scheme)
    return 1 if scheme.scales_span_rows and scheme.kind == "simulated" else request.batch_size
