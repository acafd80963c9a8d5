"""Plain floating-point schemes: the checkpoint's weights in one dtype, nothing quantized. The baselines."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.schemes import Scheme
from qdash.engine.schemes import QuantizeContext, RowDequantizer, SchemeFamily
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import WorkerSpec


def dtype_of(scheme: Scheme, spec: WorkerSpec) -> torch.dtype:
    """The dtype of all that `scheme` does not quantize: its own if it names one, as fp16 does, else the worker's."""
    return getattr(torch, scheme.own_dtype or spec.dtype)


class Floating(SchemeFamily):
    """Casts only. Rows do not depend on each other here; families whose rows do have their own `row_dequantizer`."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        return {"dtype": dtype_of(scheme, spec), "device_map": spec.device}

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        pass

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        pass

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return None

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        return weight.detach().float()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        return weight.to(spec.device, dtype_of(scheme, spec)).float()

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        def restore(rows: Tensor, start: int) -> Tensor:
            restored = self.round_trip(rows, scheme, spec)
            assert restored is not None
            return restored

        return restore

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        return from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))


FAMILY = Floating()
