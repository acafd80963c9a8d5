"""What a request means on this machine, before anything is loaded: device, dtype, threads, what can run, how much memory it takes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from qdash import checkpoints
from qdash.catalog.recipes import cache_of
from qdash.catalog.schemes import find_scheme, order_variants, unavailable
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.machine import Accelerator, Machine, memory_budget_bytes, this_machine
from qdash.present.telling_apart import told_apart
from qdash.records import Device, Dtype, ErrorRecord, EvaluationRequest, Host, Preparation, Record, Request, Variant, WorkerSpec
from qdash.settings import settings

Asked = Request | EvaluationRequest

# What a worker takes on its device beside its weights: activations and a key-value cache; on a GPU, the CUDA context and its libraries too.
_CPU_WORKER_BYTES = 50 * 2**20
_GPU_WORKER_BYTES = 600 * 2**20


class VariantPlan(Record):
    """One variant before it is loaded: `estimated_bytes` of weights, or why it cannot run here."""

    model: str
    scheme: str
    estimated_bytes: int
    loading_bytes: int
    """At the worst moment of loading."""
    unavailable: ErrorRecord | None
    share: float | None = None
    """Of the model's parameters, 0 to 1, what the scheme will quantize; None while that is not known."""
    read_bytes: int = 0
    """Of its checkpoint's weights, which it reads whatever the scheme."""
    rough: bool = False
    """Whether bytes are told from the files' headers alone, as what the scheme takes of the model is not known yet."""

    @property
    def takes_nothing(self) -> bool:
        """Whether a quantizing scheme leaves the whole model as it is, its KV cache included."""
        scheme = find_scheme(self.scheme)
        return self.share == 0 and not scheme.is_baseline and cache_of(scheme) is None


class Plan(Record):
    """The pre-flight of a comparison. `needed_bytes` is memory with every variant kept warm, `largest_bytes` what loading the largest one
    takes at its worst moment, `available_bytes` what workers may hold. `download_bytes` is what is not here yet, `made_bytes` the random
    weights that are still to be made, `unpacked_bytes` what GGUF files will take on the disk once they are unpacked.

    `model` and `parameters` are the baseline's; variants that cannot run count for nothing.
    """

    model: str
    parameters: int
    variants: tuple[VariantPlan, ...]
    needed_bytes: int
    largest_bytes: int
    available_bytes: int
    download_bytes: int
    made_bytes: int = 0
    unpacked_bytes: int = 0

    @property
    def rough(self) -> bool:
        """Whether any of the bytes is."""
        return any(variant.rough for variant in self.variants if variant.unavailable is None)

    @property
    def fits(self) -> bool:
        """Whether the largest variant fits; smaller ones make room for each other."""
        return self.largest_bytes <= self.available_bytes


def plan(request: Request, held_bytes: Callable[[Device], int] = lambda device: 0) -> Plan:
    """Estimate `request` without waiting for anything but its checkpoints' headers; raises QdashError for a model that cannot be used.

    `held_bytes` tells what warm workers hold on a device: they can be closed, so it counts as available.
    """
    found = {model: checkpoints.locate(model) for model in dict.fromkeys(variant.model for variant in request.variants)}
    baseline, device = found[request.variants[0].model], device_of(request)
    here, dtype = this_machine().on(device), dtype_of(request, baseline)
    variants = tuple(_variant_plan(found[variant.model], variant, dtype, here) for variant in request.variants)
    running = [variant for variant in variants if variant.unavailable is None]
    return Plan(
        model=request.variants[0].model,
        parameters=baseline.parameters,
        variants=variants,
        needed_bytes=sum(with_worker(variant.estimated_bytes, device) for variant in running),
        largest_bytes=max((with_worker(variant.loading_bytes, device) for variant in running), default=0),
        available_bytes=memory_budget_bytes(device, held_bytes(device)),
        download_bytes=_bytes_of("downloading", found.values()),
        made_bytes=_bytes_of("making", found.values()),
        unpacked_bytes=_bytes_of("unpacking", found.values()),
    )


def _bytes_of(preparation: Preparation, found: Iterable[Checkpoint]) -> int:
    return sum(checkpoint.download_bytes for checkpoint in found if checkpoint.preparation == preparation)


def variants_of(model: str, schemes: Sequence[str], rows: Sequence[Variant] = ()) -> tuple[Variant, ...]:
    """The variants of `model` under `schemes`, the baseline first (see `order_variants`), then `rows`, of any model; none twice.

    Raises QdashError for a scheme or recipe that does not exist.
    """
    own = [Variant(model=model, scheme=key) for key in order_variants(list(schemes))]
    others = [Variant(model=row.model, scheme=find_scheme(row.scheme).key) for row in rows]
    return tuple(dict.fromkeys([*own, *others]))


def labels_of(variants: Sequence[Variant], published: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """What each variant is called: its scheme, with its model in front where that is not the baseline's; files of one name with folders.

    `published` has another word for “Original” where a model was published quantized.
    """
    schemes = [find_scheme(variant.scheme) for variant in variants]
    labels = [
        published.get(variant.model, scheme.label) if scheme.key == "original" else scheme.label
        for variant, scheme in zip(variants, schemes, strict=True)
    ]
    names = told_apart(list(dict.fromkeys(variant.model for variant in variants)))
    return _numbered(
        label if variant.model == variants[0].model else f"{names[variant.model]}: {label}"
        for variant, label in zip(variants, labels, strict=True)
    )


def _numbered(labels: Iterable[str]) -> tuple[str, ...]:
    """Recipes of many rules may be called alike: the second of them gets “(2)”, and so on."""
    seen: Counter[str] = Counter()
    told: list[str] = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(told)


def check_runnable(request: Asked) -> None:
    """Raise QdashError if nothing of `request` can run here."""
    if not request.variants:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    here = this_machine().on(device_of(request))
    problems = [unavailable(find_scheme(variant.scheme), here) for variant in request.variants]
    if problems[0] is not None and all(problems):
        raise problems[0]


def device_of(request: Asked) -> Device:
    """The device that the request's choice means here, such as "cuda:0" for "auto"; raises QdashError for one that cannot be used."""
    return this_machine().resolve(request.device)


def dtype_of(request: Asked, baseline: Checkpoint | None) -> Dtype:
    """The dtype of the baseline, and of everything the other variants leave unquantized, so that they differ in the scheme alone.

    The scheme's own, else the one asked for, else what suits the device: float32 on a CPU, 16 bits on a GPU, of the kind that the
    baseline's checkpoint (None: not found) is stored in if the GPU computes in it.
    """
    own = find_scheme(request.variants[0].scheme).own_dtype
    return own or request.baseline_dtype or default_dtype(this_machine().on(device_of(request)).accelerator, baseline)


def default_dtype(accelerator: Accelerator | None, checkpoint: Checkpoint | None) -> Dtype:
    """What a checkpoint computes in on a GPU (None: on a CPU) unless a person says otherwise."""
    if accelerator is None:
        return "float32"
    # float16 has less range than bfloat16: some activations of models that were trained in bfloat16 become infinite in it.
    stored = checkpoint.stored_dtype if checkpoint is not None else None
    return "bfloat16" if stored == "bfloat16" and accelerator.bfloat16 else "float16"


def with_worker(weights_bytes: int, device: Device) -> int:
    """Memory to reserve on `device` for a worker with `weights_bytes` of weights."""
    return weights_bytes + (_CPU_WORKER_BYTES if device == "cpu" else _GPU_WORKER_BYTES)


def host_of(request: Asked) -> Host:
    """The conditions under which `request` runs on this machine."""
    machine = this_machine().on(device_of(request))
    return Host(
        device=machine.device,
        device_name=machine.device_name,
        threads=_threads(),
        memory_bytes=machine.device_memory_bytes,
        no_gpu=" ".join(machine.problems) if not machine.accelerators else None,
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
        healed=checkpoints.healed_folders(checkpoint, scheme),
    )


def _variant_plan(checkpoint: Checkpoint, variant: Variant, dtype: Dtype, here: Machine) -> VariantPlan:
    scheme = find_scheme(variant.scheme)
    problem = unavailable(scheme, here) or checkpoints.unsuited(checkpoint, scheme, here)
    # The page asks at every change of the form: what is not known yet is made meanwhile.
    sizes = checkpoints.sizes_of(checkpoint, scheme, dtype, here.device, wait_s=0)
    return VariantPlan(
        model=variant.model,
        scheme=scheme.key,
        estimated_bytes=sizes.estimated_bytes,
        loading_bytes=sizes.loading_bytes,
        unavailable=ErrorRecord.of(problem) if problem else None,
        share=sizes.share,
        read_bytes=checkpoint.weights_bytes,
        rough=sizes.rough,
    )


def _threads() -> int:
    return settings().threads or this_machine().cores
