"""Pruning, see `engine.pruning`: a loaded model's weights are masked in place, or cut out of its layers. The others stay plain floats."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.families.pruning import PruningParams, shape_reason
from qdash.catalog.parts import parts_of
from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.loading import load_skeleton
from qdash.engine.parameters import Experts
from qdash.engine.pruning.blocks import Attention, Block, Blocks, find_blocks
from qdash.engine.pruning.cuts import CutMask, cut, cuts_of, first_ones, nothing_cut, share_keys, tell_sizes, unlike_its_configuration
from qdash.engine.pruning.masks import AT_ONCE, Mask, SmallMask, TwoOfFourMask, row_mask, small_masks
from qdash.engine.pruning.weights import Stored, Weights, weights_of_model
from qdash.engine.schemes import QuantizeContext, RowDequantizer
from qdash.engine.schemes.floating import Floating, dtype_of
from qdash.engine.schemes.snippet import from_pretrained
from qdash.records import WorkerSpec


class Pruning(Floating):
    """Zeros weights of a loaded model, or cuts them out, in place."""

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        self.quantize(model, self._fitting(layers.convertible_layers(model), scheme, scheme, build.spec), scheme, build)

    @override
    @torch.no_grad()
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        if PruningParams.of(scheme).cuts:
            _cut_blocks(model, names, scheme, build)
            return
        build.report(None, "choosing what to prune")
        mask_of = _masks(weights_of_model(model), list(names), PruningParams.of(scheme))
        for done, name in enumerate(names):
            build.report(done / len(names), "pruning")
            layer = model.get_submodule(name)
            weight = layers.rows(layer).detach()
            _zero_(weight, mask_of(name, weight))
            layers.mark(layer, scheme.key)

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        params = PruningParams.of(scheme)
        return None if params.cuts else shape_reason(params, layers.shape(layer))

    @override
    def left_reason(self, name: str, layer: nn.Module, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> str | None:
        params = PruningParams.of(scheme)
        if not params.cuts:
            return self.unsupported_reason(layer, scheme, spec)
        return _uncut_reason(Stored.of(spec, dtype_of(scheme, spec)).blocks(), name, params, whole)

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return f"“{scheme.label}” prunes linear layers only"

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        return layers.rows(layer).detach().float()

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        restore = self.row_dequantizer(weight, scheme, spec)
        return None if restore is None else restore(weight, 0)

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        """Global pruning takes the layer for the whole model here, and nothing is cut out of a layer alone: see `layer_dequantizer`."""
        params = PruningParams.of(scheme)
        if params.cuts or shape_reason(params, (weight.shape[0], weight.shape[1])) is not None:
            return None
        held = weight.to(spec.device, dtype_of(scheme, spec))
        return Masked(_masks(lambda names: ((name, held) for name in names), [""], params)("", held), held.dtype, spec.device)

    @override
    def layer_dequantizer(self, name: str, weight: Tensor, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> RowDequantizer | None:
        params, stored = PruningParams.of(scheme), Stored.of(spec, dtype_of(scheme, spec))
        if params.cuts:
            block = _whole_block(stored.blocks(), name, params, whole)
            mask = _cuts(stored, block, params.percent).get(name) if block is not None else None
            return None if mask is None else Masked(mask, dtype_of(scheme, spec), spec.device)
        if params.method != "global":
            return self.row_dequantizer(weight, scheme, spec)
        names = self._fitting(stored.layers(), scheme, whole, spec)
        return Masked(_small_masks(stored, tuple(names), params.percent)[name], dtype_of(scheme, spec), spec.device)

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        params = PruningParams.of(scheme)
        if not params.cuts:
            return None
        model = load_skeleton(spec)
        fitting = self._fitting(layers.convertible_layers(model), scheme, scheme, spec)
        blocks = [block for block in find_blocks(model).of(params.method) if set(block.names()) <= set(fitting)]
        for block in blocks:
            _cut(model, block, first_ones(block, params.percent), params)
        tell_sizes(model, blocks, params.percent)
        return unlike_its_configuration(model)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        return loading + SNIPPET.format(key=scheme.key)

    def _fitting(self, found: Mapping[str, nn.Module], scheme: Scheme, whole: Scheme, spec: WorkerSpec) -> list[str]:
        """The layers that `scheme` prunes where `whole` is applied to the model, a recipe or itself."""
        own = ((name, layer) for name, layer in found.items() if assigned(whole, name) == scheme.key)
        return [name for name, layer in own if self.left_reason(name, layer, scheme, spec, whole) is None]


@dataclass(frozen=True)
class Masked:
    """A `RowDequantizer`: rows as the model holds them, with the zeros of a mask."""

    mask: Mask
    dtype: torch.dtype
    device: str

    def __call__(self, rows: Tensor, start: int) -> Tensor:
        """These rows of the layer, of which the first is row `start`."""
        held = rows.to(self.device, self.dtype, copy=True)
        self.mask.zero_(held, start)
        return held.float()


SNIPPET = """
# from_pretrained does not prune; this does, in place.
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, "*={key}")
"""

FAMILY = Pruning()


def _masks(weights: Weights, names: Sequence[str], params: PruningParams) -> Callable[[str, Tensor], Mask]:
    """Path of a layer and its weight (out, in) → its mask; what needs all layers is found out at once."""
    if params.method == "rows":
        return lambda name, weight: row_mask(weight, params.percent)
    if params.method == "2:4":
        return lambda name, weight: TwoOfFourMask()
    found = small_masks(weights, names, params.percent)
    return lambda name, weight: found[name]


@lru_cache(maxsize=8)
def _small_masks(stored: Stored, names: tuple[str, ...], percent: int) -> Mapping[str, SmallMask]:
    """Remembered, as a report asks layer by layer and every layer's depends on all."""
    return small_masks(stored.weights(), names, percent)


@lru_cache(maxsize=8)
def _cuts(stored: Stored, block: Block, percent: int) -> Mapping[str, CutMask]:
    """Remembered, as a block's layers are asked for one by one."""
    return cuts_of(block, stored.weights(), percent)


def _cut_blocks(model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
    """Cut all blocks of a model whose layers are all at `names`."""
    params = PruningParams.of(scheme)
    found: Sequence[Block] = find_blocks(model).of(params.method)
    blocks = [block for block in found if set(block.names()) <= set(names)]
    weights = weights_of_model(model)
    for done, block in enumerate(blocks):
        build.report(done / len(blocks), "pruning")
        for name in _cut(model, block, cuts_of(block, weights, params.percent), params):
            layers.mark(model.get_submodule(name), scheme.key)
    if len(blocks) == len(found):
        tell_sizes(model, blocks, params.percent)


def _cut(model: PreTrainedModel, block: Block, cuts: Mapping[str, CutMask], params: PruningParams) -> Collection[str]:
    for name, stays in cuts.items():
        cut(model, name, stays)
    if isinstance(block, Attention):
        share_keys(model, block, params.percent)
    return cuts.keys()


def _uncut_reason(blocks: Blocks, name: str, params: PruningParams, whole: Scheme) -> str | None:
    """Why nothing is cut out of the layer at `name`; None if something is."""
    block = _block_at(blocks, name, params)
    if block is None:
        what = "MLP" if params.method == "neurons" else "attention block"
        inner = "mlp" if params.method == "neurons" else "attention"
        return blocks.misunderstood.get(name) if inner in parts_of(name) and name in blocks.misunderstood else f"it is in no {what}"
    if _whole_block(blocks, name, params, whole) is None:
        return "other layers of its block are left as they are, or have another scheme"
    if name not in first_ones(block, params.percent):
        return f"of {block.path} whole groups of heads would have to go for this"
    return nothing_cut(block, params.percent)


def _whole_block(blocks: Blocks, name: str, params: PruningParams, whole: Scheme) -> Block | None:
    """The block of the layer at `name`, if `whole` gives all its layers what it gives this one."""
    block, key = _block_at(blocks, name, params), assigned(whole, name)
    return block if block is not None and all(assigned(whole, other) == key for other in block.names()) else None


def _block_at(blocks: Blocks, name: str, params: PruningParams) -> Block | None:
    return next((block for block in blocks.of(params.method) if name in block.names()), None)


def _zero_(weight: Tensor, mask: Mask) -> None:
    at_once = max(AT_ONCE // max(weight.shape[1], 1), 1)
    for start in range(0, len(weight), at_once):
        mask.zero_(weight[start : start + at_once], start)
