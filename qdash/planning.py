"""What a request means on this machine, before anything is loaded: device, dtype, threads, what can run, how much memory it takes."""

from typing import Literal

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.machine import available_bytes, this_machine
from qdash.records import ErrorRecord, Host, Record, Request, WorkerSpec
from qdash.settings import settings

Device = Literal["cpu", "cuda"]
Dtype = Literal["float32", "float16", "bfloat16"]

# Beside its weights a worker holds activations, a key-value cache and its share of the interpreter: a rough sum for the estimate.
WORKER_BYTES = 50 * 2**20


class VariantPlan(Record):
    """One variant before it is loaded: `estimated_bytes` of weights, or why it cannot run here."""

    scheme: str
    estimated_bytes: int
    unavailable: ErrorRecord | None


class Plan(Record):
    """The pre-flight of a comparison. `needed_bytes` is memory with every variant kept warm, `download_bytes` what is not here yet."""

    model: str
    parameters: int
    variants: tuple[VariantPlan, ...]
    needed_bytes: int
    available_bytes: int
    download_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the largest variant fits; smaller ones make room for each other."""
        return max(variant.estimated_bytes for variant in self.variants) + WORKER_BYTES <= self.available_bytes


def plan(request: Request) -> Plan:
    """Estimate `request` from the checkpoint's headers; raises QdashError for a model that cannot be used."""
    checkpoint = checkpoints.locate(request.variants[0].model)
    variants = tuple(_variant_plan(checkpoint, variant.scheme, dtype_of(request)) for variant in request.variants)
    running = [variant for variant in variants if variant.unavailable is None]
    on_gpu = device_of(request) == "cuda"
    device_bytes = this_machine().device_memory_bytes if on_gpu else None
    return Plan(
        model=request.variants[0].model,
        parameters=checkpoint.parameters,
        variants=variants,
        needed_bytes=sum(variant.estimated_bytes + WORKER_BYTES for variant in running),
        available_bytes=device_bytes or available_bytes(),
        download_bytes=0 if checkpoint.folder else checkpoint.download_bytes,
    )


def check_runnable(request: Request) -> None:
    """Raise QdashError if nothing of `request` can run here."""
    if not request.variants:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    device_of(request)
    problems = [unavailable(find_scheme(variant.scheme), this_machine().packages) for variant in request.variants]
    if problems[0] is not None and all(problems):
        raise problems[0]


def device_of(request: Request) -> Device:
    """The device that "auto" means here; raises QdashError for CUDA where there is none."""
    device = this_machine().resolve(request.device)
    if device == "cuda" and this_machine().device != "cuda":
        remedy = "Choose “auto” or “cpu”, or install a GPU driver and a CUDA build of PyTorch."
        raise QdashError("There is no CUDA device on this machine.", remedy, "unavailable")
    return "cuda" if device == "cuda" else "cpu"


def dtype_of(request: Request) -> Dtype:
    """The dtype of the baseline, and of everything the other variants leave unquantized, so that they differ in the scheme alone."""
    baseline = find_scheme(request.variants[0].scheme)
    own: Dtype | None = baseline.params.get("dtype")
    return own or request.baseline_dtype or ("float16" if device_of(request) == "cuda" else "float32")


def host_of(request: Request) -> Host:
    """The conditions under which `request` runs on this machine."""
    machine = this_machine()
    device = device_of(request)
    return Host(
        device=device,
        device_name=machine.device_name if device == machine.device else "CPU",
        threads=_threads(),
        memory_bytes=(machine.device_memory_bytes if device == "cuda" else None) or machine.memory_bytes,
        platform=f"{machine.platform}, Python {machine.python}",
        versions=machine.packages,
    )


def worker_spec(checkpoint: Checkpoint, scheme: str | None, device: Device, dtype: Dtype) -> WorkerSpec:
    """What the worker of one variant needs; the checkpoint must be on disk."""
    return WorkerSpec(
        folder=str(checkpoint.folder),
        revision=checkpoint.revision,
        task=checkpoint.task,
        scheme=scheme,
        device=device,
        dtype=dtype,
        threads=_threads(),
    )


def _variant_plan(checkpoint: Checkpoint, key: str, dtype: Dtype) -> VariantPlan:
    scheme = find_scheme(key)
    problem = unavailable(scheme, this_machine().packages)
    return VariantPlan(
        scheme=key,
        estimated_bytes=checkpoints.estimate_bytes(checkpoint, scheme, dtype),
        unavailable=ErrorRecord.of(problem) if problem else None,
    )


def _threads() -> int:
    return settings().threads or this_machine().cores
