"""How many bytes a model takes when it is at rest: in memory, in its file, and in the format that a simulated scheme stands for."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from qdash.catalog.schemes import find_scheme
from qdash.engine.layers import quantized_layers, scheme_of, shape
from qdash.engine.parameters import quantized_experts

# Where bitsandbytes keeps what belongs to a weight beside the tensor itself: on the parameter, its quantization state, the layer's state.
CARRIED = ("CB", "SCB", "quant_state", "state2", "absmax", "code", "offset")
PACKED = "qdash_packed_bytes"
"""Attribute of a layer that packs its weight, for `packed_bytes`: whoever makes such a layer sets it."""


def weights_bytes(model: nn.Module) -> int:
    """Bytes of every parameter's and buffer's storage, with the scales and codes of quantized ones; shared storage counts once."""
    sizes: dict[tuple[torch.device, int], int] = {}
    for _, tensor in held_tensors(model):
        storage = tensor.untyped_storage()
        sizes[tensor.device, storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values()) + _packed_bytes(model)


def saved_bytes(model: nn.Module) -> int:
    """Bytes of tensors that `save_pretrained` would write (the file adds a header of some kilobytes); tied weights count once.

    Call it before the first forward pass: on some CPUs bitsandbytes repacks its layers then, and unpacks them lossily to save them.
    """
    parts = [part for tensor in _state(model) for part in _parts(tensor) if part.numel()]
    return sum({(part.device, part.data_ptr(), part.shape): part.nbytes for part in parts}.values()) + _packed_bytes(model)


def projected_bytes(model: nn.Module) -> int:
    """`weights_bytes` if every weight of a simulated scheme were really stored in the scheme's bits, row scales included."""
    saved_bits = 0.0
    for layer in quantized_layers(model).values():
        scheme = find_scheme(scheme_of(layer) or "")
        if scheme.kind == "simulated":
            outputs, inputs = shape(layer)
            weight = layer.weight
            assert isinstance(weight, Tensor)
            saved_bits += 8 * weight.nbytes - outputs * (inputs * scheme.stored_bits + scheme.row_scale_bits)
    for key, experts in quantized_experts(model).values():
        scheme, (count, outputs, inputs) = find_scheme(key), experts.shape
        if scheme.kind == "simulated":
            own = count * outputs * (inputs * scheme.stored_bits + scheme.row_scale_bits)
            saved_bits += 8 * experts.matrices().nbytes - own
    return weights_bytes(model) - round(saved_bits / 8)


def held_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every plain tensor of a model at rest, with the path of the module that holds it; a shared one once for each holder."""
    for name, module in model.named_modules():
        beside = getattr(module, "state", None), _experts_state(module)
        for holder in (*module.parameters(recurse=False), *module.buffers(recurse=False), *beside):
            for tensor in _parts(holder):
                yield name, tensor


def _experts_state(module: nn.Module) -> Any:
    """What bitsandbytes keeps beside fused experts: in the module that unpacks them. Its layers have theirs on the weight."""
    return None if hasattr(module, "weight") else getattr(module, "quant_state", None)


def packed_bytes(layer: nn.Module) -> int:
    """Bytes of a weight and bias that a layer keeps where Python cannot see them, in neither parameter nor buffer; 0 for most."""
    return getattr(layer, PACKED, 0)


def _packed_bytes(model: nn.Module) -> int:
    return sum(packed_bytes(module) for module in model.modules())


def _state(model: nn.Module) -> Iterator[Any]:
    """The entries of `model.state_dict()`, but for packed layers: those would be unpacked for it, into a copy of each."""
    packed = {part for module in model.modules() if packed_bytes(module) for part in module.modules()}
    for module in model.modules():
        if module not in packed:
            own: dict[str, Any] = {}
            module._save_to_state_dict(own, "", False)
            yield from own.values()
            yield _experts_state(module)


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
