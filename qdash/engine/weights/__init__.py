"""What quantization does to the weights: every layer of a checkpoint against what schemes make of it.

The checkpoint is read once, tensor by tensor and for all schemes together; files are memory-mapped, and beside the tensor at hand there is
room for a few of its rows only. Every figure and histogram is over every weight.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.catalog.parts import part_of
from qdash.catalog.schemes import Scheme
from qdash.engine.layers import convertible_layers, measured_coverage
from qdash.engine.schemes import RowDequantizer
from qdash.engine.stored import StoredLayer, stored_layers
from qdash.engine.weights.layer import LayerError, Shapes, measure_layer
from qdash.engine.weights.sharing import sharing_of, stored_as
from qdash.engine.weights.stats import ErrorSums
from qdash.errors import QdashError
from qdash.present.layer_names import block_of, projection_of
from qdash.records import Coverage, Device, LayerPlace, LayerWeights, MeasuredLayer, SchemeWeights, Step, WeightReport

Restore = Callable[[str, Tensor], RowDequantizer | None]
"""Path of a layer in the model and its weight (out, in) as stored → how to have its rows as the quantized layer computes with them; None if
the scheme leaves this layer alone."""

UNSUPPORTED = "the scheme leaves weights of this size, or of this part, unchanged"

Emit = Callable[[Step | MeasuredLayer], None]


@torch.no_grad()
def measure_weight_error(
    folder: Path, skeleton: PreTrainedModel, schemes: Sequence[Scheme], restores: Mapping[str, Restore], *,
    emit: Emit, stop: Callable[[], bool], device: Device = "cpu",
) -> WeightReport:  # fmt: skip
    """Error statistics and histograms of each of `schemes`, layer by layer and over all weights that it quantizes.

    `skeleton` is the model without its weights; `restores` has a function for each scheme's key. Emits a step before each layer and its
    SQNR after it. NaN and infinite weights are counted, and are in no other figure. The report's `model` is `folder`. Raises QdashError:
    "cancelled" once `stop()` is true; "checkpoint" for files that cannot be read, hold no linear layer or are quantized already.
    """
    began = perf_counter()
    refuse_quantized(folder, skeleton)
    with stored_layers(folder, skeleton, convertible_layers(skeleton)) as layers:
        if not layers:
            raise QdashError(f"{folder} holds no linear layer to quantize.", "Choose another model.", "checkpoint")
        tallies = {scheme.key: _Tally(scheme) for scheme in schemes}
        for done, layer in enumerate(layers):
            go_on(stop)
            emit(Step(fraction=done / len(layers), detail=layer.name))
            weight = layer.read().to(device)
            place = place_of(layer, tuple(weight.shape))
            chosen = dict(_prepared(restores, layer.module, weight, stop))
            group_sizes = {key: group_size(tallies[key].scheme, layer.module, chosen[key], weight.shape[1]) for key in chosen}
            found = measure_layer(weight, chosen, group_sizes, partial(go_on, stop))
            plain_bits = 8 * weight.itemsize
            records = {
                key: tallies[key].add(place, layer.module, chosen[key], layer_error, plain_bits) for key, layer_error in found.items()
            }
            emit(MeasuredLayer(**place.model_dump(), sqnr_db={key: record.sqnr_db for key, record in records.items()}))
    reports = tuple(
        tally.report(measured_coverage(skeleton, tally.modules, tally.scheme, lambda name, layer: UNSUPPORTED))
        for tally in tallies.values()
    )
    return WeightReport(model=str(folder), device=device, seconds=perf_counter() - began, schemes=reports)


def _prepared(
    restores: Mapping[str, Restore], module: str, weight: Tensor, stop: Callable[[], bool]
) -> Iterator[tuple[str, RowDequantizer]]:
    """The schemes that quantize this layer, and how to have its rows; some look at all of it first."""
    for key, restore in restores.items():
        go_on(stop)
        row_dequantizer = restore(module, weight)
        if row_dequantizer is not None:
            yield key, row_dequantizer


def go_on(stop: Callable[[], bool]) -> None:
    """Raise QdashError("cancelled") if `stop()`."""
    if stop():
        raise QdashError("Measuring the weights was stopped.", "Start it again when you like.", "cancelled")


def refuse_quantized(folder: Path, skeleton: PreTrainedModel) -> None:
    """Raise QdashError for a checkpoint that has no original weights."""
    if getattr(skeleton.config, "quantization_config", None) is not None:
        message = f"{folder} is quantized already, so there are no original weights to compare with."
        raise QdashError(message, "Choose the model that it was made from.", "checkpoint")


def place_of(layer: StoredLayer, shape: tuple[int, ...]) -> LayerPlace:
    """Where in the model a layer is, told from its path."""
    block, projection = block_of(layer.name), projection_of(layer.name)
    return LayerPlace(name=layer.name, part=part_of(layer.module), block=block, projection=projection, shape=shape)


def group_size(scheme: Scheme, module: str, restore: RowDequantizer, columns: int) -> int | None:
    """How many neighbours in a row share a scale; 0 if the whole layer does, None if there is no scale."""
    sharing = sharing_of(scheme, module, restore)
    return None if sharing is None else sharing.group_size(columns)


@dataclass
class _Tally:
    """A scheme's sums and histograms over the layers so far."""

    scheme: Scheme
    sums: ErrorSums = field(default_factory=ErrorSums)
    shapes: Shapes = field(default_factory=Shapes)
    layers: list[LayerWeights] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    stored_bits: float = 0.0

    def add(self, place: LayerPlace, module: str, restore: RowDequantizer, layer_error: LayerError, plain_bits: int) -> LayerWeights:
        """Count a layer in; `plain_bits`: what the checkpoint has each of its weights in."""
        record = layer_error.record(place)
        self.layers.append(record)
        self.modules.append(module)
        self.sums += layer_error.sums
        self.shapes += layer_error.shapes
        self.stored_bits += _stored_bits(stored_as(self.scheme, module, restore) or self.scheme, place.shape, plain_bits, record.zeroed)
        return record

    def _bits(self) -> float | None:
        return self.stored_bits / self.sums.parameters if self.sums.parameters else None

    def report(self, coverage: Coverage) -> SchemeWeights:
        """What was counted; `coverage`: how much that is of the model."""
        scheme, sums = self.scheme, self.sums
        return SchemeWeights(
            scheme=scheme.key, label=scheme.label, kind=scheme.kind, bits_per_weight=self._bits(),
            parameters=sums.parameters, nonfinite=sums.nonfinite, layers=tuple(self.layers),
            histograms=self.shapes.record(sums), coverage=coverage,
            **sums.summary().model_dump(),
        )  # fmt: skip


def _stored_bits(scheme: Scheme, shape: tuple[int, ...], plain_bits: int, zeroed: float) -> float:
    """What the layer takes as stored, scales included."""
    rows, columns = shape
    return scheme.weight_bits(rows, columns, scheme.family.value_bits(scheme, plain_bits, zeroed))
