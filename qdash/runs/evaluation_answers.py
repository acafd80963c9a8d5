"""How the variants of an evaluation answer: in batches, one variant after another, giving way to others between two batches."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from qdash.busyness import OthersLoad
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.execution import Rank
from qdash.execution.forward import forward_events
from qdash.records import (
    BatchAnswered,
    BatchRequest,
    BatchStats,
    Emitted,
    EvaluatedVariant,
    EvaluationEvent,
    EvaluationNoise,
    EvaluationProgress,
    EvaluationRequest,
    EvaluationStage,
    ItemResult,
    ItemsAnswered,
    Question,
    Reply,
    Rule,
    Step,
)
from qdash.runs.batch_times import noise_between, ratio_between, retimed
from qdash.runs.evaluated_models import progress_of
from qdash.runs.variant_run import VariantRun, failed, known_of
from qdash.runs.workload import Found
from qdash.tasks import Item, Task, accuracy_of, grade, summarize

Result = TypeVar("Result")


@dataclass(kw_only=True)
class EvaluationAnswers(VariantRun[EvaluationRequest]):
    """The answers of every variant to the `items` of `task`."""

    task: Task
    items: tuple[Item, ...]
    rank: Rank = field(default_factory=lambda: Rank().for_timing())
    batches: list[BatchAnswered] = field(default_factory=list)
    """Of the variant whose turn it is."""
    judged: list[ItemResult] = field(default_factory=list)
    """Its answers so far."""
    first: list[BatchAnswered] = field(default_factory=list)
    """Of the baseline."""
    own: dict[int, Reply] = field(default_factory=dict)
    """What the baseline answered, by question."""
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
        known = evaluated_known_of(self.request, self.found, index)
        self.batches, self.judged = [], []
        try:
            if self.stopped():
                raise QdashError("Stopped before this variant's turn.", "Evaluate again to run it.", "cancelled")
            yield from self._load(index, known)
            load = OthersLoad(self.device)
            stats = yield from self._answer(index)
            known.update(total_s=stats.total_s, peak_bytes=stats.peak_bytes, busy=load.share())
            known.update(self._shared(index, stats.batch_size))
            if index == 0:
                known["scores_finite"] = yield from self._finite_scores()
        except QdashError as error:
            known.update(failed(error))
        if index == 0:
            self.first = self.batches
        elif self.scheme(index).kind == "real":
            known.update(time=ratio_between(self.first, self.batches))
        return EvaluatedVariant(**(known | self._figures(known.get("total_s"))))

    def noise_floor(self, baseline: EvaluatedVariant) -> Generator[EvaluationEvent, None, EvaluationNoise | None]:
        """Let the baseline answer its first batches again; None if it did not answer all, or the person has seen enough."""
        if baseline.status != "ok" or self.stopped():
            return None
        first = self.first[: retimed(len(self.first))]
        self.batches = []
        try:
            # It may have had to make room for the others.
            yield from self._relayed(self.worker(0).load(reserve_bytes=self.loading_bytes(0)), 0, "re-timing")
            yield from self._answer(0, batches=len(first))
        except QdashError:
            return None
        return noise_between(first, self.batches)

    def _load(self, index: int, known: dict[str, Any]) -> Generator[EvaluationEvent, None, None]:
        checkpoint, model = self.prepare(index), self.request.variants[index].model
        if checkpoint.task != "image-text-to-text" and any(item.png for item in self.items):
            raise QdashError(f"{model} reads text only, and this task has pictures.", "Choose a model that sees, or another task.")
        if checkpoint.quantization is not None:
            known.update(bits=checkpoint.quantization.bits)
        call = self.worker(index).load(reserve_bytes=self.loading_bytes(index))
        loaded = yield from self._relayed(call, index, "loading")
        known.update(notes=(*checkpoint.notes, *loaded.notes))
        known.update({name: getattr(loaded, name) for name in ("load_s", "weights_bytes", "projected_bytes", "dtype", "coverage")})

    def _answer(self, index: int, batches: int | None = None) -> Generator[EvaluationEvent, None, BatchStats]:
        request = BatchRequest(
            questions=tuple(Question(prompt=item.question.prompt, png=item.png) for item in self.items),
            targets=tuple(item.target for item in self.items), plain=self.task.plain, max_new_tokens=self.max_new_tokens,
            batch_size=batch_size_of(self.request, index) if self._may_share(index) is not False else 1, batches=batches,
            # Rows that one scale rounds differ side by side in any model, which would tell nothing of this one.
            can_share=self._may_share(index) is True or self.scheme(index).scales_span_rows,
        )  # fmt: skip
        stage: EvaluationStage = "answering" if batches is None else "re-timing"
        parts: list[BatchStats] = []
        while not parts or parts[-1].paused_at is not None:
            if parts:
                used = {"first": parts[-1].paused_at, "batch_size": parts[-1].batch_size, "can_share": True}
                request = request.model_copy(update=used)
            # Whoever had the device meanwhile may have needed this variant's memory.
            reserve_bytes = self.loading_bytes(index) if parts else 0
            call = self.worker(index).run_batches(request, reserve_bytes=reserve_bytes, gives_way=True)
            parts.append((yield from self._relayed(call, index, stage)))
        return BatchStats(
            total_s=sum(part.total_s for part in parts), peak_bytes=max(part.peak_bytes for part in parts), batch_size=parts[-1].batch_size
        )

    def _may_share(self, index: int) -> bool | None:
        """Whether questions to this variant may share a batch; None: not known yet."""
        return self.shares.get(self.request.variants[index].model)

    def _shared(self, index: int, batch_size: int | None) -> dict[str, Any]:
        """Keep how many questions variant `index` was asked at a time, and give what its result says of it."""
        asked = batch_size_of(self.request, index)
        if batch_size is None or asked == 1:
            return {}
        if not self.scheme(index).scales_span_rows:
            self.shares.setdefault(self.request.variants[index].model, batch_size == asked)
        return {"batch_size": batch_size, "reads_padding": batch_size < asked}

    def _finite_scores(self) -> Generator[EvaluationEvent, None, bool | None]:
        """Whether the baseline's scores along its first answer are numbers: NaN answers something too, and the same in every variant."""
        first = self.judged[0]
        item = self.items[first.index]
        said, question = first.answer.strip() or item.question.answer, Question(prompt=item.question.prompt, png=item.png)
        try:
            yield from self._relayed(self.worker(0).record_reference(question, said), 0, "answering")
        except QdashError as error:
            return False if error.kind == "not_finite" else None
        return True

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
            return progress_of(index, stage, step, len(self.items))
        last = self.batches[-1]
        return EvaluationProgress(
            index=index, stage=stage, fraction=last.done / last.total, detail=step.detail, done=last.done, total=last.total,
            eta_s=last.eta_s,
        )  # fmt: skip

    def _answered(self, index: int) -> ItemsAnswered:
        replies = self.batches[-1].replies
        if index == 0:
            self.own.update({reply.index: reply for reply in replies})
        # Of another model the tokens may be others.
        own = self.own if self.request.variants[index].model == self.request.variants[0].model else {}
        new = [grade(reply, self.items[reply.index].question, self.rule, own.get(reply.index)) for reply in replies]
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
            **summarize(self.judged, [item.question for item in self.items]),
            "total_s": seconds,
            "per_item_s": seconds / len(self.judged),
            "new_tokens": sum(len(reply.tokens) for batch in self.batches for reply in batch.replies),
        }


def evaluated_known_of(request: EvaluationRequest, found: Found, index: int) -> dict[str, Any]:
    """The fields of variant `index`'s result that are known before it answers anything."""
    scheme = find_scheme(request.variants[index].scheme)
    return known_of(request, found, index) | {
        "batch_size": batch_size_of(request, index),
        "scales_span_rows": scheme.scales_span_rows,
    }


def batch_size_of(request: EvaluationRequest, index: int) -> int:
    """A simulated scheme's time means nothing, so where rows would disturb each other it answers them one by one."""
    scheme = find_scheme(request.variants[index].scheme)
    return 1 if scheme.scales_span_rows and scheme.kind == "simulated" else request.batch_size
