"""Simulated schemes: weights rounded to the values of a small format, then carried and multiplied in the worker's own dtype.

Answers and errors are those of the format (to the carrier's precision); speed and memory are the carrier's. The layers are those that
bitsandbytes would quantize, so that real and simulated variants differ in the numbers alone.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.catalog.schemes import Scheme
from qdash.engine.formats import round_trip
from qdash.engine.layers import convertible_layers, coverage, linear_layers
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import Coverage, WorkerSpec


class Simulated(Floating):
    """Rounds the weights of a loaded model in place."""

    @override
    @torch.no_grad()
    def transform(self, model: PreTrainedModel, scheme: Scheme) -> None:
        for layer in convertible_layers(model).values():
            weight = _rows(layer)
            round_trip(weight, scheme.params["format"], out=weight)

    @override
    def quantized_layers(self, model: PreTrainedModel) -> dict[str, nn.Module]:
        return convertible_layers(model)

    @override
    def coverage(self, model: PreTrainedModel, spec: WorkerSpec) -> Coverage:
        return coverage(model, convertible_layers(model))

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        return _rows(layer).detach().float()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor:
        return round_trip(weight.to(spec.device, dtype_of(scheme, spec)), scheme.params["format"]).float()

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        kept = sorted(linear_layers(skeleton).keys() - convertible_layers(skeleton).keys())
        return f"""{loading}
# {scheme.label} is simulated: its values, carried in {spec.dtype}.
from qdash.engine.formats import round_trip

kept = {kept!r}
for name, layer in model.named_modules():
    if isinstance(layer, torch.nn.Linear) and name not in kept:
        layer.weight.data = round_trip(layer.weight.data, {scheme.params["format"]!r})
"""


def _rows(layer: nn.Module) -> Tensor:
    """The weight as (out, in), one scale a row; `Conv1D` stores it the other way round."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.T if isinstance(layer, Conv1D) else weight


FAMILY = Simulated()
