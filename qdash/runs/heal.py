"""Healing a model for a scheme: estimated, trained with the original as teacher, and kept where every run finds it.

A stop keeps the best weights so far. The same call again goes on where it stopped, up to its minutes; with more minutes it learns on.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import forward_events
from qdash.execution.work import VariantWork, Work
from qdash.machine import memory_budget_bytes
from qdash.records import Device, Healed, HealEstimate, Healing, HealJob, HealPoint, HealReport, Request, Step, WorkerSpec, candidates
from qdash.runs.healing_passages import Lessons
from qdash.runs.own_answers import own_answers
from qdash.runs.plan import device_of, host_of, variants_of, with_worker, worker_spec
from qdash.stopping import unless_stopped

MOST_MINUTES = 24 * 60.0
BASELINE = "original"

_STATE_BYTES = 16
"""On the disk for each weight that is trained: itself and two moments, and the best so far."""
_TRAINED_BYTES = 4 + 8 + 4 + 12
"""In memory for each weight that is trained, beside two copies of the model: its gradient, two moments, the rounded weight, and what is
being written."""
_STEP_TOKENS, _STEP_LOGITS, _LOGIT_BYTES, _VALUE_BYTES = 2048, 2**24, 24, 8


def estimate_heal(
    checkpoint: Checkpoint, scheme: Scheme, device: Device, held_bytes: int = 0, wait_s: float = checkpoints.TABLE_WAIT_S
) -> HealEstimate:
    """What training will take; `held_bytes`: what workers hold that can be closed. Layers are waited for as long as `wait_s`."""
    sizes = checkpoints.sizes_of(checkpoint, scheme, "float32", device, wait_s)
    trained = round(checkpoint.parameters * (1.0 if sizes.share is None else sizes.share))
    matrices = [tensor.shape for tensor in checkpoint.own_tensors if len(tensor.shape) == 2]
    vocabulary = max((rows for rows, _ in matrices), default=0)
    values = sum(rows + columns for rows, columns in matrices if rows != vocabulary)
    logits = min(_STEP_LOGITS, _STEP_TOKENS * vocabulary) * _LOGIT_BYTES
    needed = 8 * checkpoint.parameters + _TRAINED_BYTES * trained + logits + _STEP_TOKENS * values * _VALUE_BYTES
    return HealEstimate(
        needed_bytes=with_worker(needed, device),
        available_bytes=memory_budget_bytes(device, held_bytes),
        trained_parameters=trained,
        rough=sizes.rough,
    )


@dataclass(frozen=True)
class HealPlan:
    """What is known before training. `trained_s`: how long the model was trained for the scheme so far; `kept`: what came of that."""

    estimate: HealEstimate
    trained_s: float
    kept: HealReport | None


def plan_heal(
    model: str, scheme: str, held_bytes: Callable[[Device], int], *, device: str = "auto", wait_s: float = checkpoints.TABLE_WAIT_S
) -> HealPlan:
    """Tell what training `model` for `scheme` would take, and what was trained before; loads nothing. Raises QdashError."""
    chosen, here = _healable(scheme), device_of(_request(model, device))
    located = checkpoints.locate(model)
    estimate = estimate_heal(located, chosen, here, held_bytes(here), wait_s=wait_s)
    return HealPlan(estimate, checkpoints.seconds_trained(located, scheme), checkpoints.healed_report(located, scheme))


def heal(
    model: str,
    scheme: str,
    lessons: Callable[[], Lessons] | None,
    minutes: float,
    executor: Executor,
    stop: Event | None = None,
    *,
    device: str = "auto",
) -> Generator[Step | HealEstimate, None, HealReport]:
    """Train `model` for `scheme` on `lessons`, which are made when they are needed (None: on its own answers, see `own_answers`); yield the
    estimate, the steps and the points, and keep what came of it.

    Raises QdashError: for a scheme that is not healed, for minutes out of range, "out_of_memory" before anything is trained where it does
    not fit, "cancelled" where it is stopped before anything is better than the weights that are only rounded.
    """
    chosen = _checked(scheme, minutes)
    request = _request(model, device)
    yield Step(detail="looking for the model")
    located = checkpoints.locate(model, stop)
    if located.folder is None:
        located = yield from checkpoints.obtain(located, stop)
    problem = checkpoints.weights_problem(located)
    if problem is not None:
        raise problem
    here = device_of(request)
    estimate = estimate_heal(located, chosen, here, executor.held_bytes(here))
    yield estimate
    if estimate.needed_bytes > estimate.available_bytes:
        raise _too_large(estimate)
    yield Step(detail="preparing what to train on")
    spec = worker_spec(located, BASELINE, here, "float32")
    if lessons is None:
        made = yield from own_answers(located, spec, estimate.needed_bytes, executor, stop)
    else:
        stopped = QdashError("Stopped before training began.", "Start it again when you like.", "cancelled")
        made = unless_stopped(lessons, stop, stopped)
    run = _Run(located, chosen, made, minutes, estimate, spec)
    healed = yield from run.trained(executor, stop)
    return run.kept(healed, request)


@dataclass(frozen=True)
class _Run:
    """One training. `points`: those of this run and of those before, as they come."""

    checkpoint: Checkpoint
    scheme: Scheme
    lessons: Lessons
    minutes: float
    estimate: HealEstimate
    spec: WorkerSpec
    points: list[HealPoint] = field(default_factory=list)

    @property
    def job(self) -> HealJob:
        folder = checkpoints.training_folder(self.checkpoint, self.scheme.key, _STATE_BYTES * self.estimate.trained_parameters)
        return HealJob(
            scheme=self.scheme.key, passages=self.lessons.passages, held_out=self.lessons.held_out, digest=self.lessons.digest,
            seconds=60 * self.minutes, folder=str(folder),
        )  # fmt: skip

    def trained(self, executor: Executor, stop: Event | None) -> Generator[Step, None, Healed | None]:
        """Train; None where it was stopped with something to keep."""
        work = Work(self.spec.device, (VariantWork("heal", self.checkpoint.model, self.scheme.key, self.estimate.needed_bytes),))
        try:
            job = partial(_trained, self.spec, self.job, self.estimate.needed_bytes)
            return (yield from forward_events(executor.run(job, work, stop), self._noted))
        except QdashError as error:
            if error.kind != "cancelled" or not self._is_better:
                raise
            return None

    def kept(self, healed: Healed | None, request: Request) -> HealReport:
        """Keep the best weights; raises QdashError where none are better than those that are only rounded."""
        if healed is not None:
            self.points[:] = healed.points
        if not self._is_better:
            message = f"{self.minutes:g} min of training made “{self.scheme.label}” no better on what was held out."
            raise QdashError(message, "Give it more minutes, or more to train on.", "unavailable")
        report = HealReport(
            model=self.checkpoint.model,
            revision=self.checkpoint.revision,
            scheme=self.scheme.key,
            label=self.scheme.label,
            unhealed=self.scheme.family.unhealed(self.scheme),
            source=self.lessons.source,
            passages=len(self.lessons.passages),
            held_out=len(self.lessons.held_out),
            minutes=self.minutes,
            points=tuple(self.points),
            estimate=self.estimate,
            healed=healed,
            device=self.spec.device,
            host=host_of(request),
            stopped=healed is None,
            learned=self.lessons.learned,
        )
        before = checkpoints.healed_report(self.checkpoint, self.scheme.key)
        if before is not None and before.best == report.best:  # the same weights once more
            report = report.model_copy(update={"check": before.check})
        folder = checkpoints.training_folder(self.checkpoint, self.scheme.key, 0)
        checkpoints.keep_healed(self.checkpoint, folder, report)
        return report

    @property
    def _is_better(self) -> bool:
        return bool(self.points) and min(point.held_out_kl for point in candidates(self.points)) < self.points[0].held_out_kl

    def _noted(self, step: Step) -> tuple[Step, ...]:
        if isinstance(step, Healing):
            self.points[:] = step.points
        return (step,)


def _trained(
    spec: WorkerSpec, job: HealJob, needed_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, Healed]:
    worker = WorkerClient(executor, spec, stop)
    yield Step(detail="loading weights")
    yield from worker.load(reserve_bytes=needed_bytes)
    yield Step(detail="reading what to train on")
    return (yield from worker.heal(job, reserve_bytes=needed_bytes))


def _request(model: str, device: str) -> Request:
    return Request(variants=variants_of(model, [BASELINE]), prompt="", device=device)


def _healable(key: str) -> Scheme:
    scheme = find_scheme(key)
    if not scheme.family.needs_healing:
        known = ", ".join(other.key for other in SCHEMES.values() if other.family.needs_healing)
        raise QdashError(f"“{scheme.label}” is not healed by training.", f"Choose from: {known}.")
    return scheme


def _checked(key: str, minutes: float) -> Scheme:
    scheme = _healable(key)
    if not 0 < minutes <= MOST_MINUTES:
        raise QdashError(f"{minutes:g} minutes of training are not possible.", f"Choose more than 0 and at most {MOST_MINUTES:,.0f}.")
    return scheme


def _too_large(estimate: HealEstimate) -> QdashError:
    message = f"Training needs about {estimate.needed_bytes / 1e9:.1f} GB; {estimate.available_bytes / 1e9:.1f} GB may be used."
    return QdashError(message, "Close other programs, or choose a smaller model.", "out_of_memory")
