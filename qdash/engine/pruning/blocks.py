"""The MLPs and attention blocks of a model that can be made smaller, of any architecture: told from the names and shapes of their layers.

A block is understood if nothing but its linear layers has the size that changes, and if its class takes that size from what it is given.
Why any other linear layer is left is told as well.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import unwrap
from types import CodeType, FunctionType

from torch import nn
from transformers import PreTrainedModel

from qdash.catalog.cutting import Cut, Side
from qdash.catalog.parts import parts_of
from qdash.engine.layers import convertible_layers, shape
from qdash.engine.parameters import joined

INTO_AND_OUT = (
    (("gate_proj", "up_proj"), "down_proj"),
    (("up_proj",), "down_proj"),
    (("gate_up_proj",), "down_proj"),
    (("w1", "w3"), "w2"),
    (("linear_fc1",), "linear_fc2"),
    (("fc1",), "fc2"),
    (("fc_in",), "fc_out"),
    (("c_fc",), "c_proj"),
    (("dense_h_to_4h",), "dense_4h_to_h"),
)
"""What the layers of an MLP are called: those whose outputs are its neurons, and the one that reads these."""

HALVES = "gate_up_proj"
"""A layer that is two in one: its first half of outputs gates the second."""

READERS = ("o_proj", "out_proj", "dense")
"""What the layer is called that reads what the heads of an attention block wrote."""

OWN_SIZES = {
    "neurons": {"intermediate_size", "ffn_dim", "intermediate_dim", "ffn_hidden_size", "inner_dim", "hidden_features"},
    "heads": {
        "num_heads",
        "num_attention_heads",
        "num_key_value_heads",
        "embed_dim",
        "hidden_size",
        "all_head_size",
        "inner_dim",
        "n_heads",
    },
}
"""Attributes that a class reads where it takes the size from its configuration."""


@dataclass(frozen=True)
class Mlp:
    """An MLP: paths of its layers, and its neurons."""

    path: str
    into: tuple[str, ...]
    out: str
    neurons: int
    halves: bool

    def names(self) -> tuple[str, ...]:
        """Paths of all its layers."""
        return (*self.into, self.out)

    def cut(self, name: str) -> Cut:
        """What the layer at `name` has of it."""
        return Cut("neurons", self.neurons, 1, "inputs" if name == self.out else "outputs")


@dataclass(frozen=True)
class Attention:
    """An attention block: paths of its layers, and how its heads share keys and values."""

    path: str
    queries: str
    keys: str
    values: str
    out: str
    heads: int
    groups: int
    head_dim: int

    def names(self) -> tuple[str, ...]:
        """Paths of all its layers."""
        return self.queries, self.keys, self.values, self.out

    def cut(self, name: str) -> Cut:
        """What the layer at `name` has of it."""
        sides: dict[str, Side] = {self.queries: "outputs", self.out: "inputs"}
        return Cut("heads", self.heads, self.groups, sides.get(name, "groups"))


Block = Mlp | Attention


@dataclass
class Blocks:
    """What was found: `mlps` and `attentions`, and of layers in none that is understood, by path, why not."""

    mlps: list[Mlp] = field(default_factory=list)
    attentions: list[Attention] = field(default_factory=list)
    misunderstood: dict[str, str] = field(default_factory=dict)

    def of(self, what: str) -> list[Mlp] | list[Attention]:
        """Those that have “neurons” or “heads”."""
        return self.mlps if what == "neurons" else self.attentions

    def all(self) -> Iterator[Block]:
        """Both kinds."""
        yield from self.mlps
        yield from self.attentions


def find_blocks(model: PreTrainedModel) -> Blocks:
    """All blocks of a model, whether its weights are loaded or not, whose layers are all in floats and may be pruned."""
    found, layers = Blocks(), convertible_layers(model)
    for path, module in model.named_modules():
        own = {child: joined(path, child) for child, layer in module.named_children() if joined(path, child) in layers}
        _find_mlp(found, path, module, own)
        _find_attention(found, path, module, own)
    known = {name for block in found.all() for name in block.names()}
    for name in layers.keys() - known - found.misunderstood.keys():
        inner = parts_of(name) & {"attention", "mlp"}
        if inner:
            what = "attention block" if "attention" in inner else "MLP"
            found.misunderstood[name] = f"how the layers of its {what} work together is not known here"
    return found


def _find_mlp(found: Blocks, path: str, module: nn.Module, own: Mapping[str, str]) -> None:
    for into, out in INTO_AND_OUT:
        if own.keys() >= {*into, out} and (len(into) > 1 or into[0] != "up_proj" or "gate_proj" not in own):
            names = [own[name] for name in (*into, out)]
            layers = [module.get_submodule(name) for name in (*into, out)]
            neurons, halves = shape(layers[-1])[1], into[0] == HALVES
            if any(shape(layer)[0] != neurons * (1 + halves) for layer in layers[:-1]):
                why: str | None = "its layers do not fit together as those of other MLPs do"
            else:
                why = _beside(module, (*into, out), {neurons}) or _reads(module, "neurons")
            if why is None:
                found.mlps.append(Mlp(path, tuple(names[:-1]), names[-1], neurons, halves))
            else:
                found.misunderstood |= dict.fromkeys(names, why)
            return


def _find_attention(found: Blocks, path: str, module: nn.Module, own: Mapping[str, str]) -> None:
    reader = next((name for name in READERS if name in own), None)
    if reader is None or not own.keys() >= {"q_proj", "k_proj", "v_proj"}:
        return
    inner = ("q_proj", "k_proj", "v_proj", reader)
    names = [own[name] for name in inner]
    sizes = [shape(module.get_submodule(name)) for name in inner]
    (queries, _), (keys, _), (values, _), (_, read) = sizes
    head_dim = getattr(module, "head_dim", None)
    if not isinstance(head_dim, int) or queries % head_dim or keys % head_dim or keys != values or read != queries or queries % keys:
        why: str | None = "its heads are not all of one size"
    else:
        sizes_that_change = {queries, keys, queries // head_dim, keys // head_dim}
        why = _beside(module, inner, sizes_that_change, norm_size=head_dim) or _reads(module, "heads")
    if why is not None or not isinstance(head_dim, int):
        found.misunderstood |= dict.fromkeys(names, why or "")
        return
    found.attentions.append(Attention(path, *names, heads=queries // head_dim, groups=keys // head_dim, head_dim=head_dim))


def _beside(module: nn.Module, layers: Collection[str], sizes: Collection[int], norm_size: int = 0) -> str | None:
    """Whether another tensor of the block has a size that changes: then it would have to change too.

    A norm over `norm_size` numbers, those of one head, stays as it is.
    """
    tensors = dict(module.named_parameters(recurse=False))
    for name, child in module.named_children():
        if name not in layers and not _holds_layers(child):
            own = {f"{name}.{inner}": tensor for inner, tensor in child.named_parameters()}
            tensors |= {path: tensor for path, tensor in own.items() if "norm" not in name or tuple(tensor.shape) != (norm_size,)}
    other = next((path for path, tensor in tensors.items() if set(tensor.shape) & set(sizes)), None)
    return None if other is None else f"another tensor of its block has the same size ({other})"


def _holds_layers(module: nn.Module) -> bool:
    """Whether a child is a block of its own, as the attention beside the MLP in a decoder layer."""
    return any(isinstance(inner, nn.Linear) for inner in module.modules())


def _reads(module: nn.Module, what: str) -> str | None:
    """Whether the class takes the size from its own attributes instead of from what it is given."""
    read = sorted(set(_names(type(module))) & OWN_SIZES[what])
    return f"{type(module).__name__} counts on its original size ({read[0]})" if read else None


def _names(kind: type[nn.Module]) -> Iterator[str]:
    """All names in the code of `forward` and of the methods of its class that it calls."""
    waiting, seen = ["forward"], set[str]()
    while waiting:
        name = waiting.pop()
        method = getattr(kind, name, None)
        if name in seen or not isinstance(method, FunctionType) or hasattr(nn.Module, name) and name != "forward":
            continue
        seen.add(name)
        code = unwrap(method).__code__
        found = list(_in_code(code))
        yield from found
        waiting += found


def _in_code(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _in_code(constant)
