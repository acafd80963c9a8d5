"""Follow the original's own answers with several mixes, one after the other: how far each is from the original, and what it answers itself.

The items are the unit: a divergence is known as the mean over the items, and two mixes are compared item by item, as a hard item is hard
for both.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import forward_events
from qdash.records import (
    Agreement,
    BatchAnswered,
    BatchRequest,
    Emitted,
    ErrorRecord,
    EvaluationRequest,
    FollowedItem,
    KlDifference,
    Loaded,
    MeasuredMix,
    Mix,
    Proportion,
    Question,
    Reference,
    Reply,
    Step,
    WorkerSpec,
)
from qdash.runs.mix.choice import Choices
from qdash.runs.plan import with_worker, worker_spec
from qdash.runs.workload import proof_work
from qdash.stats.means import mean_interval
from qdash.tasks import CalibrationSet, accuracy_of, grade

Result = TypeVar("Result")


@dataclass(frozen=True)
class Followed:
    """What came of a mix. `items`: those whose answers were followed, `tokens`: of all answers; `snippet`: Python that makes the mix."""

    measured: MeasuredMix
    snippet: str | None
    items: tuple[str, ...]
    tokens: int


def follow(
    mixes: Sequence[Mix],
    choices: Choices,
    checkpoint: Checkpoint,
    held_out: CalibrationSet,
    executor: Executor,
    stop: StopSignal | None,
    *,
    stay_warm: bool = True,
) -> Generator[Step | Followed, None, None]:
    """Follow the answers with each of `mixes`, of which the first is the original; yields progress, and each mix as it is known.

    A mix that fails says why. Without `stay_warm` its worker ends with it. Raises QdashError where the original fails.
    """
    device = choices.report.device
    variants = [_variant(mix, choices, checkpoint) for mix in mixes]
    passes = len(held_out.items) * (held_out.max_tokens + len(variants))
    work = proof_work(checkpoint, [(one.mix.recipe, one.loading_bytes) for one in variants], passes, device)
    yield from executor.run(partial(_followed, variants, held_out, stay_warm), work, stop)


def difference(one: MeasuredMix, other: MeasuredMix) -> KlDifference | None:
    """The divergence of `one` minus the other's, item by item; None for one item, and where a mix has no figures."""
    if len(one.kl_nats) < 2 or len(one.kl_nats) != len(other.kl_nats):
        return None
    mean, low, high = mean_interval([ours - theirs for ours, theirs in zip(one.kl_nats, other.kl_nats, strict=True)])
    return KlDifference(mean_nats=mean, low_nats=low, high_nats=high)


@dataclass(frozen=True)
class _Variant:
    mix: Mix
    spec: WorkerSpec
    loading_bytes: int


def _variant(mix: Mix, choices: Choices, checkpoint: Checkpoint) -> _Variant:
    device, dtype = choices.report.device, choices.dtype
    sizes = checkpoints.sizes_of(checkpoint, find_scheme(mix.recipe), dtype, device, wait_s=0)
    return _Variant(mix, worker_spec(checkpoint, mix.recipe, device, dtype), with_worker(sizes.loading_bytes, device))


def _followed(
    variants: Sequence[_Variant], held_out: CalibrationSet, stay_warm: bool, executor: Executor, stop: StopSignal | None
) -> Generator[Step | Followed, None, None]:
    references: dict[int, Reference] = {}
    for place, variant in enumerate(variants):
        run = _Run(variant, held_out, WorkerClient(executor, variant.spec, stop), place / len(variants), 1 / len(variants))
        snippet = None
        try:
            loaded = yield from run.load()
            snippet = loaded.snippet
            references = references or (yield from run.references())
            measured = yield from run.measured(loaded, references)
        except QdashError as error:
            if error.kind == "cancelled" or place == 0:
                raise
            measured = run.known.model_copy(update={"problem": ErrorRecord.of(error)})
        if place and not stay_warm:
            executor.end(variant.spec)
        tokens = sum(len(reference.tokens) for reference in references.values())
        yield Followed(measured, snippet, tuple(held_out.followed[place].id for place in references), tokens)


@dataclass(frozen=True)
class _Run:
    """One variant's part: from `begin` on, `share` of the whole."""

    variant: _Variant
    held_out: CalibrationSet
    worker: WorkerClient
    begin: float
    share: float

    @property
    def known(self) -> MeasuredMix:
        mix = self.variant.mix
        return MeasuredMix(scheme=mix.recipe, label=mix.label, kind=mix.kind)

    def load(self) -> Generator[Step, None, Loaded]:
        """The variant, loaded."""
        return (yield from self._moved(self.worker.load(reserve_bytes=self.variant.loading_bytes), 0.0, "loading weights"))

    def references(self) -> Generator[Step, None, dict[int, Reference]]:
        """What the original says along its answers, by the place of the item; an item that does not fit its context is left out."""
        found: dict[int, Reference] = {}
        refused: QdashError | None = None
        for place, item in enumerate(self.held_out.followed):
            question, words = _question(item), f"answer {place + 1} of {len(self.held_out.followed)}"
            try:
                said: tuple[int, ...] | str | None = item.text
                if said is None:
                    said = (yield from self._moved(self.worker.answer(question, item.max_tokens), 0.1, words)).tokens
                found[place] = yield from self._moved(self.worker.record_reference(question, said), 0.1, words)
            except QdashError as error:
                if error.kind != "bad_input":
                    raise
                refused = error
        if not found and refused is not None:
            raise refused
        return found

    def measured(self, loaded: Loaded, references: dict[int, Reference]) -> Generator[Step, None, MeasuredMix]:
        """How far the variant is from the original along the answers, and what it answers itself."""
        agreements: list[Agreement] = []
        for done, (place, reference) in enumerate(references.items()):
            call = self.worker.compare_to_reference(_question(self.held_out.followed[place]), reference)
            agreements.append((yield from self._moved(call, 0.2 + 0.5 * done / len(references), f"following answer {done + 1}")))
        accuracy = (yield from self._accuracy(list(references))) if self.held_out.rule is not None else None
        stored = loaded.projected_bytes if self.variant.mix.kind == "simulated" else loaded.weights_bytes
        tokens = sum(agreement.tokens for agreement in agreements)
        return self.known.model_copy(
            update={
                **_divergence([agreement.kl_mean_nats for agreement in agreements]),
                "weights_bytes": stored,
                "top1": sum(agreement.top1 * agreement.tokens for agreement in agreements) / tokens,
                "accuracy": accuracy,
            }
        )

    def _accuracy(self, places: list[int]) -> Generator[Step, None, Proportion | None]:
        assert self.held_out.rule is not None
        items = [self.held_out.items[place] for place in places]
        scheme = find_scheme(self.variant.mix.recipe)
        size = EvaluationRequest.model_fields["batch_size"].default
        request = BatchRequest(
            questions=tuple(_question(self.held_out.followed[place]) for place in places), targets=tuple(item.target for item in items),
            plain=self.held_out.plain, max_new_tokens=self.held_out.max_tokens, can_share=False,
            batch_size=1 if scheme.scales_span_rows and scheme.kind == "simulated" else size,
        )  # fmt: skip
        replies: list[Reply] = []
        yield from self._moved(self.worker.run_batches(request), 0.7, "answering", replies)
        return accuracy_of([grade(reply, items[reply.index].question, self.held_out.rule) for reply in replies])

    def _moved(
        self, call: Generator[Emitted, None, Result], done: float, words: str, replies: list[Reply] | None = None
    ) -> Generator[Step, None, Result]:
        """The result of a call, whatever it emits; `replies` gets the answers of batches."""
        yield Step(fraction=self.begin + self.share * done, detail=f"{self.variant.mix.label}: {words}")

        def quiet(item: Emitted) -> Iterator[Step]:
            if isinstance(item, BatchAnswered) and replies is not None:
                replies.extend(item.replies)
            return iter(())

        return (yield from forward_events(call, quiet))


def _question(item: FollowedItem) -> Question:
    return Question(prompt=item.prompt, plain=item.plain, png=item.png)


def _divergence(nats: Sequence[float | None]) -> dict[str, Any]:
    """The fields about divergences; none where the variant's scores are not finite for some item."""
    known = [value for value in nats if value is not None]
    if len(known) < len(nats):
        broken = ErrorRecord(kind="not_finite", message="Its scores are NaN or infinite.", remedy="Choose other schemes.")
        return {"problem": broken}
    if len(known) < 2:
        return {"kl_nats": tuple(known), "kl_mean_nats": known[0]}
    mean, low, high = mean_interval(known)
    return {"kl_nats": tuple(known), "kl_mean_nats": mean, "kl_low": max(0.0, low), "kl_high": high}
