"""The work of runs, in bytes to load and forward passes, those that calibrate a scheme included.

Executors that borrow a GPU derive the time they ask for from this. Passes are an estimate, because the length of answers is unknown.
"""

from collections import Counter
from collections.abc import Sequence

from qdash import checkpoints
from qdash.catalog.models import is_random
from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.estimate import is_quantizable
from qdash.errors import QdashError
from qdash.execution.work import VariantWork, Work
from qdash.records import Device, EvaluationRequest, Request
from qdash.runs.batch_times import retimed
from qdash.runs.plan import device_of, dtype_of

Found = dict[str, Checkpoint | QdashError]
"""The models of a request, or why one cannot be used."""

_ANSWER_SHARE = 0.5
"""Answers take about this share of the longest they may be."""
_CHARS_PER_TOKEN = 3


def comparison_work(request: Request, found: Found) -> Work:
    """Answer, scoring, warm-up and timed runs of every variant; the baseline is scored twice."""
    measurement = request.measurement
    timed = (max(1, measurement.warmup) + measurement.runs) * measurement.max_new_tokens
    along = int(measurement.max_answer_tokens * _ANSWER_SHARE)
    text = len(request.reference_text or "") // _CHARS_PER_TOKEN
    parts = []
    for index, variant in enumerate(request.variants):
        answering = 0 if is_random(variant.model) else 2 * along + text
        passes = timed + answering + (0 if index else answering // 2) + _calibrating(found[variant.model], variant.scheme)
        parts.append(VariantWork("compare", variant.model, variant.scheme, _loading_bytes(request, found, index), passes))
    return Work(device_of(request), tuple(parts))


def evaluation_work(request: EvaluationRequest, found: Found, items: int, max_new_tokens: int) -> Work:
    """`items` questions in batches, each answered to its limit of `max_new_tokens`; the baseline answers some of them again."""
    batches = -(-items // request.batch_size)
    parts = [
        VariantWork(
            "evaluate",
            variant.model,
            variant.scheme,
            _loading_bytes(request, found, index),
            max_new_tokens * (batches if index else batches + retimed(batches)) + _calibrating(found[variant.model], variant.scheme),
        )
        for index, variant in enumerate(request.variants)
    ]
    return Work(device_of(request), tuple(parts))


def inspection_work(found: Checkpoint, scheme: str, loading_bytes: int, device: Device) -> Work:
    """Loading a variant, which takes `loading_bytes`, and saving it, which reads every byte again."""
    return Work(device, (VariantWork("inspect", found.model, scheme, 2 * loading_bytes, _calibrating(found, scheme)),))


def save_work(found: Checkpoint, scheme: str, loading_bytes: int, device: Device) -> Work:
    """Loading a variant twice, and reading a few tokens."""
    return Work(device, (VariantWork("save", found.model, scheme, 3 * loading_bytes, _calibrating(found, scheme)),))


def context_work(found: Checkpoint, scheme: str, needed_bytes: int, device: Device) -> Work:
    """Loading a variant, and reading long texts."""
    return Work(device, (VariantWork("measure_context", found.model, scheme, 2 * needed_bytes, _calibrating(found, scheme)),))


def proof_work(found: Checkpoint, loading_bytes: Sequence[tuple[str, int]], passes: int, device: Device) -> Work:
    """Loading the model under several schemes, each with what that takes, and `passes` along the answers with each."""
    parts = (VariantWork("prove", found.model, key, size, passes + _calibrating(found, key)) for key, size in loading_bytes)
    return Work(device, tuple(parts))


def weight_error_work(found: Checkpoint, schemes: Sequence[str], device: Device) -> Work:
    """Reading all weights once, and computing on them for each scheme, which may have to be calibrated first."""
    read_bytes = found.weights_bytes * (1 + len(schemes))
    passes = sum(_calibrating(found, key) for key in schemes if find_scheme(key).calibrated)
    return Work(device, (VariantWork("measure_weight_error", found.model, ",".join(schemes), read_bytes, passes),))


def sensitivity_work(found: Checkpoint, schemes: Sequence[str], loading_bytes: int, passes: int, device: Device) -> Work:
    """Loading the model, and `passes` along the answers; each layer is quantized alone."""
    passes += sum(_calibrating(found, key, alone=True) for key in schemes)
    return Work(device, (VariantWork("measure_sensitivity", found.model, ",".join(schemes), loading_bytes, passes),))


def compared_files_work(found: Checkpoint, others: Sequence[Checkpoint]) -> Work:
    """Reading the weights of two files for each of `others`, on the CPU."""
    read = (VariantWork("compare_files", other.model, found.model, found.weights_bytes + other.weights_bytes) for other in others)
    return Work("cpu", tuple(read))


def drift_work(found: Sequence[Checkpoint], loading_bytes: Sequence[int], tokens: int, device: Device) -> Work:
    """Loading each model, and `tokens` passes, as many as a model takes that has to be asked token by token."""
    parts = zip(found, loading_bytes, strict=True)
    return Work(device, tuple(VariantWork("drift", checkpoint.model, "original", size, tokens) for checkpoint, size in parts))


def _calibrating(found: Checkpoint | QdashError, key: str, alone: bool = False) -> int:
    """Passes to calibrate the scheme `key`, of a recipe each of its schemes; `alone`: each layer by itself."""
    if isinstance(found, QdashError):
        return 0
    columns, layers, whole = Counter[str](), Counter[str](), find_scheme(key)
    for tensor in filter(is_quantizable, found.own_tensors):
        own = assigned(whole, tensor.name.removesuffix(".weight"))
        if own is not None:
            columns[own] += tensor.shape[-1]
            layers[own] += 1
    schemes, sees = map(find_scheme, columns), found.task == "image-text-to-text"
    return sum(own.family.calibration_passes(own, columns[own.key], sees, layers[own.key] * alone) for own in schemes)


def _loading_bytes(request: Request | EvaluationRequest, found: Found, index: int) -> int:
    variant = request.variants[index]
    checkpoint, baseline = found[variant.model], found.get(request.variants[0].model)
    if isinstance(checkpoint, QdashError):
        return 0
    dtype = dtype_of(request, baseline if isinstance(baseline, Checkpoint) else None)
    # An estimate of time: what headers tell will do until more is known.
    return checkpoints.sizes_of(checkpoint, find_scheme(variant.scheme), dtype, device_of(request), wait_s=0).loading_bytes
