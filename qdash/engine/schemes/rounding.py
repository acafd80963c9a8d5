"""Better rounding: GPTQ, HQQ and AWQ-type scaling, carried in the worker's own dtype as other simulated schemes are.

GPTQ and AWQ ask what a layer multiplies its weights with. So their weights are known of a loaded model only, which reads the samples of
`input_moments` first; and fused experts are left alone, because which inputs reach which expert cannot be seen from outside.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.families.rounding import RoundingParams
from qdash.catalog.formats import FORMATS, Format
from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.calibration import note_uncalibrated, why_uncalibrated
from qdash.engine.compress.awq import awq
from qdash.engine.compress.gptq import gptq
from qdash.engine.compress.hqq import hqq
from qdash.engine.input_moments import InputMoments, moments_by_stage
from qdash.engine.parameters import Experts, mark_experts
from qdash.engine.schemes import QuantizeContext, experts_for
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import WorkerSpec

CALIBRATED: dict[str, Callable[[Tensor, InputMoments, Format], Tensor]] = {
    "gptq": lambda weight, moments, number_format: gptq(weight, moments.products, number_format),
    "awq": lambda weight, moments, number_format: awq(weight, moments.products, moments.sizes, number_format),
}
"""A weight (out, in), its layer's inputs and the format → the weight that is computed with, float32."""


class Rounding(Floating):
    """Rounds the weights of a loaded model in place."""

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        experts = experts_for(model, scheme, build.spec)
        self.quantize(model, list(layers.convertible_layers(model)), scheme, build)
        self.quantize_experts(model, experts, scheme, build)

    @override
    @torch.no_grad()
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        if scheme.calibrated:
            self._quantize_by_stage(model, names, scheme, build)
            return
        for done, name in enumerate(names):
            build.report(done / len(names), "rounding weights")
            weight = layers.rows(model.get_submodule(name))
            weight.copy_(hqq(weight, _format(scheme)))
            layers.mark(model.get_submodule(name), scheme.key)

    def _quantize_by_stage(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        for name in names:
            note_uncalibrated(model.get_submodule(name), uncalibrated=True)
        method = CALIBRATED[RoundingParams.of(scheme).method]
        for stage in moments_by_stage(model, names, build):
            for name, moments in stage.items():
                build.report(None, "rounding weights")
                layer = model.get_submodule(name)
                if moments.usable:
                    weight = layers.rows(layer)
                    weight.copy_(method(weight, moments, _format(scheme)))
                    layers.mark(layer, scheme.key)
                    note_uncalibrated(layer, uncalibrated=False)

    @override
    @torch.no_grad()
    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        for done, own in enumerate(experts):
            build.report(done / len(experts), "rounding experts")
            for weight in own.matrices():
                weight.copy_(hqq(weight, _format(scheme)))
            mark_experts(own, scheme.key)

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        if scheme.calibrated:
            return f"{scheme.label} looks at inputs, and those of fused experts cannot be reached"
        if experts.transposed is None:
            return f"{type(experts.module).__name__} does not say whether its weights are stored as (inputs, outputs) or (outputs, inputs)"
        return None

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return why_uncalibrated(layer) if scheme.calibrated else None

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        return layers.rows(layer).detach().float()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        if scheme.calibrated:
            raise TypeError(f"What {scheme.label} makes of a weight depends on the layer's inputs: ask a loaded model.")
        rows = weight.to(spec.device, dtype_of(scheme, spec))
        return hqq(rows, _format(scheme)).to(rows.dtype).float()

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        return from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton)) + SNIPPET.format(label=scheme.label, key=scheme.key)


SNIPPET = """
# {label} is simulated: its values, carried in the model's own type.
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, "*={key}")
"""

FAMILY = Rounding()


def _format(scheme: Scheme) -> Format:
    return FORMATS[RoundingParams.of(scheme).format]
