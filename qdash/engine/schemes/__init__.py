"""What a scheme does to a model: for each family of the catalogue the half that needs torch, one small object.

A deployable scheme is the `from_pretrained` arguments a person would write; what those cannot do is a transform of the loaded model.
Every family can also quantize some layers of a model and leave the others, which is what recipes are made of; it can print itself as
Python, and give the weights that its layers really compute with. Quantized layers are marked, see `layers.mark`.
"""

import importlib
import math
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine.layers import convertible_experts
from qdash.engine.parameters import Experts, scheme_of
from qdash.engine.prompting import Processor
from qdash.errors import CHOOSE_ANOTHER, INSTALL_AGAIN, QdashError
from qdash.records import WorkerSpec
from qdash.remedies import by_reader

RowDequantizer = Callable[[Tensor, int], Tensor]
"""Some rows of a weight and the number of the first → these rows as the quantized layer computes with them, float32. Rows come in multiples
of 32, but for the last."""


@dataclass
class Calibrated:
    """What calibration found out about a model that stays as it is: the `ranges` of all layers' inputs by path, and what was `read`."""

    ranges: dict[str, float] | None = None
    read: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class QuantizeContext:
    """What quantizing may need beside the model.

    `report` takes the share done (None: unknown) and words; it raises QdashError("cancelled") once a person has pressed Stop. `calibrated`
    is shared by all layers where each is quantized alone and put back before the next; None: they stay quantized.
    """

    spec: WorkerSpec
    processor: Processor
    report: Callable[[float | None, str], None]
    calibrated: Calibrated | None = None


@dataclass(frozen=True)
class Stored:
    """Bits of a quantized weight on the device, with its scales and tables; `bias_bits`: of each number of its bias, None if unchanged."""

    bits: float
    bias_bits: int | None = None


class SchemeFamily(Protocol):
    """A group of schemes that work alike. Weights are (out, in).

    `transform`, `quantize`, `quantize_experts` and `run_lazy_packing` change the model in place. `as_saved` changes it for as long as its
    context lasts. All other methods leave their arguments unchanged.
    """

    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        """Arguments for `from_pretrained`: dtype, device map, quantization. `skeleton` is the model without its weights."""
        ...

    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        """Do in place what `from_pretrained` could not, and mark every quantized layer."""
        ...

    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        """Quantize the linear layers at `names`, all of them fit, of a model in plain floats, in place; mark them."""
        ...

    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        """Quantize fused experts, all of them fit, of a model in plain floats, in place; mark them."""

    def run_lazy_packing(self, model: PreTrainedModel) -> None:
        """Make the lasting changes that a layer's first call makes, such as packing its weights; `as_saved` undoes them for saving."""

    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        """Why `scheme` cannot quantize this linear layer on the spec's device, in words that name the numbers; None if it can."""
        ...

    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        """Why `scheme` cannot quantize these fused experts on the spec's device; None if it can."""
        return f"“{scheme.label}” quantizes linear layers only"

    def left_reason(self, name: str, layer: nn.Module, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> str | None:
        """`unsupported_reason` where it depends on which layer this is, at path `name`.

        `whole`: what the model is under, `scheme` itself or a recipe with it.
        """
        return self.unsupported_reason(layer, scheme, spec)

    def stored(self, shape: tuple[int, ...], scheme: Scheme, spec: WorkerSpec) -> Stored:
        """What a weight of this shape, (outputs, inputs) or (experts, outputs, inputs), takes once it is quantized, scales included."""
        rows, inputs = math.prod(shape[:-1]), shape[-1]
        return Stored(scheme.weight_bits(rows, inputs))

    def dequantized(self, layer: nn.Module) -> Tensor:
        """The weight that a quantized layer computes with, float32, bit for bit."""
        ...

    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        """`dequantized` of the layer that this checkpoint weight would become under `spec`, without building the model.

        None if the scheme leaves a weight of this shape as it is. Never asked of a calibrated scheme, see `held_rows`.
        """
        ...

    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        """`round_trip` by rows, to the same bit, so that only the requested rows are in memory if the scheme allows it."""
        restored = self.round_trip(weight, scheme, spec)
        return None if restored is None else lambda rows, start: restored[start : start + len(rows)]

    def layer_dequantizer(self, name: str, weight: Tensor, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> RowDequantizer | None:
        """`row_dequantizer` where it depends on which layer this is, at path `name`; `whole` as in `left_reason`."""
        return self.row_dequantizer(weight, scheme, spec)

    def as_saved(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        """Within this, the state dict of a model that may have been run is what was quantized, and taking it changes nothing."""
        return nullcontext()

    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        """Why `save_pretrained` cannot save this model under `scheme`, though it may not refuse to, as a clause; None if it can."""

    def notes(self, scheme: Scheme, spec: WorkerSpec) -> tuple[str, ...]:
        """What a person should know of a variant, a sentence each."""
        return ()

    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        """Python that builds the same model with transformers; runs as printed."""
        ...


def family_of(scheme: Scheme) -> SchemeFamily:
    """The object that applies `scheme`; raises QdashError if a package it needs is missing.

    Imported when it is asked for: packages of other families need not be installed, and bitsandbytes looks for a GPU when it is imported.
    """
    try:
        module = importlib.import_module(scheme.family.engine)
    except ImportError as error:
        install = scheme.needs[0].remedy if scheme.needs else INSTALL_AGAIN
        said = by_reader(owner=install, visitor=CHOOSE_ANOTHER)
        raise QdashError(f"{scheme.label} cannot run here: {error}.", said, "unavailable") from error
    return module.FAMILY


def family_for(scheme: Scheme, skeleton: PreTrainedModel) -> SchemeFamily:
    """`family_of`, but for checkpoints that are quantized already: these load as published, under `original` alone."""
    published = importlib.import_module(f"{__name__}.published")
    return published.FAMILY if published.is_published_quantized(skeleton.config) else family_of(scheme)


def unsupported_reason(scheme: Scheme, spec: WorkerSpec, name: str, layer: nn.Module | Experts) -> str | None:
    """Why the layer or the experts at path `name` are not quantized though transformers would; None if nothing is in the way."""
    key = assigned(scheme, name)
    if key is None:
        return "left unchanged by the recipe"
    part = find_scheme(key)
    family = family_of(part)
    if isinstance(layer, Experts):
        return family.unsupported_experts_reason(layer, part, spec)
    return family.left_reason(name, layer, part, spec, scheme)


def experts_for(model: PreTrainedModel, scheme: Scheme, spec: WorkerSpec) -> list[Experts]:
    """The fused experts of a model in floats that `scheme` quantizes, all of them fit."""
    return [experts for path, experts in convertible_experts(model).items() if unsupported_reason(scheme, spec, path, experts) is None]


def row_dequantizer_of(scheme: Scheme, spec: WorkerSpec, name: str, weight: Tensor) -> RowDequantizer | None:
    """`SchemeFamily.layer_dequantizer` of the layer at path `name`; None also where a recipe leaves it as it is."""
    key = assigned(scheme, name)
    if key is None:
        return None
    part = find_scheme(key)
    return family_of(part).layer_dequantizer(name, weight, part, spec, scheme)


def held_rows(model: PreTrainedModel, name: str, weight: Tensor) -> RowDequantizer | None:
    """What `row_dequantizer_of` gives, of a model that is loaded under the scheme; None for a layer that it left as it is."""
    layer = model.get_submodule(name)
    key = scheme_of(layer)
    if key is None:
        return None
    held = family_of(find_scheme(key)).dequantized(layer)
    return lambda rows, start: held[start : start + len(rows)]
