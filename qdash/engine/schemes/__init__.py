"""What a scheme does to a model: one small object per family, found by the catalogue's `family`.

A deployable scheme is the `from_pretrained` arguments a person would write; what those cannot do is a transform of the loaded model.
Every family can print itself as Python, count what it did, and give the weights that its layers really compute with.
"""

import importlib
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.catalog.schemes import Family, Scheme
from qdash.errors import QdashError
from qdash.records import Coverage, WorkerSpec


class SchemeFamily(Protocol):
    """Schemes that work alike. All methods are pure but `transform`; weights are (out, in)."""

    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        """Arguments for `from_pretrained`: dtype, device map, quantization. `skeleton` is the model without its weights."""
        ...

    def transform(self, model: PreTrainedModel, scheme: Scheme) -> None:
        """Do in place what `from_pretrained` could not."""
        ...

    def quantized_layers(self, model: PreTrainedModel) -> dict[str, nn.Module]:
        """The layers that the scheme quantized, by path."""
        ...

    def coverage(self, model: PreTrainedModel, spec: WorkerSpec) -> Coverage:
        """How many linear layers are quantized, and why the others are not."""
        ...

    def dequantized(self, layer: nn.Module) -> Tensor:
        """The weight that a quantized layer computes with, float32, bit for bit."""
        ...

    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        """`dequantized` of the layer that this checkpoint weight would become under `spec`, without building the model.

        None if the scheme leaves a weight of this shape as it is.
        """
        ...

    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        """Python that builds the same model with transformers; runs as printed."""
        ...


# Imported by name when asked for: bitsandbytes need not be installed, and looks for a GPU when it is imported.
_MODULES: dict[Family, str] = {"float": "floating", "bitsandbytes": "bitsandbytes", "simulated": "simulated"}


def family_of(scheme: Scheme) -> SchemeFamily:
    """The object that applies `scheme`; raises QdashError if a package it needs is missing."""
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[scheme.family]}")
    except ImportError as error:
        remedy = scheme.needs[0].remedy if scheme.needs else "Install the requirements again: pip install -r requirements.txt"
        raise QdashError(f"{scheme.label} cannot run here: {error}.", remedy, "unavailable") from error
    return module.FAMILY
