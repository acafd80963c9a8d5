"""How many bytes a model takes when it is at rest: in memory, in its file, and in the format that a simulated scheme stands for."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from qdash.catalog.schemes import Scheme

# Where bitsandbytes keeps what belongs to a weight beside the tensor itself: on the parameter, its quantization state, the layer's state.
CARRIED = ("CB", "SCB", "quant_state", "state2", "absmax", "code", "offset")


def weights_bytes(model: nn.Module) -> int:
    """Bytes of every parameter's and buffer's storage, with the scales and codes of quantized ones; shared storage counts once."""
    sizes: dict[tuple[torch.device, int], int] = {}
    for tensor in _all_tensors(model):
        storage = tensor.untyped_storage()
        sizes[tensor.device, storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


def saved_bytes(model: nn.Module) -> int:
    """Bytes of tensors that `save_pretrained` would write (the file adds a header of some kilobytes); tied weights count once.

    Call it before the first forward pass: on some CPUs bitsandbytes repacks its layers then, and unpacks them lossily to save them.
    """
    parts = [part for tensor in model.state_dict().values() for part in _parts(tensor) if part.numel()]
    return sum({(part.device, part.data_ptr(), part.shape): part.nbytes for part in parts}.values())


def projected_bytes(model: nn.Module, quantized: Iterable[nn.Module], scheme: Scheme) -> int:
    """`weights_bytes` if the simulated weights of `quantized` were really stored in the scheme's bits, row scales included."""
    weights = [weight for layer in quantized for weight in (layer.weight,) if isinstance(weight, Tensor)]
    carried = sum(weight.nbytes for weight in weights)
    bits = sum(weight.numel() * scheme.stored_bits + weight.shape[0] * scheme.row_scale_bits for weight in weights)
    return weights_bytes(model) - carried + round(bits / 8)


def _all_tensors(model: nn.Module) -> Iterator[Tensor]:
    for tensor in (*model.parameters(), *model.buffers()):
        yield from _parts(tensor)
    for module in model.modules():
        yield from _parts(getattr(module, "state", None))


def _parts(holder: Any) -> Iterator[Tensor]:
    """The plain tensors that make up a parameter, a tensor subclass or a quantization state."""
    if isinstance(holder, Tensor):
        if is_traceable_wrapper_subclass(holder):
            for name in holder.__tensor_flatten__()[0]:
                yield from _parts(getattr(holder, name))
        else:
            yield holder
    for name, value in getattr(holder, "__dict__", {}).items():
        if name in CARRIED:
            yield from _parts(value)
