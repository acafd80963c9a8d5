"""Prove a mix on the items that the search did not see: beside the original, one scheme for all layers, and a mix drawn by chance.

All follow the original's own answers to the same items. The items are the unit: a divergence is known as the mean over the items, and two
variants are compared item by item, as a hard item is hard for both.
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
from qdash.execution.work import VariantWork, Work
from qdash.records import (
    Agreement,
    BatchAnswered,
    BatchRequest,
    Device,
    Dtype,
    Emitted,
    ErrorRecord,
    EvaluationRequest,
    FollowedItem,
    KlDifference,
    Loaded,
    Mix,
    MixProof,
    ProofName,
    Proportion,
    Question,
    Reference,
    Reply,
    Rule,
    Step,
    WorkerSpec,
)
from qdash.runs.mix.choice import Choices
from qdash.runs.plan import with_worker, worker_spec
from qdash.stats.means import mean_interval
from qdash.tasks import Item, accuracy_of, grade

_ALIKE = 1.02
"""Uniform schemes within this factor of the nearest size are of the same size."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Held:
    """The items to prove on, and how their answers are followed and graded; no `rule` where they have no right answer."""

    items: tuple[Item, ...]
    followed: tuple[FollowedItem, ...]
    plain: bool
    max_tokens: int
    rule: Rule | None


@dataclass(frozen=True)
class Proof:
    """What came of it. `tokens`: of all answers; `snippet`: Python that makes the mix."""

    variants: tuple[MixProof, ...]
    items: tuple[str, ...]
    tokens: int
    snippet: str | None


def rival(choices: Choices, mix: Mix) -> Mix:
    """The best uniform scheme that is not smaller than the mix: of those nearest in size the one of least damage; else the best of all."""
    uniform = [choices.uniform(key) for key in choices.schemes]
    larger = [one for one in uniform if one.weights_bytes >= mix.weights_bytes]
    nearest = min((one.weights_bytes for one in larger), default=0)
    return min([one for one in larger if one.weights_bytes <= nearest * _ALIKE] or uniform, key=lambda one: one.predicted_kl_nats)


def prove(
    choices: Choices, mix: Mix, checkpoint: Checkpoint, held: Held, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, Proof]:
    """Follow the answers with all four, yielding progress; a variant that fails says why. Raises QdashError where the original fails."""
    report = choices.report
    asked: list[tuple[ProofName, Mix]] = [
        ("original", choices.original),
        ("mix", mix),
        ("uniform", rival(choices, mix)),
        ("random", choices.drawn(mix.weights_bytes)),
    ]
    variants = [_variant(name, one, checkpoint, report.device, choices.dtype) for name, one in asked]
    passes = len(held.items) * (held.max_tokens + len(variants))
    parts = tuple(VariantWork("prove", report.model, one.spec.scheme or "", one.loading_bytes, passes) for one in variants)
    found, tokens, items, snippet = yield from executor.run(partial(_proved, variants, held), Work(report.device, parts), stop)
    return Proof(tuple(map(partial(_versus, found), found)), items, tokens, snippet)


@dataclass(frozen=True)
class _Variant:
    name: ProofName
    mix: Mix
    spec: WorkerSpec
    loading_bytes: int


def _variant(name: ProofName, mix: Mix, checkpoint: Checkpoint, device: Device, dtype: Dtype) -> _Variant:
    sizes = checkpoints.sizes_of(checkpoint, find_scheme(mix.recipe), dtype, device, wait_s=0)
    return _Variant(name, mix, worker_spec(checkpoint, mix.recipe, device, dtype), with_worker(sizes.loading_bytes, device))


def _proved(
    variants: Sequence[_Variant], held: Held, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, tuple[list[MixProof], int, tuple[str, ...], str | None]]:
    found: list[MixProof] = []
    references: dict[int, Reference] = {}
    snippet = None
    for place, variant in enumerate(variants):
        run = _Run(variant, held, WorkerClient(executor, variant.spec, stop), place / len(variants), 1 / len(variants))
        try:
            loaded = yield from run.load()
            references = references or (yield from run.references())
            if variant.name == "mix":
                snippet = loaded.snippet
            found.append((yield from run.followed(loaded, references)))
        except QdashError as error:
            if error.kind == "cancelled" or variant.name == "original":
                raise
            found.append(run.known.model_copy(update={"problem": ErrorRecord.of(error)}))
    tokens = sum(len(reference.tokens) for reference in references.values())
    return found, tokens, tuple(held.followed[place].id for place in references), snippet


@dataclass(frozen=True)
class _Run:
    """One variant's part: from `begin` on, `share` of the whole."""

    variant: _Variant
    held: Held
    worker: WorkerClient
    begin: float
    share: float

    @property
    def known(self) -> MixProof:
        mix = self.variant.mix
        return MixProof(name=self.variant.name, scheme=mix.recipe, label=mix.label, kind=mix.kind)

    def load(self) -> Generator[Step, None, Loaded]:
        """The variant, loaded."""
        return (yield from self._moved(self.worker.load(reserve_bytes=self.variant.loading_bytes), 0.0, "loading weights"))

    def references(self) -> Generator[Step, None, dict[int, Reference]]:
        """What the original says along its answers, by the place of the item; an item that does not fit its context is left out."""
        found: dict[int, Reference] = {}
        refused: QdashError | None = None
        for place, item in enumerate(self.held.followed):
            question, words = _question(item), f"answer {place + 1} of {len(self.held.followed)}"
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

    def followed(self, loaded: Loaded, references: dict[int, Reference]) -> Generator[Step, None, MixProof]:
        """How far the variant is from the original along the answers, and what it answers itself."""
        agreements: list[Agreement] = []
        for done, (place, reference) in enumerate(references.items()):
            call = self.worker.compare_to_reference(_question(self.held.followed[place]), reference)
            agreements.append((yield from self._moved(call, 0.2 + 0.5 * done / len(references), f"following answer {done + 1}")))
        accuracy = (yield from self._accuracy(list(references))) if self.held.rule is not None else None
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
        assert self.held.rule is not None
        items = [self.held.items[place] for place in places]
        scheme = find_scheme(self.variant.mix.recipe)
        size = EvaluationRequest.model_fields["batch_size"].default
        request = BatchRequest(
            questions=tuple(_question(self.held.followed[place]) for place in places), targets=tuple(item.target for item in items),
            plain=self.held.plain, max_new_tokens=self.held.max_tokens, can_share=False,
            batch_size=1 if scheme.scales_span_rows and scheme.kind == "simulated" else size,
        )  # fmt: skip
        replies: list[Reply] = []
        yield from self._moved(self.worker.run_batches(request), 0.7, "answering", replies)
        return accuracy_of([grade(reply, items[reply.index].question, self.held.rule) for reply in replies])

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


def _versus(found: Sequence[MixProof], one: MixProof) -> MixProof:
    """`one` with the mix's divergence minus its own, item by item."""
    mix = next(proof for proof in found if proof.name == "mix")
    if one is mix or len(mix.kl_nats) < 2 or len(one.kl_nats) != len(mix.kl_nats):
        return one
    mean, low, high = mean_interval([ours - theirs for ours, theirs in zip(mix.kl_nats, one.kl_nats, strict=True)])
    return one.model_copy(update={"versus_mix": KlDifference(mean_nats=mean, low_nats=low, high_nats=high)})
