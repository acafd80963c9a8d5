"""What quantization does to the weights: every layer of a checkpoint against its round trip through each scheme.

One tensor is in memory at a time, and all schemes share one read of it. Statistics and histogram counts are over every weight; only the
range that a histogram of the whole model spans is chosen beforehand, from a few rows of each layer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.catalog.schemes import Scheme
from qdash.engine.layers import convertible_layers
from qdash.engine.statistics import Counts, ErrorSums, Spread, blocks
from qdash.engine.stored import StoredLayer, stored_layers
from qdash.errors import QdashError
from qdash.records import LayerHistograms, LayerWeights, SchemeWeights, Step, WeightReport

RoundTrip = Callable[[str, Tensor], Tensor | None]
"""Path of a layer in the model and its weight (out, in) as stored → the weight that the quantized layer computes with, on any device;
None if the scheme leaves this layer alone."""

SAMPLED_ROWS = 32  # some kernels take rows in multiples of 32 only


@torch.no_grad()
def weigh(
    folder: Path,
    skeleton: PreTrainedModel,
    schemes: Sequence[Scheme],
    round_trips: Mapping[str, RoundTrip],
    *,
    emit: Callable[[Step], None],
    stop: Callable[[], bool],
) -> WeightReport:
    """Error statistics and histograms of each of `schemes`, layer by layer and over all weights that it quantizes.

    `skeleton` is the model without its weights; `round_trips` has a function for each scheme's key. Emits a step for each layer. The
    report's `model` is `folder`. Raises QdashError: "cancelled" once `stop()` is true; "checkpoint" for files that cannot be read, hold
    no linear layer or are quantized already, and for weights that are NaN or infinite, as no error can be told of them; "bad_input" for
    a scheme that makes weights NaN or infinite.
    """
    if getattr(skeleton.config, "quantization_config", None) is not None:
        message = f"{folder} is quantized already, so there are no original weights to compare with."
        raise QdashError(message, "Choose the model that it was made from.", "checkpoint")
    with stored_layers(folder, skeleton, convertible_layers(skeleton)) as layers:
        if not layers:
            raise QdashError(f"{folder} holds no linear layer to quantize.", "Choose another model.", "checkpoint")
        spread, errors = _look(layers, schemes, round_trips, stop)
        tallies = [_Tally(scheme, _Shapes.between(spread, errors[scheme.key])) for scheme in schemes]
        for done, layer in enumerate(layers):
            emit(Step(fraction=done / len(layers), detail=layer.name))
            weight = layer.read()
            original = _Original.of(layer, weight, spread)
            for tally in tallies:
                _go_on(stop)
                restored = round_trips[tally.scheme.key](layer.module, weight)
                if restored is not None:
                    tally.add(layer, original, restored)
    return WeightReport(model=str(folder), schemes=tuple(tally.report() for tally in tallies))


def _go_on(stop: Callable[[], bool]) -> None:
    if stop():
        raise QdashError("Weighing was stopped.", "Start it again when you like.", "cancelled")


def _look(
    layers: Sequence[StoredLayer], schemes: Sequence[Scheme], round_trips: Mapping[str, RoundTrip], stop: Callable[[], bool]
) -> tuple[Spread, dict[str, Spread]]:
    """The spread of the model's weights, and of each scheme's error, judged by a few rows of each layer."""
    weights, errors = Spread(), {scheme.key: Spread() for scheme in schemes}
    for layer in layers:
        _go_on(stop)
        weight = layer.read()
        rows = weight[:: max(1, len(weight) // SAMPLED_ROWS)][:SAMPLED_ROWS].contiguous()
        weights += Spread.of(rows)
        for key, error in errors.items():
            restored = round_trips[key](layer.module, rows)
            if restored is not None:
                error += Spread.of(restored.cpu().double() - rows.double())
    return weights, errors


@dataclass
class _Original:
    """A layer's weights and their histograms, which are the same whatever the scheme."""

    weight: Tensor
    own: Counts
    in_model: Counts

    @classmethod
    def of(cls, layer: StoredLayer, weight: Tensor, model: Spread) -> "_Original":
        spread = Spread.of(weight)
        if not math.isfinite(spread.squares):
            broken = weight.numel() - int(weight.isfinite().sum())
            message = f"{layer.name} holds {broken} weights that are NaN or infinite, so no error can be told."
            raise QdashError(message, "The checkpoint is damaged or comes from a failed training run: choose another.", "checkpoint")
        counted = cls(weight, Counts(spread.limit()), Counts(model.limit()))
        for (block,) in blocks(weight):
            counted.own.add(block)
            counted.in_model.add(block)
        return counted


@dataclass
class _Shapes:
    """The three histograms of a layer or of a model."""

    original: Counts
    dequantized: Counts
    error: Counts

    @classmethod
    def between(cls, weights: Spread, errors: Spread) -> "_Shapes":
        limit = weights.limit()
        return cls(Counts(limit), Counts(limit), Counts(errors.limit(otherwise=limit)))

    def record(self) -> LayerHistograms:
        return LayerHistograms(original=self.original.histogram(), dequantized=self.dequantized.histogram(), error=self.error.histogram())


@dataclass
class _Tally:
    """A scheme's sums and histograms over the layers so far."""

    scheme: Scheme
    shapes: _Shapes
    sums: ErrorSums = field(default_factory=ErrorSums)
    layers: list[LayerWeights] = field(default_factory=list)

    def add(self, layer: StoredLayer, original: _Original, restored: Tensor) -> None:
        """Count a layer in."""
        weight = original.weight.to(restored.device)
        sums = ErrorSums.of(weight, restored)
        if not sums.finite:
            message = f"{self.scheme.label} turns weights of {layer.name} into NaN or infinity."
            raise QdashError(message, f"Compare without {self.scheme.label}.")
        own = _Shapes(original.own, Counts(original.own.limit), Counts(sums.error.limit(otherwise=original.own.limit)))
        for block, restored_block in blocks(weight, restored):
            for shapes in (own, self.shapes):
                shapes.dequantized.add(restored_block)
                shapes.error.add(restored_block - block)
        self.shapes.original.counts += original.in_model.counts
        self.sums += sums
        self.layers.append(LayerWeights(name=layer.name, shape=tuple(weight.shape), histograms=own.record(), **sums.summary().model_dump()))

    def report(self) -> SchemeWeights:
        """What was counted."""
        scheme = self.scheme
        return SchemeWeights(
            scheme=scheme.key, label=scheme.label, kind=scheme.kind, layers=tuple(self.layers), histograms=self.shapes.record(),
            **self.sums.summary().model_dump(),
        )  # fmt: skip
