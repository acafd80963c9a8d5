"""What the weights of layers are made to be in every product while they are trained: rounded to a format, or zero in part."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from qdash.catalog.scheme import Scheme
from qdash.engine.compress.fake_quantization import fake_quantized


class Constraint(Protocol):
    """Holds for the layers of one training at a time."""

    def on(self, layers: Mapping[str, nn.Module]) -> AbstractContextManager[dict[str, nn.Parameter]]:
        """While this lasts, `layers`, by path, multiply with such weights. Yields the floats behind them, by path; they need gradients."""
        ...

    def tighten(self, spent: float) -> None:
        """Called before each step, when `spent` (0 to 1) of the time is over; at 1 the weights are as the scheme has them."""
        ...

    def loosen(self) -> None:
        """Begin from the start: what `tighten` did is undone."""
        ...

    def kept(self, path: str, weight: Tensor) -> Tensor:
        """What is to be kept of the floats of a layer."""
        ...

    @property
    def zeros(self) -> float | None:
        """The share of the weights that are zero now; None where none is made zero."""
        ...


@runtime_checkable
class Constraining(Protocol):
    """A family of schemes whose weights are trained."""

    def constraint(self, scheme: Scheme) -> Constraint:
        """What the weights are made to be meanwhile."""
        ...


@dataclass(frozen=True)
class Rounded:
    """Rounded to the format `key` at all times; kept are the floats from before."""

    key: str

    def on(self, layers: Mapping[str, nn.Module]) -> AbstractContextManager[dict[str, nn.Parameter]]:
        """See `Constraint`."""
        return fake_quantized(layers, self.key)

    def tighten(self, spent: float) -> None:
        """It is as tight as can be."""

    def loosen(self) -> None:
        """It is never loose."""

    def kept(self, path: str, weight: Tensor) -> Tensor:
        """See `Constraint`."""
        return weight

    @property
    def zeros(self) -> None:
        """None is made zero."""
        return None
