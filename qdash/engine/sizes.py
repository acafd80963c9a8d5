"""How many bytes a model takes when it is at rest: in memory, in its file, and in the format that a simulated scheme stands for."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from qdash.catalog.parts import DIVIDING, part_of
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine.layers import quantized_layers, scheme_of, shape
from qdash.engine.parameters import all_weights, quantized_experts, removed_from
from qdash.records import Pruned, PrunedLayer, PrunedPart

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
    simulated = [layer for layer in quantized_layers(model).values() if _scheme(layer).kind == "simulated"]
    spared_bits = sum(_spared_bits(layer, _scheme(layer)) for layer in simulated)
    for key, experts in quantized_experts(model).values():
        scheme, (count, outputs, inputs) = find_scheme(key), experts.shape
        if scheme.kind == "simulated":
            spared_bits += 8 * experts.matrices().nbytes - scheme.weight_bits(count * outputs, inputs)
    return weights_bytes(model) - round(spared_bits / 8)


def pruned_of(model: nn.Module) -> Pruned | None:
    """How sparse the layers are that were pruned, and with them the model; None if none was."""
    found = {path: layer for path, layer in quantized_layers(model).items() if _scheme(layer).family.prunes}
    if not found:
        return None
    layers = tuple(_pruned_layer(path, layer) for path, layer in found.items())
    weights, zeros, removed = Counter[str](), Counter[str](), Counter[str]()
    for weight in all_weights(model):
        weights[part_of(weight.name)] += weight.count
    for layer in layers:
        weights[part_of(layer.name)] += layer.removed
        zeros[part_of(layer.name)] += layer.zero
        removed[part_of(layer.name)] += layer.removed
    left_bytes = weights_bytes(model)
    masked = [layer for layer in found.values() if _is_masked(layer)]
    return Pruned(
        weights=weights.total(), zero=zeros.total(), removed=removed.total(), layers=layers, left_bytes=left_bytes,
        dense_bytes=left_bytes + sum(removed_from(layer) * _weight_of(layer).itemsize for layer in found.values()),
        sparse_bytes=left_bytes - round(sum(_spared_bits(layer, _scheme(layer)) for layer in masked) / 8) if masked else None,
        parts=tuple(
            PrunedPart(part=part, weights=weights[part], zero=zeros[part], removed=removed[part]) for part in DIVIDING if weights[part]
        ),
    )  # fmt: skip


def _pruned_layer(path: str, layer: nn.Module) -> PrunedLayer:
    """Zeros of a layer that was cut are those it had."""
    removed, zero = removed_from(layer), _zeros(layer) if _is_masked(layer) else 0
    return PrunedLayer(name=path, weights=_weight_of(layer).numel() + removed, zero=zero, removed=removed)


def _is_masked(layer: nn.Module) -> bool:
    return _scheme(layer).kind == "simulated"


def _spared_bits(layer: nn.Module, scheme: Scheme) -> float:
    """Bits that a layer's weight, held in floats, would take less if it were stored as `scheme` stores it."""
    weight, (outputs, inputs) = _weight_of(layer), shape(layer)
    plain_bits = 8 * weight.itemsize
    zeros = _zeros(layer) / max(weight.numel(), 1) if scheme.family.prunes else 0.0
    own = scheme.weight_bits(outputs, inputs, scheme.family.value_bits(scheme, plain_bits, zeros))
    return outputs * inputs * plain_bits - own


def _scheme(layer: nn.Module) -> Scheme:
    return find_scheme(scheme_of(layer) or "")


def _weight_of(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _zeros(layer: nn.Module) -> int:
    weight = _weight_of(layer)
    return weight.numel() - int(torch.count_nonzero(weight))


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
