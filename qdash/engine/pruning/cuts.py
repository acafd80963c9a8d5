"""Cutting neurons and heads out of a model: which ones matter least, and what is left of the layers.

A neuron's importance is the product of the L2 norms of its weights: those that it reads by, of the gate and of the other input where there
are two, and those that it writes by. That is the norm over all paths through it (Neyshabur, Salakhutdinov and Srebro 2015, Path-SGD),
which stays the same if a weight is made larger and the next smaller, so that the model computes the same. A head's importance is the
Frobenius norm of W_O·W_V, everything that it can write, wherever it looks (Elhage et al. 2021, A Mathematical Framework for Transformer
Circuits). Both need no data. Of equals the first goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights
from transformers.pytorch_utils import Conv1D

from qdash.catalog.cutting import heads_kept, neurons_kept
from qdash.engine.parameters import bias_of, note_removed
from qdash.engine.pruning.blocks import Attention, Block, Mlp
from qdash.engine.pruning.weights import Weights

MLP_SIZES = ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "intermediate_dim", "ffn_hidden_dim")
"""What configurations call the number of an MLP's neurons."""

HEADS, GROUPS, HEAD_DIM = "num_attention_heads", "num_key_value_heads", "head_dim"
SHARED = "num_key_value_groups"
"""How many heads read the same keys, as attention classes call it."""


@dataclass(frozen=True)
class CutMask:
    """What stays of a layer, as ascending numbers of rows and columns; None: all. As a `Mask` it zeros the others."""

    rows: Tensor | None = None
    columns: Tensor | None = None

    def zero_(self, rows: Tensor, start: int) -> None:
        """See `Mask`."""
        if self.rows is not None:
            here = torch.zeros(start + len(rows), dtype=torch.bool, device=rows.device)
            here[self.rows[self.rows < len(here)].to(rows.device)] = True
            rows.masked_fill_(~here[start:, None], 0)
        if self.columns is not None:
            stays = torch.zeros(rows.shape[1], dtype=torch.bool, device=rows.device)
            stays[self.columns.to(rows.device)] = True
            rows.masked_fill_(~stays, 0)


def cuts_of(block: Block, weights: Weights, percent: int) -> dict[str, CutMask]:
    """Path of each layer of a block that is cut → what stays of it."""
    return _neurons(block, weights, percent) if isinstance(block, Mlp) else _heads(block, weights, percent)


def first_ones(block: Block, percent: int) -> dict[str, CutMask]:
    """The same with as many units, always the first: where sizes matter, and there are no weights to choose by."""
    if isinstance(block, Mlp):
        return _neurons_left(block, torch.arange(neurons_kept(block.neurons, percent)))
    groups, each = heads_kept(block.heads, block.groups, percent)
    return _heads_left(block, torch.arange(groups), torch.arange(each).expand(groups, each))


def nothing_cut(block: Block, percent: int) -> str | None:
    """Why nothing is cut out of a block; None if something is."""
    if isinstance(block, Mlp):
        return (
            f"{percent}% of {block.neurons} neurons is nearest to none" if neurons_kept(block.neurons, percent) == block.neurons else None
        )
    if heads_kept(block.heads, block.groups, percent) != (block.groups, block.heads // block.groups):
        return None
    shared = f", which share keys and values in {block.groups} groups," if block.groups < block.heads else ""
    return f"{percent}% of {block.heads} heads{shared} is nearest to none"


@torch.no_grad()
def cut(model: PreTrainedModel, name: str, stays: CutMask) -> None:
    """Make the layer at path `name` smaller in place."""
    layer = model.get_submodule(name)
    before = sum(parameter.numel() for parameter in layer.parameters())
    turned, weight = isinstance(layer, Conv1D), layer.get_parameter("weight")
    for kept, dim in ((stays.rows, 1 if turned else 0), (stays.columns, 0 if turned else 1)):
        if kept is not None:
            weight = weight.index_select(dim, kept.to(weight.device))
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=layer.get_parameter("weight").requires_grad)
    bias = bias_of(layer)
    if stays.rows is not None and bias is not None:
        layer.bias = nn.Parameter(bias.index_select(0, stays.rows.to(bias.device)), requires_grad=bias.requires_grad)
    outputs, inputs = (weight.shape[1], weight.shape[0]) if turned else (weight.shape[0], weight.shape[1])
    for sizes in (("nf", "nx"),) if turned else (("out_features", "in_features"),):
        setattr(layer, sizes[0], outputs)
        setattr(layer, sizes[1], inputs)
    note_removed(layer, before - sum(parameter.numel() for parameter in layer.parameters()))


def tell_sizes(model: PreTrainedModel, blocks: Iterable[Block], percent: int) -> None:
    """Write what is left of `blocks`, all of the model's, into the model's configuration and its attention classes.

    A configuration has one number for all its blocks: where they differ it stays, and the model cannot be saved.
    """
    for config, own in _by_configuration(model, blocks):
        mlps = {(block.neurons, neurons_kept(block.neurons, percent)) for block in own if isinstance(block, Mlp)}
        if len(mlps) == 1:
            ((before, after),) = mlps
            field = next((name for name in MLP_SIZES if getattr(config, name, None) == before), None)
            # GPT-2's says None for four times its width.
            field = field or ("n_inner" if getattr(config, "n_inner", before) is None else None)
            if field is not None:
                setattr(config, field, after)
        attentions = {(block.heads, block.groups, block.head_dim) for block in own if isinstance(block, Attention)}
        if len(attentions) == 1:
            ((heads, groups, head_dim),) = attentions
            groups_left, each = heads_kept(heads, groups, percent)
            for name, value in ((HEADS, groups_left * each), (GROUPS, groups_left), (HEAD_DIM, head_dim)):
                if hasattr(config, name):
                    setattr(config, name, value)


def unlike_its_configuration(model: PreTrainedModel) -> str | None:
    """Why a model of its class, made by its configuration, is not of its sizes, as a clause; None if it is."""
    try:
        config = type(model.config).from_dict(model.config.to_dict())
        with torch.device("meta"), no_init_weights():
            made = type(model)(config)
    except Exception as error:  # whatever a configuration objects to
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"its class takes no such sizes ({(lines or [type(error).__name__])[-1].rstrip('.')})"
    sizes = {name: tensor.shape for name, tensor in made.state_dict().items()}
    unlike = next((name for name, tensor in model.state_dict().items() if sizes.get(name) != tensor.shape), None)
    return None if unlike is None else f"its configuration has no place for the size of {unlike.removesuffix('.weight')}"


def share_keys(model: PreTrainedModel, block: Attention, percent: int) -> None:
    """Tell an attention block that was cut how many of its heads read the same keys."""
    module = model.get_submodule(block.path)
    if hasattr(module, SHARED):
        setattr(module, SHARED, heads_kept(block.heads, block.groups, percent)[1])


def _by_configuration(model: PreTrainedModel, blocks: Iterable[Block]) -> list[tuple[object, list[Block]]]:
    found: dict[int, tuple[object, list[Block]]] = {}
    for block in blocks:
        config = _configuration(model, block.path)
        found.setdefault(id(config), (config, []))[1].append(block)
    return list(found.values())


def _configuration(model: PreTrainedModel, path: str) -> object:
    """That of the module at `path`, or of the nearest one around it that has one."""
    while path and not hasattr(model.get_submodule(path), "config"):
        path = path.rpartition(".")[0]
    return model.get_submodule(path).config if path else model.config


def _neurons(block: Mlp, weights: Weights, percent: int) -> dict[str, CutMask]:
    importance = torch.ones(block.neurons, dtype=torch.float64)
    for name, weight in weights(block.names()):
        norms = torch.linalg.vector_norm(weight, dim=0 if name == block.out else 1, dtype=torch.float64).cpu()
        for part in norms.split(block.neurons):
            importance *= part
    return _neurons_left(block, _largest(importance, neurons_kept(block.neurons, percent)))


def _neurons_left(block: Mlp, stays: Tensor) -> dict[str, CutMask]:
    rows = torch.cat([stays, stays + block.neurons]) if block.halves else stays
    return {**{name: CutMask(rows=rows) for name in block.into}, block.out: CutMask(columns=stays)}


def _heads(block: Attention, weights: Weights, percent: int) -> dict[str, CutMask]:
    """With Gram matrices: the squared norm of W_O·W_V is the sum over the products of those of W_O and W_V."""
    grams: Mapping[str, Tensor] = dict(
        (name, _grams(weight.T if name == block.out else weight, block.head_dim)) for name, weight in weights((block.values, block.out))
    )
    written = grams[block.values].repeat_interleave(block.heads // block.groups, dim=0) * grams[block.out]
    importance = written.sum((1, 2)).view(block.groups, -1)
    groups, each = heads_kept(block.heads, block.groups, percent)
    which = _largest(importance.sum(1), groups)
    return _heads_left(block, which, torch.stack([_largest(importance[group], each) for group in which]))


def _grams(rows: Tensor, head_dim: int) -> Tensor:
    """Of each head's rows, (head_dim, width): their products with each other, (head_dim, head_dim)."""
    heads = rows.double().reshape(-1, head_dim, rows.shape[1])
    return (heads @ heads.transpose(1, 2)).cpu()


def _heads_left(block: Attention, groups: Tensor, heads: Tensor) -> dict[str, CutMask]:
    """`heads`: of each of `groups`, which of its own stay."""
    each, size = block.heads // block.groups, block.head_dim
    queries = _spread((groups[:, None] * each + heads).flatten(), size)
    found = {block.queries: CutMask(rows=queries), block.out: CutMask(columns=queries)}
    if len(groups) < block.groups:
        found |= dict.fromkeys((block.keys, block.values), CutMask(rows=_spread(groups, size)))
    return found


def _spread(units: Tensor, size: int) -> Tensor:
    """The places of units of `size` neighbours."""
    return (units[:, None] * size + torch.arange(size)).flatten()


def _largest(importance: Tensor, number: int) -> Tensor:
    return torch.sort(importance, stable=True).indices[len(importance) - number :].sort().values
