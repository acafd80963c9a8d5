"""What each layer of a model costs under each scheme, measured on the model's own answers or estimated.

Answers are those to half of the questions, so that what is found on them can be proved on the others (see `CalibrationSet`). Finished
reports are kept, so that whatever is asked of them later is answered at once.
"""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from math import isfinite
from threading import Event

from qdash import checkpoints
from qdash.catalog.models import is_random, model_name
from qdash.catalog.recipes import rules_of
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import forward_events
from qdash.machine import this_machine
from qdash.records import (
    Dtype,
    LayerDamage,
    SensitivityBegun,
    SensitivityMethod,
    SensitivityReport,
    SensitivityRequest,
    Step,
    WorkerSpec,
)
from qdash.runs import kept
from qdash.runs.plan import default_dtype, with_worker, worker_spec
from qdash.runs.workload import sensitivity_work
from qdash.stats.ranks import spearman
from qdash.tasks import CalibrationSet

VERSION = 1
"""Counts up when figures change their meaning."""

WITHIN_S = 120.0
"""Every layer is measured where that is expected to take no longer."""

_PASS_S = 0.03
"""About what a pass takes on the fastest device: no more passes than this allows are ever begun."""

_KEPT_BYTES = 2**30
"""The most that a worker keeps beside the model: outputs of blocks, or inputs and gradients of layers."""

Emission = Step | SensitivityBegun | LayerDamage


def measure_sensitivity(
    model: str,
    schemes: Sequence[str],
    calibration: CalibrationSet,
    executor: Executor,
    stop: Event | None = None,
    *,
    device: str = "auto",
    baseline_dtype: Dtype | None = None,
    method: SensitivityMethod | None = None,
    within_s: float = WITHIN_S,
) -> Generator[Emission, None, SensitivityReport]:
    """Find out what each layer costs along `calibration.search`, yielding how and each layer as it is known; raises QdashError.

    Plain floats among `schemes` are left out. What is there when `stop` is set is kept, if a layer is. See `SensitivityRequest` for
    `method` and `within_s`.
    """
    keys = check_searched(model, schemes)
    here = this_machine().on(device)
    yield Step(detail="looking for the model")
    located = checkpoints.locate(model, stop)
    problems = [checkpoints.weights_problem(located)]
    problems += [unavailable(find_scheme(key), here) or checkpoints.unsuited(located, find_scheme(key), here) for key in keys]
    problem = next(filter(None, problems), None)
    if problem:
        raise problem
    checkpoint: Checkpoint = yield from checkpoints.obtain(located, stop)
    search = calibration.search
    if not search.items:
        raise QdashError("There are no questions to follow the answers to.", "Give at least one question.")
    request = SensitivityRequest(items=search.followed, schemes=tuple(keys), method=method, within_s=within_s)
    spec = worker_spec(checkpoint, "original", here.device, baseline_dtype or default_dtype(here.accelerator, checkpoint))
    place = kept.Place("sensitivity", VERSION, spec, _subject(request))
    known = kept.find(place, SensitivityReport)
    if known is None:
        known = yield from _found(checkpoint, spec, request, executor, stop)
        if known.complete:
            kept.keep(place, known)
    return known.model_copy(update={"model": model, "held_out": len(calibration.held_out.items)})


def check_searched(model: str, schemes: Sequence[str]) -> list[str]:
    """The keys of the schemes that quantize, each once; raises QdashError for those that no layer can be given, and for random weights."""
    problem = untrained(model)
    if problem:
        raise problem
    keys = list(dict.fromkeys(find_scheme(key).key for key in schemes if not find_scheme(key).is_baseline))
    if not keys:
        raise QdashError("No quantization scheme is chosen.", "Choose at least one besides the original, such as bnb-nf4.")
    problem = next(filter(None, map(not_alone, keys)), None)
    if problem:
        raise problem
    return keys


def untrained(model: str) -> QdashError | None:
    """Why the answers of `model` are not worth following; None if they are."""
    if not is_random(model):
        return None
    return QdashError(f"{model_name(model)} has random weights: what it answers means nothing.", "Choose a model that has been trained.")


def not_alone(key: str) -> QdashError | None:
    """Why the scheme `key` cannot be given to one layer alone; None if it can."""
    if rules_of(find_scheme(key)) is None and not find_scheme(key).family.keeps_file:
        return None
    return QdashError(f"“{key}” cannot be given to one layer alone.", "Choose schemes that quantize any layer, such as bnb-nf4.")


def _subject(request: SensitivityRequest) -> list[object]:
    """What a result depends on besides checkpoint, device and type. How long measuring may take decides between the methods alone."""
    items = [[item.id, item.plain, item.max_tokens, item.text] for item in request.items]
    return [list(request.schemes), items, request.method, request.within_s]


def _found(
    checkpoint: Checkpoint, spec: WorkerSpec, request: SensitivityRequest, executor: Executor, stop: Event | None
) -> Generator[Emission, None, SensitivityReport]:
    begun: list[SensitivityBegun] = []
    damages: dict[tuple[str, str], LayerDamage] = {}

    def collected(item: Emission) -> Iterator[Emission]:
        if isinstance(item, SensitivityBegun):
            begun.append(item)
        elif isinstance(item, LayerDamage):
            damages[item.name, item.scheme] = item
        yield item

    loading_bytes = with_worker(
        checkpoints.sizes_of(checkpoint, find_scheme("original"), spec.dtype, spec.device, wait_s=0).loading_bytes, spec.device
    )
    answering = sum(item.max_tokens for item in request.items)
    work = sensitivity_work(checkpoint, request.schemes, loading_bytes, answering + int(request.within_s / _PASS_S), spec.device)
    complete = True
    try:
        yield from forward_events(executor.run(partial(_measured, spec, request, loading_bytes), work, stop), collected)
    except QdashError as error:
        if not damages or error.kind not in ("cancelled", "worker_died", "out_of_memory"):
            raise
        complete = False
    return _report(checkpoint.model, spec, request, begun[0], list(damages.values()), complete)


def _measured(
    spec: WorkerSpec, request: SensitivityRequest, loading_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Emission, None, SensitivityBegun]:
    worker = WorkerClient(executor, spec, stop)
    yield Step(detail="loading weights")
    yield from worker.load(reserve_bytes=loading_bytes)
    beside = min(loading_bytes, _KEPT_BYTES)
    return (yield from worker.measure_sensitivity(request, reserve_bytes=loading_bytes + beside))


def _report(
    model: str, spec: WorkerSpec, request: SensitivityRequest, begun: SensitivityBegun, damages: Sequence[LayerDamage], complete: bool
) -> SensitivityReport:
    pairs = [
        (entry.estimated_nats, entry.kl_mean_nats)
        for entry in damages
        if entry.estimated_nats is not None and entry.kl_mean_nats is not None and isfinite(entry.estimated_nats)
    ]
    return SensitivityReport(
        model=model, revision=spec.revision, device=spec.device, dtype=begun.dtype, method=begun.method,
        items=tuple(item.id for item in request.items), tokens=begun.tokens, fixed_bytes=begun.fixed_bytes,
        spearman=spearman(*zip(*pairs, strict=True)) if len(pairs) > 1 else None, checked=len(pairs), complete=complete,
        layers=tuple(damages),
    )  # fmt: skip
