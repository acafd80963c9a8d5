"""PyTorch's own dynamic quantization for CPUs: weights in 8 bits with one scale a layer, inputs rounded to 8 bits as they come.

It is deprecated: a PyTorch without it makes this scheme unavailable. Its entry point, `quantize_dynamic`, says so at every call; layers are
made here by what it calls for each of them, which does not. They take and give float32 only, so in models of another dtype they cast.
"""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.schemes import QuantizeContext, RowDequantizer, Stored
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.engine.sizes import PACKED
from qdash.errors import QdashError
from qdash.records import WorkerSpec

try:
    from torch.ao.nn.quantized.dynamic import Linear as DynamicLinear
    from torch.ao.quantization.qconfig import default_dynamic_qconfig
except ImportError as error:
    raise QdashError(
        f"PyTorch {torch.__version__} no longer has dynamic quantization.", "Use ao-int8dyn, torchao's.", "unavailable"
    ) from error


class TorchDynamic(Floating):
    """`torch.ao.quantization.quantize_dynamic` on a loaded model."""

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        self.quantize(model, list(layers.convertible_layers(model)), scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        for done, name in enumerate(names):
            build.report(done / len(names), "quantizing weights")
            layer = model.get_submodule(name)
            made = _quantized(layers.rows(layer), layer.bias)
            layers.mark(made, scheme.key)
            layers.replace_layer(model, name, made)

    @override
    def stored(self, shape: tuple[int, ...], scheme: Scheme, spec: WorkerSpec) -> Stored:
        return Stored(8 * math.prod(shape), bias_bits=32)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        assert isinstance(layer, DynamicLinear)
        return layer.weight().dequantize()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor:
        return self.dequantized(_quantized(weight.to(dtype_of(scheme, spec)), None))

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        dtype = dtype_of(scheme, spec)
        # The scale depends on the least and the largest weight only, so a layer of these two has it.
        scale = _quantized(torch.stack(torch.aminmax(weight)).to(dtype).view(1, 2), None).weight().q_scale()
        return lambda rows, start: torch.quantize_per_tensor(rows.to(dtype).float(), scale, 0, torch.qint8).dequantize()

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        return scheme.family.unsaveable(scheme)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading, convertible = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton)), layers.convertible_layers(skeleton)
        if dtype_of(scheme, spec) != torch.float32 or any(type(layer) is not nn.Linear for layer in convertible.values()):
            return loading + WITH_CASTS.format(scheme=scheme.key)
        return loading + AS_IT_IS.format(kept=sorted(layers.linear_layers(skeleton).keys() - convertible.keys()))


AS_IT_IS = """
from torch.ao.quantization import quantize_dynamic  # deprecated, as its warning says

kept = {kept!r}
linear = {{name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and name not in kept}}
quantize_dynamic(model, linear, dtype=torch.qint8, inplace=True)
"""

WITH_CASTS = """
# PyTorch's quantize_dynamic takes float32 and nn.Linear only; this casts, and converts other linear layers.
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, "*={scheme}")
"""

FAMILY = TorchDynamic()


class _Casting(DynamicLinear):
    """Works in models of any dtype."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


@torch.no_grad()
def _quantized(rows: Tensor, bias: Any) -> DynamicLinear:
    """A layer with the weight `rows` (out, in), quantized."""
    layer: Any = nn.Linear(rows.shape[1], rows.shape[0], device="meta")
    layer.weight = nn.Parameter(rows.float(), requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias.float(), requires_grad=False)
    layer.qconfig = default_dynamic_qconfig
    made = _Casting.from_float(layer).eval()
    setattr(made, PACKED, rows.numel() + (0 if bias is None else 4 * len(rows)))
    return made
