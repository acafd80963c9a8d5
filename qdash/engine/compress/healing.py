"""Healing a loaded model for a scheme: which layers are trained, what products are computed in, and the memory that it takes."""

from collections.abc import Callable
from functools import partial

import torch
from transformers import PreTrainedModel

from qdash.catalog.schemes import find_scheme
from qdash.engine.accelerator import multiplies_bfloat16
from qdash.engine.compress.constraints import Constraining
from qdash.engine.compress.passages import encode
from qdash.engine.compress.qat import Subject, train
from qdash.engine.layers import convertible_layers
from qdash.engine.meters import PeakMemory
from qdash.engine.prompting import Processor
from qdash.engine.schemes import family_of
from qdash.errors import QdashError
from qdash.records import Healed, Healing, HealJob, WorkerSpec


def heal(
    model: PreTrainedModel,
    processor: Processor,
    spec: WorkerSpec,
    job: HealJob,
    idle_bytes: int,
    emit: Callable[[Healing], None],
    stop: Callable[[], bool],
) -> Healed:
    """Train what the job's scheme changes of a float32 `model`; see `qat.train`.

    Raises QdashError: "unavailable" where there is nothing to train, "bad_input" for a passage that the model cannot read, "not_finite",
    "cancelled".
    """
    scheme = find_scheme(job.scheme)
    family = family_of(scheme)
    assert isinstance(family, Constraining), f"{scheme.key} is not healed by training"
    layers = [name for name, layer in convertible_layers(model).items() if family.unsupported_reason(layer, scheme, spec) is None]
    if not layers:
        message = f"“{scheme.label}” changes none of this model's layers, so there is nothing to train."
        raise QdashError(message, "Choose another model.", "unavailable")
    compute = torch.bfloat16 if multiplies_bfloat16(model.device) else torch.float32
    subject = Subject(model, layers, family.constraint(scheme), partial(encode, processor=processor, model=model), compute)
    with PeakMemory(model.device, idle_bytes) as memory:
        trained = train(subject, job, emit, stop)
    return Healed(
        points=trained.points,
        peak_bytes=memory.peak_bytes,
        compute_dtype="bfloat16" if compute == torch.bfloat16 else "float32",
        trained_parameters=trained.parameters,
        batch=trained.batch,
    )
