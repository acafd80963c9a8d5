"""torchao: 8-bit integers, 8-bit floats and 4-bit integers as tensor subclasses in ordinary linear layers.

`from_pretrained` with a `TorchAoConfig` wherever that can do it. It cannot, and layers are quantized after loading, when

- activation ranges must be calibrated first (INT8 static);
- weights must be cast for the kernel: CUDA's for 4 bits multiplies in bfloat16 only, and the CPU's is some fifty times slower in float32.
  So 4-bit layers in other models hold bfloat16 scales. torchao's form for CUDA casts what goes in and out, that for CPUs does not;
- the model has GPT-2's `Conv1D`, which transformers' integration leaves alone.

On CUDA, layers that multiply 8-bit integers are replaced by ones that also take a single row, see `int8_rows`. torchao calls the CPU's
4-bit form a prototype, and `save_pretrained` does not know it.
"""

import math
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torchao import quantization
from torchao.core.config import AOBaseConfig
from torchao.prototype.quantization.int4 import Int4OpaqueTensor, PrototypeInt4WeightOnlyConfig
from torchao.quantization import Float8Tensor, FqnToConfig, Int4TilePackedTo4dTensor, Int8Tensor, PerRow, PerTensor, quantize_
from torchao.quantization.quantize_.workflows import Int4PackingFormat
from torchao.utils import TorchAOBaseTensor
from transformers import PreTrainedModel, TorchAoConfig
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.catalog.families.torchao import (
    FLOAT8_DYNAMIC,
    FLOAT8_WEIGHTS,
    INT4,
    INT8_DYNAMIC,
    INT8_WEIGHTS,
    QUANTIZED_AFTERWARDS,
    STATIC,
    TorchAoParams,
)
from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.calibration import input_ranges, why_uncalibrated
from qdash.engine.loading import begin
from qdash.engine.outside_reads import read_outside
from qdash.engine.parameters import Experts, mark_experts
from qdash.engine.schemes import QuantizeContext, RowDequantizer, SchemeFamily, Stored, experts_for
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.int8_rows import MULTIPLE, SNIPPET, pad_rows
from qdash.engine.schemes.snippet import Source, call, from_pretrained, source_of
from qdash.records import WorkerSpec, device_type

INT8_LEVELS = 127  # on either side of zero
INT4_SCALE_BITS = 32  # a scale and a zero point, 16 bits each
TILE = (8, 1024)  # CUDA's 4-bit form pads (outputs, inputs) to multiples of these

# Those of which torchao has a form for fused experts, and how transformers has to compute these: each expert's weight picked out in turn.
EXPERTS_CONFIGS = (INT8_WEIGHTS, INT8_DYNAMIC, FLOAT8_WEIGHTS)
EXPERTS_IMPLEMENTATION = "eager"

# What kernels take, in multiples of (outputs, inputs); a group of weights that share a scale must fit in as well.
MULTIPLES = {
    ("cpu", INT4): (16, 1),
    ("cuda", FLOAT8_DYNAMIC): (16, 16),
    ("cuda", INT8_DYNAMIC): (MULTIPLE, MULTIPLE),
    ("cuda", STATIC): (MULTIPLE, MULTIPLE),
}

PROTOTYPE = "torchao calls its 4-bit form for CPUs a prototype, and save_pretrained does not know it"


class TorchAo(Floating):
    """The scheme's `params` name a config of torchao and its arguments."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        arguments = super().load_kwargs(scheme, spec, skeleton)
        if not _quantized_while_loading(scheme, spec, skeleton):
            return arguments
        unsupported = self._unsupported_layers(skeleton, scheme, spec)
        # A list given here replaces transformers' own, so that one is repeated.
        kept = [*sorted(layers.kept_patterns(skeleton)), *unsupported] if unsupported else None
        return {**arguments, "quantization_config": TorchAoConfig(_config(scheme, spec), kept)}

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        if _quantized_while_loading(scheme, build.spec, model):
            for layer in model.modules():
                if isinstance(layer, nn.Linear) and isinstance(layer.weight, TorchAOBaseTensor):
                    layers.mark(layer, scheme.key)
            if _pads_rows(scheme, build.spec):
                pad_rows(model)
            self.quantize_experts(model, experts_for(model, scheme, build.spec), scheme, build)
        else:
            experts = experts_for(model, scheme, build.spec)
            fit = [
                name
                for name, layer in layers.convertible_layers(model).items()
                if self.unsupported_reason(layer, scheme, build.spec) is None
            ]
            self.quantize(model, fit, scheme, build)
            self.quantize_experts(model, experts, scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        spec = build.spec
        ranges = input_ranges(model, names, build) if TorchAoParams.of(scheme).config == STATIC else dict.fromkeys(names)
        for done, (name, input_absmax) in enumerate(ranges.items()):
            build.report(done / len(ranges), "quantizing weights")
            float_layer = model.get_submodule(name)
            layer = _quantized(layers.rows(float_layer).contiguous(), float_layer.bias, scheme, spec, input_absmax)
            layers.mark(layer, scheme.key)
            layers.replace_layer(model, name, layer)
        if _pads_rows(scheme, spec):
            pad_rows(model)

    @override
    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        for done, own in enumerate(experts):
            build.report(done / len(experts), "quantizing experts")
            quantize_(own.module, FqnToConfig(OrderedDict({own.parameter: _config(scheme, build.spec)})), filter_fn=None)
            mark_experts(own, scheme.key)
        if experts and model._can_set_experts_implementation():
            model.set_experts_implementation(EXPERTS_IMPLEMENTATION)

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        config = TorchAoParams.of(scheme).config
        if config not in EXPERTS_CONFIGS or (config == INT8_DYNAMIC and device_type(spec.device) == "cuda"):
            return super().unsupported_experts_reason(experts, scheme, spec)
        if experts.transposed is not False:
            return f"{type(experts.module).__name__} stores weights as (inputs, outputs), which torchao's kernels do not take"
        return _unsupported_shape(*experts.shape[1:], scheme, spec)

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return _unsupported_shape(*layers.shape(layer), scheme, spec) or why_uncalibrated(layer)

    def _unsupported_layers(self, skeleton: PreTrainedModel, scheme: Scheme, spec: WorkerSpec) -> list[str]:
        """Layers that transformers would have torchao quantize and should not.

        That is also those of subclasses of `nn.Linear`, which read the weight themselves, in ways that torchao's tensors do not know.
        """
        special = [name for name, layer in layers.linear_layers(skeleton).items() if type(layer) not in (nn.Linear, Conv1D)]
        unsupported = [name for name, layer in layers.convertible_layers(skeleton).items() if self.unsupported_reason(layer, scheme, spec)]
        return [*special, *unsupported, *read_outside(skeleton)]

    @override
    def stored(self, shape: tuple[int, ...], scheme: Scheme, spec: WorkerSpec) -> Stored:
        outputs, inputs = math.prod(shape[:-1]), shape[-1]
        config = TorchAoParams.of(scheme).config
        if config == INT4:
            of_outputs, of_inputs = (1, 1) if spec.device == "cpu" else TILE
            padded = -(-outputs // of_outputs) * of_outputs * -(-inputs // of_inputs) * of_inputs
            return Stored(padded * (4 + INT4_SCALE_BITS / _group_size(scheme)))
        # Where activations have a fixed scale, or the whole weight has one: a 32-bit float.
        whole = 32 if config in (STATIC, FLOAT8_DYNAMIC) else 0
        return Stored(8 * outputs * inputs + outputs * scheme.row_scale_bits + whole)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        assert isinstance(layer.weight, Tensor)
        return values_of(layer.weight)

    @override
    @torch.no_grad()
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        if _unsupported_shape(weight.shape[0], weight.shape[1], scheme, spec):
            return None
        rows = weight.to(spec.device, dtype_of(scheme, spec)).contiguous()
        if TorchAoParams.of(scheme).config == INT4 and spec.device == "cpu":
            # Groups are quantized each on its own. In rows of one group there are few unit vectors to read them with.
            rows = rows.view(-1, _group_size(scheme))
        layer = _quantized(rows, None, scheme, spec, input_absmax=1.0)
        values = self.dequantized(layer).reshape(weight.shape)
        # torchao's layers hold reference cycles, so their weights would stay until the next garbage collection.
        layer.register_parameter("weight", None)
        return values

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        if _unsupported_shape(weight.shape[0], weight.shape[1], scheme, spec):
            return None
        return (
            SchemeFamily.row_dequantizer(self, weight, scheme, spec)
            if _one_scale(scheme)
            else super().row_dequantizer(weight, scheme, spec)
        )

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        if not _quantized_while_loading(scheme, spec, skeleton):
            return QUANTIZED_AFTERWARDS
        return PROTOTYPE if TorchAoParams.of(scheme).config == INT4 and spec.device == "cpu" else None

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        why = _why_afterwards(scheme, spec, skeleton)
        if why is not None:
            return loading + AFTERWARDS.format(why=why, scheme=scheme.key)
        experts = experts_for(skeleton, scheme, spec)
        if experts:
            config = _config(scheme, spec)
            loading += EXPERTS_SNIPPET.format(paths=[own.path for own in experts], config=call(config))
            if skeleton._can_set_experts_implementation():
                loading += f"model.set_experts_implementation({EXPERTS_IMPLEMENTATION!r})\n"
        return loading + SNIPPET if _pads_rows(scheme, spec) else loading


EXPERTS_SNIPPET = """
# from_pretrained leaves experts that share a parameter in floats; torchao can quantize these, where they are computed one by one.
from torchao.quantization import FqnToConfig, quantize_

quantize_(model, FqnToConfig(dict.fromkeys({paths!r}, {config})), filter_fn=None)
"""

AFTERWARDS = """
# from_pretrained cannot do this one: {why}
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, "*={scheme}")
"""

FAMILY = TorchAo()


@source_of.register
def _(config: TorchAoConfig) -> Source:
    kept = [f"modules_to_not_convert={config.modules_to_not_convert!r}"] if config.modules_to_not_convert else []
    own: Any = config.quant_type
    # torchao exports its configs one level above the modules that define them.
    line = f"from {type(own).__module__.rpartition('.')[0]} import {type(own).__name__}"
    return Source(f"TorchAoConfig({', '.join([call(own), *kept])})", ("TorchAoConfig",), (line,))


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


def _group_size(scheme: Scheme) -> int:
    """Of a scheme with groups."""
    size = TorchAoParams.of(scheme).group_size
    assert size is not None
    return size


def _pads_rows(scheme: Scheme, spec: WorkerSpec) -> bool:
    """Whether the scheme's layers multiply 8-bit integers with CUDA's kernel, which needs more rows than one token has."""
    return device_type(spec.device) == "cuda" and TorchAoParams.of(scheme).config in (INT8_DYNAMIC, STATIC)


def _one_scale(scheme: Scheme) -> bool:
    """Whether a whole tensor shares a scale, as 8-bit floats do where activations are rounded too."""
    return TorchAoParams.of(scheme).config == FLOAT8_DYNAMIC


def _quantized_while_loading(scheme: Scheme, spec: WorkerSpec, model: PreTrainedModel) -> bool:
    """Whether `from_pretrained` can quantize all layers that are to be."""
    return _why_afterwards(scheme, spec, model) is None


def _why_afterwards(scheme: Scheme, spec: WorkerSpec, model: PreTrainedModel) -> str | None:
    """What `from_pretrained` cannot do, None if it does all."""
    if TorchAoParams.of(scheme).config == STATIC:
        return "the model has to answer sample questions first."
    if TorchAoParams.of(scheme).config == INT4 and dtype_of(scheme, spec) != torch.bfloat16:
        return "the kernel multiplies in bfloat16."
    if any(isinstance(layer, Conv1D) for layer in layers.convertible_layers(model).values()):
        return "it leaves Conv1D layers alone."
    if begin(model):
        return "the model changes its own weights when it is first called, which torchao's tensors do not allow."
    return None


def _config(scheme: Scheme, spec: WorkerSpec, input_absmax: float | None = None) -> AOBaseConfig:
    """The config that the scheme's parameters describe; `input_absmax` is the largest activation that has to fit (static only)."""
    name, arguments = TorchAoParams.of(scheme).config, TorchAoParams.of(scheme).arguments
    if name == STATIC:
        assert input_absmax is not None
        scale = torch.full((1, 1), input_absmax / INT8_LEVELS, device=spec.device)
        return quantization.Int8StaticActivationInt8WeightConfig(act_quant_scale=scale, granularity=[PerTensor(), PerRow()])
    if name == INT4 and spec.device == "cpu":
        return PrototypeInt4WeightOnlyConfig(**arguments)
    if name == INT4:
        return quantization.Int4WeightOnlyConfig(**arguments, int4_packing_format=Int4PackingFormat.TILE_PACKED_TO_4D)
    return getattr(quantization, name)(**arguments)


def _unsupported_shape(outputs: int, inputs: int, scheme: Scheme, spec: WorkerSpec) -> str | None:
    """Why a layer of this size does not work on the spec's device, or None."""
    group = TorchAoParams.of(scheme).group_size
    if group is not None and inputs % group:
        return f"{inputs} inputs are not a multiple of {group}, the number of weights that share a scale"
    of_outputs, of_inputs = MULTIPLES.get((device_type(spec.device), TorchAoParams.of(scheme).config), (1, 1))
    if outputs % of_outputs:
        return f"{outputs} outputs are not a multiple of {of_outputs}, which the kernel needs on this device"
    if inputs % of_inputs:
        return f"{inputs} inputs are not a multiple of {of_inputs}, which the kernel needs on this device"
    return None


class _InBfloat16(nn.Linear):
    """Multiplies in bfloat16 in a model of another dtype: on a CPU torchao's 4-bit form only takes inputs of its scales' dtype."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.bfloat16()).to(input.dtype)


class _OfRows(nn.Linear):
    """Takes inputs of any rank, of which torchao's fixed activation scale has only one."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.reshape(-1, self.in_features)).view(*input.shape[:-1], self.out_features)


def _kind_of_layer(scheme: Scheme, spec: WorkerSpec) -> type[nn.Linear]:
    if TorchAoParams.of(scheme).config == STATIC:
        return _OfRows
    casts = TorchAoParams.of(scheme).config == INT4 and spec.device == "cpu" and dtype_of(scheme, spec) != torch.bfloat16
    return _InBfloat16 if casts else nn.Linear


@torch.no_grad()
def _quantized(rows: Tensor, bias: Any, scheme: Scheme, spec: WorkerSpec, input_absmax: float | None) -> nn.Linear:
    """A layer with the weight `rows` (out, in), quantized."""
    kind = _kind_of_layer(scheme, spec)
    layer = kind(rows.shape[1], rows.shape[0], bias is not None, device="meta")
    layer.weight = nn.Parameter(rows.bfloat16() if TorchAoParams.of(scheme).config == INT4 else rows, requires_grad=False)
    layer.bias = bias
    quantize_(layer, _config(scheme, spec, input_absmax))
    return layer.eval()
