"""What a request means on this machine, before anything is loaded: device, dtype, threads, what can run, how much memory it takes."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal

from qdash import checkpoints
from qdash.catalog.models import MODELS, is_random
from qdash.catalog.schemes import find_scheme, order_variants, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.machine import Machine, available_bytes, this_machine
from qdash.records import ErrorRecord, EvaluationRequest, Host, Record, Request, Variant, WorkerSpec
from qdash.settings import settings

Device = Literal["cpu", "cuda"]
Dtype = Literal["float32", "float16", "bfloat16"]
Asked = Request | EvaluationRequest

# Beside its weights a worker holds activations, a key-value cache and its share of the interpreter: a rough sum for the estimate.
WORKER_BYTES = 50 * 2**20


class VariantPlan(Record):
    """One variant before it is loaded: `estimated_bytes` of weights, or why it cannot run here."""

    model: str
    scheme: str
    estimated_bytes: int
    loading_bytes: int
    """At the worst moment of loading."""
    unavailable: ErrorRecord | None


class Plan(Record):
    """The pre-flight of a comparison. `needed_bytes` is memory with every variant kept warm, `download_bytes` what is not here
    yet, `made_bytes` the random weights that are still to be made.

    `model` and `parameters` are the baseline's.
    """

    model: str
    parameters: int
    variants: tuple[VariantPlan, ...]
    needed_bytes: int
    available_bytes: int
    download_bytes: int
    made_bytes: int = 0

    @property
    def fits(self) -> bool:
        """Whether the largest variant fits; smaller ones make room for each other."""
        return max(variant.loading_bytes for variant in self.variants) + WORKER_BYTES <= self.available_bytes


def plan(request: Request) -> Plan:
    """Estimate `request` from its checkpoints' headers; raises QdashError for a model that cannot be used."""
    found = {model: checkpoints.locate(model) for model in dict.fromkeys(variant.model for variant in request.variants)}
    here = this_machine().on(device_of(request))
    variants = tuple(_variant_plan(found[variant.model], variant, dtype_of(request), here) for variant in request.variants)
    running = [variant for variant in variants if variant.unavailable is None]
    on_gpu = device_of(request) == "cuda"
    device_bytes = this_machine().device_memory_bytes if on_gpu else None
    return Plan(
        model=request.variants[0].model,
        parameters=found[request.variants[0].model].parameters,
        variants=variants,
        needed_bytes=sum(variant.estimated_bytes + WORKER_BYTES for variant in running),
        available_bytes=device_bytes or available_bytes(),
        download_bytes=sum(checkpoint.download_bytes for checkpoint in found.values() if not is_random(checkpoint.model)),
        made_bytes=sum(checkpoint.download_bytes for checkpoint in found.values() if is_random(checkpoint.model)),
    )


def variants_of(model: str, schemes: Sequence[str], rows: Sequence[Variant] = ()) -> tuple[Variant, ...]:
    """The variants of `model` under `schemes`, the baseline first (see `order_variants`), then `rows`, of any model; none twice.

    Raises QdashError for a scheme or recipe that does not exist.
    """
    own = [Variant(model=model, scheme=key) for key in order_variants(list(schemes))]
    others = [Variant(model=row.model, scheme=find_scheme(row.scheme).key) for row in rows]
    return tuple(dict.fromkeys([*own, *others]))


def labels_of(variants: Sequence[Variant], published: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """What each variant is called: its scheme, with its model in front where that is not the baseline's.

    `published` has another word for “Original” where a model was published quantized.
    """
    schemes = [find_scheme(variant.scheme) for variant in variants]
    labels = [
        published.get(variant.model, scheme.label) if scheme.key == "original" else scheme.label
        for variant, scheme in zip(variants, schemes, strict=True)
    ]
    return tuple(
        label if variant.model == variants[0].model else f"{model_name(variant.model)}: {label}"
        for variant, label in zip(variants, labels, strict=True)
    )


def model_name(model: str) -> str:
    """What a model is called where space is short: the catalogue's label, else the last part of its folder or id."""
    return MODELS[model].label if model in MODELS else PurePath(model).name or model


def check_runnable(request: Asked) -> None:
    """Raise QdashError if nothing of `request` can run here."""
    if not request.variants:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    here = this_machine().on(device_of(request))
    problems = [unavailable(find_scheme(variant.scheme), here) for variant in request.variants]
    if problems[0] is not None and all(problems):
        raise problems[0]


def device_of(request: Asked) -> Device:
    """The device that "auto" means here; raises QdashError for CUDA where there is none."""
    device = this_machine().resolve(request.device)
    if device == "cuda" and this_machine().device != "cuda":
        remedy = "Choose “auto” or “cpu”, or install a GPU driver and a CUDA build of PyTorch."
        raise QdashError("There is no CUDA device on this machine.", remedy, "unavailable")
    return "cuda" if device == "cuda" else "cpu"


def dtype_of(request: Asked) -> Dtype:
    """The dtype of the baseline, and of everything the other variants leave unquantized, so that they differ in the scheme alone."""
    baseline = find_scheme(request.variants[0].scheme)
    own: Dtype | None = baseline.params.get("dtype")
    return own or request.baseline_dtype or ("float16" if device_of(request) == "cuda" else "float32")


def host_of(request: Asked) -> Host:
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


def _variant_plan(checkpoint: Checkpoint, variant: Variant, dtype: Dtype, here: Machine) -> VariantPlan:
    scheme = find_scheme(variant.scheme)
    problem = unavailable(scheme, here) or checkpoints.published_problem(checkpoint, scheme, here)
    return VariantPlan(
        model=variant.model,
        scheme=scheme.key,
        estimated_bytes=checkpoints.estimate_bytes(checkpoint, scheme, dtype),
        loading_bytes=checkpoints.loading_bytes(checkpoint, scheme, dtype),
        unavailable=ErrorRecord.of(problem) if problem else None,
    )


def _threads() -> int:
    return settings().threads or this_machine().cores
