"""Weight error: what schemes do to the weights of a model, over every weight, and inside one layer. Needs no loaded model.

Results are kept (see `cache`), so that what was measured before opens at once.
"""

from collections.abc import Generator, Sequence
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import this_machine
from qdash.records import Device, LayerDetail, MeasuredLayer, Step, WeightReport, WorkerSpec
from qdash.runs.plan import with_worker, worker_spec
from qdash.runs.weight_error import cache
from qdash.runs.workload import weight_error_work


def measure_weight_error(
    model: str, schemes: Sequence[str], executor: Executor, stop: Event | None = None, *, device: str = "auto"
) -> Generator[Step | MeasuredLayer, None, WeightReport]:
    """Measure what each scheme does to the weights of `model`, yielding each layer's result as it is known; raises QdashError.

    Plain floats among `schemes` are left out, as nothing is quantized there. Schemes measured before come from the cache. Those that cannot
    run on `device` are measured on the CPU. A calibrated scheme is measured by a worker of its own, which loads the model.
    """
    keys = list(dict.fromkeys(find_scheme(key).key for key in schemes if not find_scheme(key).is_baseline))
    devices: dict[str, Device] = {key: _device(key, device) for key in keys}
    if not keys:
        raise QdashError("No quantization scheme is chosen.", "Choose at least one besides the original, such as bnb-nf4.")
    checkpoint = yield from _located(model, keys, stop)
    specs = {key: _spec(checkpoint, devices[key], key) for key in keys}
    found = {key: weights for key in keys if (weights := cache.find(specs[key], key))}
    seconds, cached = 0.0, len(found) == len(keys)
    for spec in sorted(set(specs.values()), key=lambda spec: (spec.device, spec.scheme or "")):
        missing = [key for key in keys if specs[key] == spec and key not in found]
        if missing:
            job = partial(_measured, spec, missing, _reserve_bytes(checkpoint, spec))
            report = yield from executor.run(job, weight_error_work(checkpoint, missing, spec.device), stop)
            for weights in report.schemes:
                cache.keep(spec, weights)
            seconds += report.seconds
            found |= {weights.scheme: weights for weights in report.schemes}
    mostly = next((place for place in devices.values() if place != "cpu"), "cpu")
    return WeightReport(
        model=model, device=mostly, seconds=seconds, cached=cached, schemes=tuple(found[key] for key in keys),
        types=checkpoints.typed_layers(checkpoint),
    )  # fmt: skip


def measure_layer(
    model: str,
    scheme: str,
    layer: str,
    executor: Executor,
    stop: Event | None = None,
    *,
    row: int | None = None,
    column: int = 0,
    device: str = "auto",
) -> Generator[Step, None, LayerDetail]:
    """One layer in detail, down to single weights, by its name in a report; raises QdashError.

    `row`: the output row to show (None: the one with the lowest SQNR); `column`: the input whose group is shown. Both are moved inside.
    """
    key = find_scheme(scheme).key
    place = _device(key, device)
    checkpoint = yield from _located(model, [key], stop)
    spec = _spec(checkpoint, place, key)
    job = partial(_layer_measured, spec, key, layer, row, column, _reserve_bytes(checkpoint, spec))
    return (yield from executor.run(job, weight_error_work(checkpoint, [key], place), stop))


def _measured(
    spec: WorkerSpec, keys: list[str], reserve_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step | MeasuredLayer, None, WeightReport]:
    return WorkerClient(executor, spec, stop).measure_weight_error(keys, reserve_bytes=reserve_bytes)


def _layer_measured(
    spec: WorkerSpec, key: str, layer: str, row: int | None, column: int, reserve_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, LayerDetail]:
    return WorkerClient(executor, spec, stop).measure_layer(key, layer, row, column, reserve_bytes=reserve_bytes)


def _device(key: str, choice: str) -> Device:
    """Where a scheme is measured: on the chosen device if it can be, else on the CPU. Raises QdashError if neither can."""
    scheme, machine = find_scheme(key), this_machine().on(choice)
    if unavailable(scheme, machine) is None:
        return machine.device
    problem = unavailable(scheme, machine.on("cpu"))
    if problem:
        raise problem
    return "cpu"


def _located(model: str, keys: Sequence[str], stop: Event | None) -> Generator[Step, None, Checkpoint]:
    """The checkpoint, on this machine; raises QdashError if it or one of the schemes cannot be measured."""
    yield Step(detail="Looking for the model.")
    located = checkpoints.locate(model, stop)
    here = this_machine().on("cpu")
    problems = [checkpoints.weights_problem(located), *(checkpoints.unsuited(located, find_scheme(key), here) for key in keys)]
    problem = next(filter(None, problems), None)
    if problem:
        raise problem
    local: Checkpoint = yield from checkpoints.obtain(located, stop)
    return local


def _spec(checkpoint: Checkpoint, device: Device, key: str) -> WorkerSpec:
    return worker_spec(checkpoint, key if find_scheme(key).calibrated else None, device, "float32")


def _reserve_bytes(checkpoint: Checkpoint, spec: WorkerSpec) -> int:
    """A worker holds one layer at a time: as stored, and in float32 before and after rounding. One that calibrates holds the model too."""
    largest = max((tensor.values for tensor in checkpoint.tensors), default=0)
    loaded = 0
    if spec.scheme is not None:
        loaded = checkpoints.sizes_of(checkpoint, find_scheme(spec.scheme), spec.dtype, spec.device, wait_s=0).loading_bytes
    return with_worker(loaded + 3 * 4 * largest, spec.device)
