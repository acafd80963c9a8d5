"""How CUDA divides, imitated on a CPU, for tests of numbers that must not depend on the device."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

DIVISIONS = {torch.ops.aten.div, torch.ops.aten.div_, torch.ops.aten.true_divide, torch.ops.aten.true_divide_}


class CudaDivision(TorchDispatchMode):
    """Divides a tensor by a Python number as CUDA does: it multiplies by the reciprocal, rounded to the tensor's own precision.

    `inexact` counts the divisions whose result that can change, those by another number than a power of two. From
    aten/src/ATen/native/cuda/BinaryDivTrueKernel.cu of PyTorch 2.11.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inexact = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        named = kwargs or {}
        if func.overloadpacket in DIVISIONS and _by_number(args) and "rounding_mode" not in named:
            values, number = args
            self.inexact += abs(math.frexp(number)[0]) != 0.5
            made = values * torch.ones((), dtype=values.dtype).div(torch.tensor(number, dtype=values.dtype))
            return values.copy_(made) if func.overloadpacket.__name__.endswith("_") else made
        return func(*args, **named)


def _by_number(args: tuple[Any, ...]) -> bool:
    values, divisor = args
    return isinstance(divisor, int | float) and values.is_floating_point()


def on_cuda(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives where CUDA divides, and how many of its divisions that can change."""
    with CudaDivision() as divisions:
        return work(), divisions.inexact
