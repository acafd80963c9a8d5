"""Draws batches ahead of the training step, in a process of its own.

Step n's batch is a pure function of n, so a resumed run goes on where it stopped without storing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

Batch = dict[str, Tensor]


class _Steps(IterableDataset):
    """Yields one batch a step, forever."""

    def __init__(self, make: Callable[[int], Batch], first_step: int) -> None:
        self.make, self.step = make, first_step

    def __iter__(self) -> Iterator[Batch]:
        step = self.step
        while True:
            yield self.make(step)
            step += 1


def batches(make: Callable[[int], Batch], first_step: int = 0) -> Iterator[Batch]:
    """`make(first_step)`, `make(first_step + 1)` and so on; `make` must be picklable."""
    return iter(DataLoader(_Steps(make, first_step), batch_size=None, num_workers=1, prefetch_factor=6))
