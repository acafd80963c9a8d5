"""torchao's linear layers with 8-bit integer weights and activations, for any number of rows on CUDA.

On CUDA `torch._int_mm` needs more than 16 rows, but a decoding step has one. torchao 0.18 (`safe_int_mm`) falls back to float32 there. At
every call it also formats a tensor as text, to find out whether it is being traced, for which the host waits for the GPU, and copies the
weight into another layout. The layer here does the same arithmetic as torchao's, on rows padded with zeros that are cut off afterwards.
"""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torchao.quantization import Int8Tensor
from torchao.quantization.quant_primitives import MappingType
from typing_extensions import override

from qdash.engine import layers

ROWS = 32  # rows are padded to a multiple of this: more than 16, and aligned for every kernel
MULTIPLE = 8  # inputs and outputs must be multiples of this on CUDA


def int8_product(left: Tensor, right: Tensor) -> Tensor:
    """`left` (rows, in) · `right`ᵀ (out, in), both int8, exact in int32 (rows, out), for any number of rows; the host waits for nothing."""
    missing = max(ROWS, -(-len(left) // ROWS) * ROWS) - len(left)
    padded = nn.functional.pad(left, (0, 0, 0, missing)) if missing else left.contiguous()
    return torch.ops.aten._int_mm(padded, right.t())[: len(left)]


class RowPaddedLinear(nn.Linear):
    """A linear layer whose weight is an `Int8Tensor` that also states how activations are quantized. Inputs may have any rank."""

    @classmethod
    def of(cls, layer: nn.Linear) -> "RowPaddedLinear":
        """A layer that shares the weight and bias of `layer`."""
        made = cls(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        made.weight, made.bias = layer.weight, layer.bias
        return made.train(layer.training)

    @override
    def forward(self, input: Tensor) -> Tensor:
        """The operations of torchao's own layer, in the same order and dtypes, so that results are equal bit for bit."""
        weight: Any = self.weight
        how = weight.act_quant_kwargs
        rows = Int8Tensor.from_hp(
            input.reshape(-1, self.in_features), how.granularity, how.mapping_type, weight.act_quant_scale,
            weight.act_quant_zero_point, reduce_range=how.reduce_range,
        )  # fmt: skip
        made = (int8_product(rows.qdata, weight.qdata) * rows.scale).to(input.dtype) * weight.scale.flatten()
        if self.bias is not None:
            made += self.bias
        return made.to(input.dtype).view(*input.shape[:-1], self.out_features)


def pad_rows(model: nn.Module) -> None:
    """Replace in place every layer of `model` that multiplies 8-bit integers by a `RowPaddedLinear`."""
    for name, layer in list(model.named_modules()):
        if _multiplies_int8(layer):
            made = RowPaddedLinear.of(layer)
            scheme = layers.scheme_of(layer)
            if scheme is not None:
                layers.mark(made, scheme)
            layers.replace_layer(model, name, made)


def _multiplies_int8(layer: nn.Module) -> TypeGuard[nn.Linear]:
    weight: Any = layer.weight if isinstance(layer, nn.Linear) else None
    if not isinstance(weight, Int8Tensor) or any(size % MULTIPLE for size in weight.shape):
        return False
    how: Any = weight.act_quant_kwargs
    return how is not None and how.mapping_type is MappingType.SYMMETRIC and weight.act_pre_scale is None


SNIPPET = """
# CUDA's int8 product needs more than 16 rows, and one token is one row: this pads them with zeros.
from qdash.engine.schemes.int8_rows import pad_rows

pad_rows(model)
"""
