"""Every parameter of a model, once, and what kind of weight it is: linear, of fused experts, a convolution, an embedding …

Quantized layers hold their weights packed, so their numbers are told from their sizes: a quantized model has as many parameters here as the
same model in floats. Mixtures in transformers 5 keep all experts of a block in one parameter with three dimensions; such a parameter is no
layer, so which scheme quantized it is noted on the module that holds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from transformers.pytorch_utils import Conv1D

WeightKind = Literal["linear", "experts", "convolution", "embedding", "attention", "recurrent", "matrix", "vector"]
"""What a weight is part of. “matrix”: another class's own, as a router's; “vector”: norms and biases, those of experts too."""

_MARK, _EXPERTS_MARK, _REMOVED = "qdash_scheme", "qdash_experts", "qdash_removed"
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# Classes that do not say themselves whether each expert's matrix is stored as (out, in) or as (in, out).
_TRANSPOSED = ("Llama4TextExperts",)
_AS_LINEAR = ("ParallelExperts",)


@dataclass(frozen=True)
class Experts:
    """The weights of all experts of a block in one projection. `path`: of the parameter; `shape`: (experts, outputs, inputs)."""

    path: str
    module: nn.Module
    parameter: str
    shape: tuple[int, int, int]
    transposed: bool | None
    """Whether each is stored as (in, out); None where that is not known."""

    def matrices(self) -> Tensor:
        """Each expert's weight as (experts, out, in), a view of the parameter; floats only."""
        weight = getattr(self.module, self.parameter).detach()
        return weight.transpose(1, 2) if self.transposed else weight


@dataclass(frozen=True)
class Weight:
    """A parameter. `name`: the path of its layer, or its own where it is not called “weight”; `scheme`: the key of what quantized it."""

    name: str
    path: str
    module: nn.Module
    kind: WeightKind
    shape: tuple[int, ...]
    count: int
    scheme: str | None = None


def mark(layer: nn.Module, scheme: str) -> None:
    """Note on a quantized layer the key of the scheme that quantized it. Layers of every family are told apart by this alone."""
    setattr(layer, _MARK, scheme)


def scheme_of(layer: nn.Module) -> str | None:
    """The key of the scheme that quantized `layer`; None if none did."""
    return getattr(layer, _MARK, None)


def note_removed(layer: nn.Module, numbers: int) -> None:
    """Note on a layer how many of its numbers, weights and biases, were cut out."""
    setattr(layer, _REMOVED, removed_from(layer) + numbers)


def removed_from(layer: nn.Module) -> int:
    """How many of a layer's numbers were cut out."""
    return getattr(layer, _REMOVED, 0)


def mark_experts(experts: Experts, scheme: str) -> None:
    """Note which scheme quantized a parameter of fused experts, and what it was."""
    known = getattr(experts.module, _EXPERTS_MARK, {})
    setattr(experts.module, _EXPERTS_MARK, {**known, experts.parameter: (scheme, experts)})


def quantized_experts(model: nn.Module) -> dict[str, tuple[str, Experts]]:
    """The key of the scheme and what was quantized, by the path of each parameter."""
    marks = (getattr(module, _EXPERTS_MARK, {}) for module in model.modules())
    return {experts.path: (scheme, experts) for known in marks for scheme, experts in known.values()}


def fused_experts(model: nn.Module) -> dict[str, Experts]:
    """Every parameter of fused experts that is in floats, by path."""
    return {
        joined(path, name): Experts(joined(path, name), module, name, _as_rows(parameter, transposed), transposed)
        for path, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.dim() == 3 and _holds_experts(path, module) and not name.endswith("bias")
        for transposed in [_transposed(module)]
    }


def shape(layer: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer, however its weight is stored; (rows, columns) of an embedding."""
    if isinstance(layer, Conv1D):
        return layer.nf, layer.nx
    if isinstance(layer, nn.Embedding):
        return layer.num_embeddings, layer.embedding_dim
    # Not all quantized layers are nn.Linear, but all name their sizes as it does.
    outputs, inputs = layer.out_features, layer.in_features
    assert isinstance(outputs, int) and isinstance(inputs, int)
    return outputs, inputs


def bias_of(layer: nn.Module) -> Tensor | None:
    """The bias of a linear layer; PyTorch's packed layers unpack theirs."""
    bias: Any = getattr(layer, "bias", None)
    bias = bias() if callable(bias) else bias
    return bias if isinstance(bias, Tensor) else None


def all_weights(model: nn.Module) -> Iterator[Weight]:
    """Every parameter of `model`, with what quantized ones stand for; one that is shared comes once, where it is met first."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        if isinstance(module, ParametrizationList):  # what it holds belongs to the experts around it
            continue
        if scheme_of(module) is not None:
            yield from _quantized(path, module, id(getattr(module, "weight", None)) in seen)
            seen.update(map(id, module.parameters(recurse=False)))
        for scheme, experts in getattr(module, _EXPERTS_MARK, {}).values():
            count = experts.shape[0] * experts.shape[1] * experts.shape[2]
            yield Weight(experts.path, experts.path, module, "experts", experts.shape, count, scheme)
            seen.add(id(module._parameters.get(experts.parameter)))
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield _plain(path, module, name, parameter)


def joined(path: str, name: str) -> str:
    """The path of `name` inside the module at `path`."""
    return f"{path}.{name}" if path else name


def _quantized(path: str, layer: nn.Module, shared: bool) -> Iterator[Weight]:
    """`shared`: with a layer that was met before."""
    outputs, inputs = shape(layer)
    kind: WeightKind = "embedding" if isinstance(layer, nn.Embedding) else "linear"
    if not shared:
        yield Weight(path, joined(path, "weight"), layer, kind, (outputs, inputs), outputs * inputs, scheme_of(layer))
    bias = bias_of(layer)
    if bias is not None:
        yield Weight(joined(path, "bias"), joined(path, "bias"), layer, "vector", tuple(bias.shape), bias.numel())


def _plain(path: str, module: nn.Module, name: str, parameter: nn.Parameter) -> Weight:
    own, kind = joined(path, name), _kind(path, module, name, parameter)
    sizes = tuple(parameter.shape)
    if kind == "linear":
        sizes = shape(module)
    elif kind == "experts":
        sizes = _as_rows(parameter, _transposed(module))
    return Weight(path if name == "weight" else own, own, module, kind, sizes, parameter.numel())


def _kind(path: str, module: nn.Module, name: str, parameter: nn.Parameter) -> WeightKind:
    if parameter.dim() < 2 or "bias" in name:
        return "vector"
    if isinstance(module, nn.Linear | Conv1D) and name == "weight":
        return "linear"
    if parameter.dim() == 3 and _holds_experts(path, module):
        return "experts"
    if isinstance(module, _CONVOLUTIONS):
        return "convolution"
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "embedding"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return "recurrent"
    return "attention" if isinstance(module, nn.MultiheadAttention) else "matrix"


def _holds_experts(path: str, module: nn.Module) -> bool:
    return "expert" in type(module).__name__.lower() or "expert" in path.rpartition(".")[2].lower()


def _transposed(module: nn.Module) -> bool | None:
    said = getattr(module, "is_transposed", None)
    if isinstance(said, bool):
        return said
    name = type(module).__name__
    return True if name in _TRANSPOSED else False if name.endswith(_AS_LINEAR) else None


def _as_rows(parameter: Tensor, transposed: bool | None) -> tuple[int, int, int]:
    experts, first, second = parameter.shape
    return (experts, second, first) if transposed else (experts, first, second)
