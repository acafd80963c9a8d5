"""torchao: 8-bit integers, 8-bit floats and 4-bit integers as tensor subclasses in ordinary linear layers.

`from_pretrained` with a `TorchAoConfig` wherever that can do it. It cannot, and layers are quantized after loading, when

- activation ranges must be calibrated first (INT8 static);
- weights must be cast for the kernel: CUDA's for 4 bits multiplies in bfloat16 only, and the CPU's is some fifty times slower in float32.
  So 4-bit layers in other models hold bfloat16 scales and cast what goes in and out;
- the model has GPT-2's `Conv1D`, which transformers' integration leaves alone.

torchao calls the CPU's 4-bit form a prototype, and `save_pretrained` does not know it.
"""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torchao import quantization
from torchao.core.config import AOBaseConfig
from torchao.prototype.quantization.int4 import Int4OpaqueTensor, PrototypeInt4WeightOnlyConfig
from torchao.quantization import Float8Tensor, Int4TilePackedTo4dTensor, Int8Tensor, PerRow, PerTensor, quantize_
from torchao.quantization.quantize_.workflows import Int4PackingFormat
from torchao.utils import TorchAOBaseTensor
from transformers import PreTrainedModel, TorchAoConfig
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.calibration import input_ranges, why_uncalibrated
from qdash.engine.schemes import Build, Restorer, SchemeFamily
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import WorkerSpec

INT4, STATIC = "Int4WeightOnlyConfig", "Int8StaticActivationInt8WeightConfig"
FLOAT8_DYNAMIC = "Float8DynamicActivationFloat8WeightConfig"
INT8_LEVELS = 127  # on either side of zero

# What kernels take, in multiples of (outputs, inputs); a group of weights that share a scale must fit in as well.
MULTIPLES = {
    ("cpu", INT4): (16, 1),
    ("cuda", FLOAT8_DYNAMIC): (16, 16),
    ("cuda", "Int8DynamicActivationInt8WeightConfig"): (8, 8),
    ("cuda", STATIC): (8, 8),
}


class TorchAo(Floating):
    """The scheme's `params` name a config of torchao and its arguments."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        arguments = super().load_kwargs(scheme, spec, skeleton)
        if not _quantized_while_loading(scheme, spec, skeleton):
            return arguments
        misfits = [name for name, layer in layers.convertible_layers(skeleton).items() if self.unfit(layer, scheme, spec)]
        # A list given here replaces transformers' own, so that one is repeated.
        kept = [*sorted(layers.kept_patterns(skeleton)), *misfits] if misfits else None
        return {**arguments, "quantization_config": TorchAoConfig(_config(scheme, spec), kept)}

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: Build) -> None:
        if _quantized_while_loading(scheme, build.spec, model):
            for layer in model.modules():
                if isinstance(layer, nn.Linear) and isinstance(layer.weight, TorchAOBaseTensor):
                    layers.mark(layer, scheme.key)
        else:
            fit = [name for name, layer in layers.convertible_layers(model).items() if self.unfit(layer, scheme, build.spec) is None]
            self.quantize(model, fit, scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: Build) -> None:
        spec = build.spec
        ranges = input_ranges(model, names, build) if scheme.params["config"] == STATIC else dict.fromkeys(names)
        for done, (name, reach) in enumerate(ranges.items()):
            build.report(done / len(ranges), "quantizing weights")
            float_layer = model.get_submodule(name)
            layer = _quantized(layers.rows(float_layer).contiguous(), float_layer.bias, scheme, spec, reach)
            layers.mark(layer, scheme.key)
            layers.replace_layer(model, name, layer)

    @override
    def unfit(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return _misfit(*layers.shape(layer), scheme, spec) or why_uncalibrated(layer)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        assert isinstance(layer.weight, Tensor)
        return values_of(layer.weight)

    @override
    @torch.no_grad()
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        if _misfit(weight.shape[0], weight.shape[1], scheme, spec):
            return None
        rows = weight.to(spec.device, dtype_of(scheme, spec)).contiguous()
        if scheme.params["config"] == INT4 and spec.device == "cpu":
            # Groups are quantized each on its own. In rows of one group there are few unit vectors to read them with.
            rows = rows.view(-1, scheme.params["group_size"])
        layer = _quantized(rows, None, scheme, spec, reach=1.0)
        values = self.dequantized(layer).reshape(weight.shape)
        # torchao's layers hold themselves: their weights would stay until Python next looks for rings.
        layer.register_parameter("weight", None)
        return values

    @override
    def restorer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Restorer | None:
        if _misfit(weight.shape[0], weight.shape[1], scheme, spec):
            return None
        return SchemeFamily.restorer(self, weight, scheme, spec) if _one_scale(scheme) else super().restorer(weight, scheme, spec)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        why = _why_afterwards(scheme, spec, skeleton)
        return loading if why is None else loading + AFTERWARDS.format(why=why, scheme=scheme.key)


AFTERWARDS = """
# from_pretrained cannot do this one: {why}
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, "*={scheme}")
"""

FAMILY = TorchAo()


def values_of(weight: Tensor) -> Tensor:
    """The weights that a layer multiplies with, float32 (out, in), from torchao's tensor, bit for bit."""
    if isinstance(weight, Int4OpaqueTensor | Int4TilePackedTo4dTensor):
        return _values_of_int4(weight)
    # A layer with activations in floats rounds scales (integers) or weights (floats) to its dtype; one with 8-bit activations does not.
    assert isinstance(weight, TorchAOBaseTensor)
    rounded = weight.dtype if getattr(weight, "act_quant_kwargs", None) is None else torch.float32
    if isinstance(weight, Int8Tensor):
        return weight.qdata.float() * weight.scale.to(rounded).float()
    assert isinstance(weight, Float8Tensor)
    return weight.dequantize(rounded).float()


@torch.no_grad()
def _values_of_int4(weight: Any) -> Tensor:
    """Only the kernel knows how it packs codes and computes with them, so it is asked, with unit vectors."""
    units = torch.eye(weight.shape[1], dtype=torch.bfloat16, device=weight.device)
    if weight.device.type == "cuda":
        return nn.functional.linear(units, weight).T.float()
    # The CPU's keeps 32 bits inside, and rounds what comes out; with scales of one come the codes, which 16 bits can hold.
    group, scales = weight.block_size[1], weight.scale_and_zero  # (in / group, out, 2)
    ones = torch.stack([torch.ones_like(scales[..., 0]), torch.zeros_like(scales[..., 1])], dim=-1)
    codes = torch.ops.aten._weight_int4pack_mm_for_cpu(units, weight.qdata, group, ones).T.float()
    scale, zero = scales.float().transpose(0, 1).unsqueeze(2).unbind(-1)
    return (codes.view(len(scale), -1, group) * scale + zero).view(codes.shape)


def _one_scale(scheme: Scheme) -> bool:
    """Whether a whole tensor shares a scale, as 8-bit floats do where activations are rounded too."""
    return scheme.params["config"] == FLOAT8_DYNAMIC


def _quantized_while_loading(scheme: Scheme, spec: WorkerSpec, model: PreTrainedModel) -> bool:
    """Whether `from_pretrained` can quantize all layers that are to be."""
    return _why_afterwards(scheme, spec, model) is None


def _why_afterwards(scheme: Scheme, spec: WorkerSpec, model: PreTrainedModel) -> str | None:
    """What `from_pretrained` cannot do, None if it does all."""
    if scheme.params["config"] == STATIC:
        return "the model has to answer sample questions first."
    if scheme.params["config"] == INT4 and dtype_of(scheme, spec) != torch.bfloat16:
        return "the kernel multiplies in bfloat16."
    if any(isinstance(layer, Conv1D) for layer in layers.convertible_layers(model).values()):
        return "it leaves Conv1D layers alone."
    return None


def _config(scheme: Scheme, spec: WorkerSpec, reach: float | None = None) -> AOBaseConfig:
    """The config that the scheme's parameters describe; `reach` is the largest activation that has to fit (static only)."""
    arguments = dict(scheme.params)
    name = arguments.pop("config")
    if name == STATIC:
        assert reach is not None
        scale = torch.full((1, 1), reach / INT8_LEVELS, device=spec.device)
        return quantization.Int8StaticActivationInt8WeightConfig(act_quant_scale=scale, granularity=[PerTensor(), PerRow()])
    if name == INT4 and spec.device == "cpu":
        return PrototypeInt4WeightOnlyConfig(**arguments)
    if name == INT4:
        return quantization.Int4WeightOnlyConfig(**arguments, int4_packing_format=Int4PackingFormat.TILE_PACKED_TO_4D)
    return getattr(quantization, name)(**arguments)


def _misfit(outputs: int, inputs: int, scheme: Scheme, spec: WorkerSpec) -> str | None:
    """Why a layer of this size does not work on the spec's device, or None."""
    group = scheme.params.get("group_size")
    if group is not None and inputs % group:
        return f"{inputs} inputs are not a multiple of {group}, the number of weights that share a scale"
    of_outputs, of_inputs = MULTIPLES.get((spec.device, scheme.params["config"]), (1, 1))
    if outputs % of_outputs:
        return f"{outputs} outputs are not a multiple of {of_outputs}, which the kernel needs on this device"
    if inputs % of_inputs:
        return f"{inputs} inputs are not a multiple of {of_inputs}, which the kernel needs on this device"
    return None


class _InBfloat16(nn.Linear):
    """Multiplies in bfloat16 in a model of another dtype."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.bfloat16()).to(input.dtype)


class _OfRows(nn.Linear):
    """Takes inputs of any rank, of which torchao's fixed activation scale has only one."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.reshape(-1, self.in_features)).view(*input.shape[:-1], self.out_features)


def _kind_of_layer(scheme: Scheme, spec: WorkerSpec) -> type[nn.Linear]:
    if scheme.params["config"] == STATIC:
        return _OfRows
    return nn.Linear if dtype_of(scheme, spec) == torch.bfloat16 or scheme.params["config"] != INT4 else _InBfloat16


@torch.no_grad()
def _quantized(rows: Tensor, bias: Any, scheme: Scheme, spec: WorkerSpec, reach: float | None) -> nn.Linear:
    """A layer with the weight `rows` (out, in), quantized."""
    kind = _kind_of_layer(scheme, spec)
    layer = kind(rows.shape[1], rows.shape[0], bias is not None, device="meta")
    layer.weight = nn.Parameter(rows.bfloat16() if scheme.params["config"] == INT4 else rows, requires_grad=False)
    layer.bias = bias
    quantize_(layer, _config(scheme, spec, reach))
    return layer.eval()
