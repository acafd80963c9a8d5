"""Pruning in steps, with training between them: the weights nearest to zero become zeros and stay so, while the others learn.

Each of `STEPS` takes the same share of what is left, so that the last ends at the share that was asked for (Han et al. 2015, Learning both
Weights and Connections). A weight is judged by what training has made of it by then. All steps are taken in the first half of the time, as
the last is the largest loss and the learning rate falls (gradual pruning: Zhu and Gupta 2017).
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.engine.pruning.masks import small_masks

STEPS = 5
PRUNED_BY = 0.5
"""The share of the time after which the last step is taken; the first is taken at once."""


def percent_after(percent: int, step: int) -> int:
    """The percentage of all weights that is zero after a step, 1 to `STEPS`."""
    return round(100 * (1 - (1 - percent / 100) ** (step / STEPS)))


def step_at(spent: float) -> int:
    """The step that has been taken when `spent` (0 to 1) of the time is over."""
    return min(STEPS, 1 + int(spent * (STEPS - 1) / PRUNED_BY))


class PrunedInSteps:
    """See `Constraint`: of all layers' weights together those nearest to zero, `percent` of them in the end, are zero."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._reached = 0
        self._masked: dict[str, _Masked] = {}
        self._weights: dict[str, nn.Parameter] = {}

    @contextmanager
    def on(self, layers: Mapping[str, nn.Module]) -> Iterator[dict[str, nn.Parameter]]:
        """See `Constraint`."""
        try:
            for path, layer in layers.items():
                weight = layer.weight
                assert isinstance(weight, nn.Parameter)
                weight.requires_grad_(True)
                self._weights[path] = weight
                self._masked[path] = _Masked(weight, isinstance(layer, Conv1D))
                parametrize.register_parametrization(layer, "weight", self._masked[path])
            yield self._weights
        finally:
            for layer in layers.values():
                if parametrize.is_parametrized(layer, "weight"):
                    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)

    @torch.no_grad()
    def tighten(self, spent: float) -> None:
        """See `Constraint`. What is zero stays zero, also where less would be by now."""
        percent = percent_after(self._percent, step_at(spent))
        if percent == self._reached:
            return
        self._reached = percent
        for path, mask in small_masks(self._rows, list(self._masked), percent).items():
            left = self._left(path)
            mask.zero_(left, 0)
            self._masked[path].keep(left != 0)

    def loosen(self) -> None:
        """See `Constraint`."""
        self._reached = 0
        for masked in self._masked.values():
            masked.mask.fill_(True)

    def kept(self, path: str, weight: Tensor) -> Tensor:
        """With its zeros."""
        return weight * self._masked[path].mask

    @property
    def zeros(self) -> float:
        """See `Constraint`."""
        left = sum(int(masked.mask.sum()) for masked in self._masked.values())
        return 1 - left / max(1, sum(masked.mask.numel() for masked in self._masked.values()))

    def _rows(self, paths: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        return ((path, self._left(path)) for path in paths)

    def _left(self, path: str) -> Tensor:
        """A copy of a layer's weight with its zeros, (out, in)."""
        left = self.kept(path, self._weights[path].detach())
        return left.T.contiguous() if self._masked[path].transposed else left


class _Masked(nn.Module):
    """A parametrization: the weight, zero where `mask` is false; `transposed`: as `Conv1D` stores it."""

    mask: Tensor

    def __init__(self, weight: Tensor, transposed: bool) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))
        self.transposed = transposed

    def keep(self, left: Tensor) -> None:
        """Make all but `left`, (out, in), zero."""
        self.mask.copy_(left.T if self.transposed else left)

    @override
    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask
