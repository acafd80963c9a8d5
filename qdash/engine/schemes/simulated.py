"""Simulated schemes: weights rounded to the values of a small format, then carried and multiplied in the worker's own dtype.

Answers and errors are those of the format (to the stand-in's precision); speed and memory are the stand-in's. Where a scheme rounds
activations too, every quantized layer rounds its input before it multiplies. The layers are those that bitsandbytes would quantize, so that
real and simulated variants differ in the numbers alone; block formats leave layers that their blocks do not divide, as torchao does.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.formats import round_activations, round_trip, tensor_stats
from qdash.engine.kernels import Rounder, Rounding, round_in_place
from qdash.engine.parameters import Experts, mark_experts
from qdash.engine.schemes import QuantizeContext, RowDequantizer, experts_for
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import WorkerSpec


class Simulated(Floating):
    """Rounds the weights of a loaded model in place, and hooks the rounding of activations in front of its layers."""

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        experts = experts_for(model, scheme, build.spec)
        self.quantize(model, self._fitting(model, scheme, build.spec), scheme, build)
        self.quantize_experts(model, experts, scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        for done, name in enumerate(names):
            build.report(done / len(names), "rounding weights")
            layer = model.get_submodule(name)
            round_layer(layer, *SimulatedParams.of(scheme).formats)
            layers.mark(layer, scheme.key)

    @override
    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        for done, own in enumerate(experts):
            build.report(done / len(experts), "rounding experts")
            round_experts(own, SimulatedParams.of(scheme).format)
            mark_experts(own, scheme.key)

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        if SimulatedParams.of(scheme).activations is not None:
            return f"{scheme.label} rounds inputs too, and those of fused experts cannot be reached"
        if experts.transposed is None:
            return f"{type(experts.module).__name__} does not say whether its weights are stored as (inputs, outputs) or (outputs, inputs)"
        return _unsupported_shape(experts.shape[2], scheme)

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return _unsupported_shape(layers.shape(layer)[1], scheme)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        return _rows(layer).detach().float()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        if _unsupported_shape(weight.shape[1], scheme):
            return None
        return round_trip(weight.to(spec.device, dtype_of(scheme, spec)), SimulatedParams.of(scheme).format).float()

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        if _unsupported_shape(weight.shape[1], scheme):
            return None
        dtype = dtype_of(scheme, spec)
        key = SimulatedParams.of(scheme).format
        return Rounder(Rounding(key, tensor_stats(weight.to(spec.device), key, dtype), dtype), spec.device)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        kept = sorted(layers.linear_layers(skeleton).keys() - set(self._fitting(skeleton, scheme, spec)))
        formats = ", ".join(map(repr, SimulatedParams.of(scheme).formats))
        experts = [own.path for own in experts_for(skeleton, scheme, spec)]
        rounded = EXPERTS_SNIPPET.format(paths=experts, format=SimulatedParams.of(scheme).format) if experts else ""
        return f"""{loading}
# {scheme.label} is simulated: its values, carried in {spec.dtype}.
from qdash.engine.layers import linear_layers
from qdash.engine.schemes.simulated import round_layer

kept = {kept!r}
for name, layer in linear_layers(model).items():
    if name not in kept:
        round_layer(layer, {formats})
{rounded}"""

    def _fitting(self, model: PreTrainedModel, scheme: Scheme, spec: WorkerSpec) -> list[str]:
        found = layers.convertible_layers(model).items()
        return [name for name, layer in found if self.unsupported_reason(layer, scheme, spec) is None]


EXPERTS_SNIPPET = """
from qdash.engine.parameters import fused_experts
from qdash.engine.schemes.simulated import round_experts

for path, experts in fused_experts(model).items():
    if path in {paths!r}:
        round_experts(experts, {format!r})
"""

FAMILY = Simulated()


@torch.no_grad()
def round_layer(layer: nn.Module, weights: str, activations: str | None = None) -> None:
    """Round the weight of a linear layer in place, and from now on its input at every call, to formats of `catalog.formats`.

    Done again it replaces what was done to activations before. Other hooks of the layer stay, and see the input in the order they came.
    """
    weight = _rows(layer)
    round_in_place(weight, weights)
    for number, hook in list(layer._forward_pre_hooks.items()):
        if isinstance(hook, RoundInput):
            del layer._forward_pre_hooks[number]
    if activations is not None:
        layer.register_forward_pre_hook(RoundInput(activations))


@torch.no_grad()
def round_experts(experts: Experts, weights: str) -> None:
    """Round fused experts in place, each as a linear layer of its own, to a format of `catalog.formats`."""
    for weight in experts.matrices():
        round_in_place(weight, weights)


@dataclass(frozen=True)
class RoundInput:
    """A forward pre-hook that gives a layer its input rounded to `activations`, in the dtype it came in."""

    activations: str

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The layer's positional arguments, the first one rounded."""
        return round_activations(inputs[0], self.activations), *inputs[1:]


def _unsupported_shape(inputs: int, scheme: Scheme) -> str | None:
    """Why rows of `inputs` numbers cannot be stored in the scheme's formats, or None."""
    for key in SimulatedParams.of(scheme).formats:
        number_format = FORMATS[key]
        if inputs % number_format.divisor:
            return f"{inputs} inputs are not a multiple of {number_format.divisor}, the block of {scheme.label}"
    return None


def _rows(layer: nn.Module) -> Tensor:
    """The weight as (out, in), one scale a row; `Conv1D` stores it the other way round."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.T if isinstance(layer, Conv1D) else weight
