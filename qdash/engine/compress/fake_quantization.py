"""A linear layer that multiplies with its weight rounded to a format, and passes gradients on to the weight as it is.

The straight-through estimator (Bengio et al. 2013): the rounding counts as the identity when gradients are computed. torchao has such
layers too, but its asymmetric groups have whole numbers as zero points, and scales in 32 bits; the groups of `catalog.formats` have a
minimum and a scale in bfloat16. Only qdash's own rounding gives a healed model the very numbers that the format stores.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.engine.formats import round_trip


class _RoundedStraightThrough(torch.autograd.Function):
    """Forwards (out, in) rounded to a format, backwards the gradient as it is."""

    @staticmethod
    @override
    def forward(ctx: Any, weight: Tensor, key: str, transposed: bool) -> Tensor:
        return round_trip(weight.T, key).T if transposed else round_trip(weight, key)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0], None, None


class FakeQuantized(nn.Module):
    """A parametrization: the weight rounded to the format `key`; `transposed`: as `Conv1D` stores it."""

    def __init__(self, key: str, transposed: bool) -> None:
        super().__init__()
        self.key, self.transposed = key, transposed

    @override
    def forward(self, weight: Tensor) -> Tensor:
        rounded = _RoundedStraightThrough.apply(weight, self.key, self.transposed)
        assert isinstance(rounded, Tensor)
        return rounded


@contextmanager
def fake_quantized(layers: Mapping[str, nn.Module], key: str) -> Iterator[dict[str, nn.Parameter]]:
    """While this lasts, `layers`, by path, multiply with their weights rounded to the format `key`. Yields the floats before rounding, by
    path; they need gradients.
    """
    weights: dict[str, nn.Parameter] = {}
    try:
        for path, layer in layers.items():
            weight = layer.weight
            assert isinstance(weight, nn.Parameter)
            weight.requires_grad_(True)
            weights[path] = weight
            parametrize.register_parametrization(layer, "weight", FakeQuantized(key, isinstance(layer, Conv1D)))
        yield weights
    finally:
        for layer in layers.values():
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
