"""An evaluation: give every variant the same task in turn, count the right answers, and relay what happens as events.

All variants answer the same questions in the same batches, so that they are compared question by question and their times are of equal
work. The baseline goes first, and answers its first batches again last, which tells how much this machine's speed wanders. A variant
that fails, or is stopped, costs its own questions only. Nothing here knows torch, a process or a screen.
"""

from collections.abc import Generator, Iterator, Sequence
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
from qdash.planning import check_runnable, device_of, dtype_of, host_of, labels_of, model_name, worker_spec
from qdash.records import (
    BatchAnswered,
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
    Exercised,
    ItemResult,
    ItemsAnswered,
    Loaded,
    Question,
    Rule,
    Step,
    Timing,
    WorkerSpec,
)
from qdash.tasks import Item, Task, accuracy_of, beside, bundled_items, counted, find_task, judged, spread

AGAIN = 4  # the baseline answers one batch in so many again


def evaluate(
    request: EvaluationRequest, executor: Executor, stop: StopEvent | None = None, items: Sequence[Item] | None = None
) -> Iterator[EvaluationEvent]:
    """Run `request` and yield its events, `EvaluationDone` last.

    `items`: the questions; None: the task's own. When `stop` is set, a variant keeps the answers it has, those after it become "skipped",
    and the evaluation ends with that. Raises QdashError only if nothing can be evaluated at all.
    """
    task = find_task(request.task)
    run = _Run(request, task, _chosen(task, request, items), executor, stop, _located(request))
    results: list[EvaluatedVariant] = []
    for index in range(len(request.variants)):
        result = yield from run.variant(index)
        results.append(beside(result, results[0], len(run.items)) if results else result)
        yield EvaluatedVariantDone(index=index, result=results[-1])
    noise = yield from run.noise_floor(results[0])
    evaluation = Evaluation(
        host=host_of(request), request=request, task_label=task.label, rule=run.rule, max_new_tokens=run.max_new_tokens, noise_floor=noise,
        variants=tuple(results), questions=tuple(item.question for item in run.items),
    )  # fmt: skip
    yield EvaluationDone(evaluation=evaluation)


@dataclass
class _Run:
    request: EvaluationRequest
    task: Task
    items: tuple[Item, ...]
    executor: Executor
    stop: StopEvent | None
    located: dict[str, Checkpoint | QdashError]
    specs: dict[int, WorkerSpec] = field(default_factory=dict)
    batches: list[BatchAnswered] = field(default_factory=list)
    """Of the variant whose turn it is."""
    judged: list[ItemResult] = field(default_factory=list)
    """Its answers so far."""
    first: list[BatchAnswered] = field(default_factory=list)
    """Of the baseline."""

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
        variant, scheme = self.request.variants[index], find_scheme(self.request.variants[index].scheme)
        known: dict[str, Any] = {
            "scheme": scheme.key, "label": self._label(index), "kind": scheme.kind, "model": variant.model, "status": "ok",
            "bits": scheme.bits, "batch_size": self._batch_size(scheme), "scales_span_rows": scheme.scales_span_rows,
        }  # fmt: skip
        self.batches, self.judged = [], []
        try:
            if self.stop is not None and self.stop.is_set():
                raise QdashError("Stopped before this variant's turn.", "Evaluate again to run it.", "cancelled")
            yield from self._load(index, scheme, known)
            exercised: Exercised = yield from self._answer(index)
            known.update(total_s=exercised.total_s, peak_bytes=exercised.peak_bytes)
        except QdashError as error:
            status = "skipped" if error.kind in ("unavailable", "cancelled") else "failed"
            known.update(status=status, error=ErrorRecord.of(error))
        if index == 0:
            self.first = self.batches
        return EvaluatedVariant(**(known | self._figures(known.get("total_s"))))

    def noise_floor(self, baseline: EvaluatedVariant) -> Generator[EvaluationEvent, None, EvaluationNoise | None]:
        """Let the baseline answer its first batches again; None if it did not answer all, or the person has seen enough."""
        if baseline.status != "ok" or (self.stop is not None and self.stop.is_set()):
            return None
        first = self.first[: -(-len(self.first) // AGAIN)]
        self.batches = []
        try:
            # It may have had to make room for the others.
            load = self.executor.call(self.specs[0], "load", reserve_bytes=self._loading_bytes(0), stop=self.stop)
            yield from self._relayed(load, 0, "re-timing")
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
        checkpoint = yield from self._obtained(model, index)
        problem = checkpoints.published_problem(checkpoint, scheme, here)
        if problem:
            raise problem
        if checkpoint.task != "image-text-to-text" and any(item.png for item in self.items):
            raise QdashError(f"{model} reads text only, and this task has pictures.", "Choose a model that sees, or another task.")
        if checkpoint.quantization is not None:
            known.update(bits=checkpoint.quantization.bits)
        self.specs[index] = worker_spec(checkpoint, scheme.key, device_of(self.request), dtype_of(self.request))
        call = self.executor.call(self.specs[index], "load", reserve_bytes=self._loading_bytes(index), stop=self.stop)
        loaded: Loaded = yield from self._relayed(call, index, "loading")
        known.update({name: getattr(loaded, name) for name in ("load_s", "weights_bytes", "projected_bytes", "dtype")})

    def _answer(self, index: int, batches: int | None = None) -> Generator[EvaluationEvent, None, Exercised]:
        exercise = Exercise(
            questions=tuple(Question(prompt=item.question.prompt, png=item.png) for item in self.items),
            targets=tuple(item.target for item in self.items), plain=self.task.plain, max_new_tokens=self.max_new_tokens,
            batch_size=self._batch_size(find_scheme(self.request.variants[index].scheme)), batches=batches,
        )  # fmt: skip
        call = self.executor.call(self.specs[index], "exercise", exercise, stop=self.stop)
        return (yield from self._relayed(call, index, "answering" if batches is None else "re-timing"))

    def _batch_size(self, scheme: Scheme) -> int:
        """A simulated scheme's time means nothing, so where rows would disturb each other it answers them one by one."""
        return 1 if scheme.scales_span_rows and scheme.kind == "simulated" else self.request.batch_size

    def _relayed(self, call: Generator[Emitted, None, Any], index: int, stage: EvaluationStage) -> Generator[EvaluationEvent, None, Any]:
        """Turn what a worker emits into events of variant `index`; returns the call's result."""
        yield EvaluationProgress(index=index, stage=stage, total=len(self.items))
        while True:
            try:
                item = next(call)
            except StopIteration as end:
                return end.value
            if isinstance(item, Step):
                yield EvaluationProgress(index=index, stage=stage, fraction=item.fraction, detail=item.detail, total=len(self.items))
            elif isinstance(item, BatchAnswered):
                self.batches.append(item)
                if stage == "answering":
                    yield self._answered(index)
                yield EvaluationProgress(
                    index=index, stage=stage, fraction=item.done / item.total, detail=f"{item.done} of {item.total}", done=item.done,
                    total=item.total, eta_s=item.eta_s,
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

    def _obtained(self, model: str, index: int) -> Generator[EvaluationEvent, None, Checkpoint]:
        found = self.located[model]
        if isinstance(found, QdashError):
            raise found
        if found.folder is None:
            found = yield from self._relayed(checkpoints.obtain(found, self.stop), index, "downloading")
            self.located[model] = found
        return found

    def _loading_bytes(self, index: int) -> int:
        variant = self.request.variants[index]
        found = self.located[variant.model]
        assert isinstance(found, Checkpoint)
        return checkpoints.loading_bytes(found, find_scheme(variant.scheme), dtype_of(self.request))

    def _label(self, index: int) -> str:
        located = [found for found in self.located.values() if isinstance(found, Checkpoint)]
        published = {found.model: found.quantization.label for found in located if found.quantization is not None}
        return labels_of(self.request.variants, published)[index]


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
        raise QdashError(f"The task “{task.key}” was given no questions.", "Hand in a file of them.")
    chosen = spread(own, request.limit)
    if not chosen:
        raise QdashError("There are no questions to ask.", "Hand in at least one.")
    return chosen


def _located(request: EvaluationRequest) -> dict[str, Checkpoint | QdashError]:
    """Find every model; one that fails costs its variants only, unless it is all there is. Random weights have nothing to say."""
    check_runnable(request)
    found: dict[str, Checkpoint | QdashError] = {}
    for model in dict.fromkeys(variant.model for variant in request.variants):
        try:
            if is_random(model):
                message = f"{model_name(model)} would only guess: its weights are random."
                raise QdashError(message, "Choose a model that has been trained.")
            found[model] = checkpoints.locate(model)
        except QdashError as error:
            found[model] = error
    problems = [item for item in found.values() if isinstance(item, QdashError)]
    if len(problems) == len(found):
        raise problems[0]
    return found
