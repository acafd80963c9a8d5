"""Weighing: what schemes do to the weights of a model, over every weight, and inside one layer. Needs no loaded model.

What was weighed once is kept (see `cache`), and opened again at once.
"""

from collections.abc import Generator, Sequence
from threading import Event
from typing import Any, Literal

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Emitted, Executor
from qdash.machine import this_machine
from qdash.planning import worker_spec
from qdash.records import LayerDetail, SchemeWeights, Step, WeighedLayer, WeightReport, WorkerSpec
from qdash.weighing import cache

Weighed = Step | WeighedLayer
Device = Literal["cpu", "cuda"]


def weigh(model: str, schemes: Sequence[str], executor: Executor, stop: Event | None = None) -> Generator[Weighed, None, WeightReport]:
    """Measure what each scheme does to the weights of `model`, telling each layer's result as it is known; raises QdashError.

    Plain floats among `schemes` are left out, as nothing is quantized there. Schemes weighed before come from the cache.
    """
    keys = list(dict.fromkeys(find_scheme(key).key for key in schemes if not find_scheme(key).is_baseline))
    devices: dict[str, Device] = {key: _device(key) for key in keys}
    if not keys:
        raise QdashError("No quantization scheme is chosen.", "Choose at least one besides the original, such as bnb-nf4.")
    checkpoint = yield from _located(model, stop)
    found = {key: weights for key in keys if (weights := cache.find(_spec(checkpoint, devices[key]), key))}
    seconds, cached = 0.0, len(found) == len(keys)
    for device in sorted(set(devices.values())):
        missing = [key for key in keys if devices[key] == device and key not in found]
        if missing:
            report = yield from _weighed(_spec(checkpoint, device), missing, executor, stop)
            seconds += report.seconds
            found |= {weights.scheme: weights for weights in report.schemes}
    mostly: Device = "cuda" if "cuda" in devices.values() else "cpu"
    return WeightReport(model=model, device=mostly, seconds=seconds, cached=cached, schemes=tuple(found[key] for key in keys))


def weigh_layer(
    model: str, scheme: str, layer: str, executor: Executor, stop: Event | None = None, *, row: int | None = None, column: int = 0
) -> Generator[Weighed, None, LayerDetail]:
    """One layer, by its name in a report, near enough to see single weights; raises QdashError.

    `row`: the output row to show (None: the one with the lowest SQNR); `column`: the input whose group is shown. Both are moved inside.
    """
    key = find_scheme(scheme).key
    device = _device(key)
    spec = _spec((yield from _located(model, stop)), device)
    detail: LayerDetail = yield from _told(executor.call(spec, "weigh_layer", key, layer, row, column, stop=stop))
    return detail


def _weighed(spec: WorkerSpec, keys: list[str], executor: Executor, stop: Event | None) -> Generator[Weighed, None, WeightReport]:
    report: WeightReport = yield from _told(executor.call(spec, "weigh", keys, stop=stop))
    results: tuple[SchemeWeights, ...] = report.schemes
    for weights in results:
        cache.keep(spec, weights)
    return report


def _device(key: str) -> Device:
    """Where a scheme is weighed: on the GPU if there is one and it can. Raises QdashError if it cannot be anywhere."""
    scheme, machine = find_scheme(key), this_machine()
    if machine.device == "cuda" and unavailable(scheme, machine) is None:
        return "cuda"
    problem = unavailable(scheme, machine.on("cpu"))
    if problem:
        raise problem
    return "cpu"


def _located(model: str, stop: Event | None) -> Generator[Weighed, None, Checkpoint]:
    located = checkpoints.locate(model)
    problem = checkpoints.weights_problem(located)
    if problem:
        raise problem
    local: Checkpoint = yield from checkpoints.obtain(located, stop)
    return local


def _spec(checkpoint: Checkpoint, device: Device) -> WorkerSpec:
    return worker_spec(checkpoint, None, device, "float32")


def _told(call: Generator[Emitted, None, Any]) -> Generator[Weighed, None, Any]:
    """What a call emits of steps and layers; returns its result."""
    while True:
        try:
            item = next(call)
        except StopIteration as end:
            return end.value
        if isinstance(item, Step | WeighedLayer):
            yield item
