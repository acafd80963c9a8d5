"""Files of one model against each other: what types they store their layers in, how far their weights lie apart, what they really take.

The reference is always the model that was asked for; each of the others is compared with it. Files of floats and of GGUF blocks are read
tensor by tensor on the CPU, where they lie; a model that was published in packed weights is loaded as transformers loads it, and
dequantized layer by layer.
"""

import re
from collections import Counter
from collections.abc import Generator, Sequence
from functools import partial
from threading import Event
from time import perf_counter

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.published import DEQUANTIZED
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import this_machine
from qdash.present.telling_apart import told_apart
from qdash.records import MeasuredLayer, SchemeWeights, Step, StoredModel, WeightFile, WeightReport
from qdash.runs.plan import with_worker, worker_spec
from qdash.runs.workload import compared_files_work

_EXPERT = re.compile(r"\.experts\.\d+\.")
_COPIES = 4
"""A worker holds a tensor of each file, and the larger one again in float32 or joined from its parts."""


def compare_files(
    model: str, others: Sequence[str], executor: Executor, stop: Event | None = None
) -> Generator[Step | MeasuredLayer, None, WeightReport]:
    """Measure how far the weights of each of `others` lie from those of `model`, yielding each layer's result as it is known.

    The report has an entry under `schemes` for each of the others. Raises QdashError: "bad_input" if one of them is another model.
    """
    names = list(dict.fromkeys(other.strip() for other in others))
    if not names:
        raise QdashError("No other file is chosen.", "Choose another file of this model.")
    if model.strip() in names:
        raise QdashError(f"“{model}” is the model itself.", "Choose another file of this model.")
    found = []
    for name in (model, *names):
        found.append((yield from _obtained(name, stop)))
    files = [_file(checkpoint) for checkpoint in found]
    began = perf_counter()
    job = partial(_compared, files, _reserve_bytes(found))
    results = yield from executor.run(job, compared_files_work(found[0], found[1:]), stop)
    seconds = perf_counter() - began
    own, *theirs = _stored(found)
    schemes = tuple(map(_described, results, theirs))
    return WeightReport(model=own.model, seconds=seconds, schemes=schemes, stored=own)


def _obtained(name: str, stop: Event | None) -> Generator[Step, None, Checkpoint]:
    yield Step(detail="Looking for the model.")
    located = checkpoints.locate(name, stop)
    problem = _packed_problem(located)
    if problem is not None:
        raise problem
    obtained: Checkpoint = yield from checkpoints.obtain(located, stop)
    return obtained


def _packed_problem(checkpoint: Checkpoint) -> QdashError | None:
    """Why the weights of a model that was published quantized cannot be compared here; None if they can."""
    quantization = checkpoint.quantization
    if quantization is None or quantization.method in DEQUANTIZED:
        return checkpoints.published_problem(checkpoint, find_scheme("original"), this_machine().on("cpu"))
    message = f"{checkpoint.label} is published in packed weights ({quantization.name}), which are not compared layer by layer."
    remedy = "Choose a GGUF file or safetensors in plain floats, or put it beside the other in a comparison."
    return QdashError(message, remedy, "unavailable")


def _file(checkpoint: Checkpoint) -> WeightFile:
    spec = worker_spec(checkpoint, None, "cpu", "float32")
    return WeightFile(name=checkpoint.model, spec=spec, types=checkpoints.stored_types(checkpoint))


def _compared(
    files: Sequence[WeightFile], reserve_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step | MeasuredLayer, None, list[SchemeWeights]]:
    own, *others = files
    results = []
    for other in others:
        worker = WorkerClient(executor, own.spec, stop)
        results.append((yield from worker.compare_files(own, other, reserve_bytes=reserve_bytes)))
    return results


def _stored(found: Sequence[Checkpoint]) -> list[StoredModel]:
    """What the files of each take, under names that tell them apart."""
    labels = told_apart([checkpoint.model for checkpoint in found])
    return [checkpoints.stored_model(checkpoint).model_copy(update={"label": labels[checkpoint.model]}) for checkpoint in found]


def _described(result: SchemeWeights, other: StoredModel) -> SchemeWeights:
    return result.model_copy(update={"label": other.label, "other": other, "bits_per_weight": other.bits_per_weight})


def _reserve_bytes(found: Sequence[Checkpoint]) -> int:
    loaded = [
        checkpoints.sizes_of(checkpoint, find_scheme("original"), "float32", "cpu", wait_s=0).loading_bytes
        for checkpoint in found
        if checkpoint.quantization is not None
    ]
    return with_worker(sum(loaded) + _COPIES * 4 * max(map(_largest, found)), "cpu")


def _largest(checkpoint: Checkpoint) -> int:
    """Numbers in the largest tensor that is read at a time: the experts of a block, and two of their projections, may become one."""
    if checkpoint.quantization is not None:
        return max(values for _kind, values, _nbytes in checkpoints.packed_sizes(checkpoint).values())
    sizes = Counter[str]()
    for tensor in checkpoint.tensors:
        name, experts = _EXPERT.subn(".experts.", tensor.name)
        sizes[name] += tensor.values * (2 if experts else 1)
    return max(sizes.values(), default=0)
