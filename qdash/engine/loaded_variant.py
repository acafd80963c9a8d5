"""A loaded variant: the model as its scheme made it, its processor, and what loading it took in time and memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from transformers import PreTrainedModel

from qdash.catalog.recipes import cache_of
from qdash.catalog.schemes import find_scheme
from qdash.engine import accelerator
from qdash.engine.generation_config import greedy
from qdash.engine.kv_cache import round_cache
from qdash.engine.layers import coverage
from qdash.engine.loading import begin, load_model, load_processor, load_skeleton
from qdash.engine.meters import PeakMemory, copy_out_of_file, release_freed, used_bytes
from qdash.engine.prompting import Processor
from qdash.engine.schemes import QuantizeContext, SchemeFamily, family_for, unsupported_reason
from qdash.engine.schemes.published import is_published_quantized
from qdash.engine.sizes import projected_bytes, pruned_of, saved_bytes, weights_bytes
from qdash.engine.templates import template_notes
from qdash.engine.vocabulary import rows_of
from qdash.engine.writing import Writing
from qdash.records import Loaded, WorkerSpec


@dataclass(frozen=True)
class LoadedVariant:
    """`idle_bytes`: memory used before there was this or any other model in the process; `taken_bytes`: what this one added."""

    model: PreTrainedModel
    family: SchemeFamily
    processor: Processor
    idle_bytes: int
    taken_bytes: int
    loaded: Loaded


def load_variant(
    spec: WorkerSpec, report: Callable[[float | None, str], None], others_bytes: int, writing: Writing | None = None
) -> LoadedVariant:
    """Load what `spec` names, and write it on the way where `writing` says so.

    `report` gets the fraction that is done and what is being done, and raises QdashError to stop it. `others_bytes`: what other models in
    this process take on the same device.
    """
    scheme, device = find_scheme(spec.scheme or ""), torch.device(spec.device)
    skeleton = load_skeleton(spec)
    family = family_for(scheme, skeleton)
    arguments, snippet = family.load_kwargs(scheme, spec, skeleton), family.snippet(scheme, spec, skeleton)
    unpacks = is_published_quantized(skeleton.config)
    del skeleton
    idle_bytes = _idle_bytes(device)
    notes: list[str] = []
    started = perf_counter()
    with PeakMemory(device, idle_bytes) as memory:
        model = load_model(spec, arguments, partial(_loading, report), notes.append)
        copy_out_of_file(model, Path(spec.folder))
        if not unpacks:  # layers published quantized may unpack themselves when the model is first called
            begin(model)
        processor = load_processor(spec)
        family.transform(model, scheme, QuantizeContext(spec, processor, report))
        saved = saved_bytes(model)
        if writing is not None:
            writing.write(model, family, scheme, processor, saved)
        family.run_lazy_packing(model)
        accelerator.synchronize(device)
        load_s = perf_counter() - started
    cache = cache_of(scheme)
    if cache is not None:  # not sooner: this runs the model, which may repack layers
        round_cache(model, cache)
    model.generation_config = greedy(model.generation_config, rows_of(model))
    release_freed(device)
    loaded = Loaded(
        load_s=load_s,
        load_peak_bytes=memory.peak_bytes,
        weights_bytes=weights_bytes(model),
        saved_bytes=saved,
        projected_bytes=projected_bytes(model) if scheme.kind == "simulated" else None,
        dtype=str(arguments["dtype"]).removeprefix("torch."),
        coverage=coverage(model, scheme, partial(unsupported_reason, scheme, spec)).model_copy(update={"pruned": pruned_of(model)}),
        snippet=snippet,
        notes=(*notes, *template_notes(processor, spec), *family.notes(scheme, spec)),
    )
    return LoadedVariant(model, family, processor, idle_bytes - others_bytes, used_bytes(device) - idle_bytes, loaded)


def _loading(report: Callable[[float | None, str], None], fraction: float | None) -> None:
    report(fraction, "loading weights")


def _idle_bytes(device: torch.device) -> int:
    """Memory used before the model, with all that is not the model in place: code and thread pools, or workspaces of a GPU's libraries."""
    probe = torch.ones(256, 256, device=device)
    torch.mm(probe, probe)
    torch.nn.functional.linear(probe, probe, probe[0])  # with a bias CUDA asks cuBLASLt, which has a workspace of its own
    del probe
    release_freed(device)
    return used_bytes(device)
