"""A model's layers: which of them transformers' quantizers convert, and why all other weights stay as published.

Only `nn.Linear` (and GPT-2's `Conv1D`) is converted, and not the output head, tied weights or the model's last module. The rule is asked of
transformers itself, so that simulated schemes leave alone exactly the layers that bitsandbytes does. Coverage counts every parameter: where
most of a model is no linear layer, as in mixtures of experts, “8 of 9 layers” says little.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from qdash.catalog.parts import DIVIDING, part_of
from qdash.catalog.recipes import is_mix, rule_for, rules_of
from qdash.catalog.schemes import Scheme
from qdash.engine.kv_cache import cache_coverage
from qdash.engine.outside_reads import read_outside
from qdash.engine.parameters import Experts, Weight, WeightKind, all_weights, fused_experts, mark, scheme_of, shape
from qdash.records import Coverage, PartCoverage, Skip

__all__ = [
    "Reason", "convertible_experts", "convertible_layers", "coverage", "kept_patterns", "linear_layers", "mark", "quantized_layers",
    "replace_layer", "rows", "scheme_of", "shape", "measured_coverage",
]  # fmt: skip

Reason = Callable[[str, nn.Module | Experts], str | None]
"""Path and layer, or fused experts → why its scheme left it, None for no reason of the scheme's own."""

# Why weights of these kinds are left by every scheme.
KIND_REASONS: dict[WeightKind, str] = {
    "convolution": "convolution: schemes quantize linear layers",
    "embedding": "embedding: looked up, not multiplied",
    "attention": "an attention class's own weights: schemes quantize linear layers",
    "recurrent": "recurrent cell: schemes quantize linear layers",
}
AS_PUBLISHED = "kept as published by transformers' integration"


def quantized_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every layer that was quantized, by path."""
    return {name: module for name, module in model.named_modules() if scheme_of(module) is not None}


def replace_layer(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` in the place of the one at path `name`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every linear layer by its path in `model`, quantized ones included, whatever they have become."""
    found = (nn.Linear, Conv1D)
    modules = ((name, module) for name, module in model.named_modules() if not isinstance(module, nn.Embedding))
    return {name: module for name, module in modules if isinstance(module, found) or scheme_of(module) is not None}


def kept_patterns(model: PreTrainedModel) -> list[str]:
    """Path patterns that transformers' quantizers keep by default: output head, tied weights, last module, float32-only parts."""
    return HfQuantizer.get_modules_to_not_convert(model, None, list(model._keep_in_fp32_modules or ()))


def convertible_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The linear layers that transformers' quantizers convert, by path; call it before anything is quantized."""
    kept, outside = kept_patterns(model), read_outside(model)
    return {
        name: layer
        for name, layer in linear_layers(model).items()
        if type(layer) in (nn.Linear, Conv1D) and scheme_of(layer) is None and should_convert_module(name, kept) and name not in outside
    }


def convertible_experts(model: PreTrainedModel) -> dict[str, Experts]:
    """The parameters of fused experts that schemes may quantize, by path; transformers' quantizers leave them to others."""
    kept = kept_patterns(model)
    return {path: experts for path, experts in fused_experts(model).items() if should_convert_module(path, kept)}


def rows(layer: nn.Module) -> Tensor:
    """The weight of a linear layer in floats as (out, in); GPT-2's `Conv1D` stores it the other way round."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.T if isinstance(layer, Conv1D) else weight


def coverage(model: PreTrainedModel, scheme: Scheme, unsupported_reason: Reason) -> Coverage:
    """Count the quantized layers and parameters of `model`, and say of all other weights why each was left.

    `unsupported_reason` knows the scheme's own reasons. Norms and biases are counted and not named.
    """
    layers, weights = linear_layers(model), list(all_weights(model))
    left = [name for name, layer in layers.items() if scheme_of(layer) is None]
    done = sum(weight.count for weight in weights if weight.scheme)
    # Where nothing was meant to be quantized, nothing was skipped.
    leaves = scheme.is_baseline or rules_of(scheme) == ()
    skipped = () if leaves and not done else tuple(_skips(model, left, weights, unsupported_reason))
    return Coverage(
        quantized=len(layers) - len(left),
        total=len(layers),
        skipped=skipped,
        parts=_parts(scheme, layers, layers.keys() - set(left), weights),
        quantized_parameters=done,
        parameters=sum(weight.count for weight in weights),
        cache=cache_coverage(model),
    )


def measured_coverage(skeleton: PreTrainedModel, modules: Collection[str], scheme: Scheme, unsupported_reason: Reason) -> Coverage:
    """The same for what was measured, of a model without its weights: as though `scheme` had quantized the layers at `modules` alone."""
    layers, every = linear_layers(skeleton), list(all_weights(skeleton))
    weights = [replace(weight, scheme=scheme.key) if weight.name in modules else weight for weight in every]
    own = partial(_unmeasured, unsupported_reason)
    return Coverage(
        quantized=len(modules),
        total=len(layers),
        skipped=tuple(_skips(skeleton, [name for name in layers if name not in modules], weights, own)),
        parts=_parts(scheme, layers, modules, weights),
        quantized_parameters=sum(weight.count for weight in weights if weight.scheme),
        parameters=sum(weight.count for weight in weights),
    )


def _unmeasured(unsupported_reason: Reason, name: str, layer: nn.Module | Experts) -> str | None:
    return "only linear layers are measured" if isinstance(layer, Experts) else unsupported_reason(name, layer)


def _parts(scheme: Scheme, layers: Iterable[str], quantized: Iterable[str], weights: Sequence[Weight]) -> tuple[PartCoverage, ...]:
    """By the rules of a recipe, what no rule matched last; otherwise, and of a mix of many rules, by the parts that divide a model."""
    rules = rules_of(scheme)
    if rules is not None and is_mix(rules):
        rules = None

    def own(name: str) -> tuple[str, str | None] | None:
        return rule_for(scheme, name) if rules is not None else (part_of(name), None)

    total, done = Counter(map(own, layers)), Counter(map(own, quantized))
    parameters: Counter[tuple[str, str | None] | None] = Counter()
    done_parameters: Counter[tuple[str, str | None] | None] = Counter()
    for weight in weights:
        parameters[own(weight.name)] += weight.count
        done_parameters[own(weight.name)] += weight.count if weight.scheme else 0
    order = [*(rules or ()), *((part, None) for part in DIVIDING), None]
    return tuple(
        PartCoverage(
            part=rule[0] if rule else None, scheme=rule[1] if rule else None, quantized=done[rule], total=total[rule],
            quantized_parameters=done_parameters[rule], parameters=parameters[rule],
        )
        for rule in order
        if total[rule] or parameters[rule]
    )  # fmt: skip


def _skips(model: PreTrainedModel, left: Iterable[str], weights: Sequence[Weight], unsupported_reason: Reason) -> Iterable[Skip]:
    """Linear layers first, then all other weights with more than one dimension."""
    kept, experts = kept_patterns(model), fused_experts(model)
    counts = {weight.name: weight.count for weight in weights if weight.kind == "linear"}
    for name in left:
        layer = model.get_submodule(name)
        # A head that shares the embedding's weights is named, and they are counted there.
        yield Skip(name=name, reason=_layer_reason(model, name, layer, kept, unsupported_reason), parameters=counts.get(name, 0))
    for weight in weights:
        if weight.scheme is None and weight.kind not in ("linear", "vector"):
            reason = KIND_REASONS.get(weight.kind) or f"{type(weight.module).__name__}'s own weights: schemes quantize linear layers"
            if weight.kind == "experts":
                reason = f"fused experts: {_experts_reason(experts[weight.path], kept, unsupported_reason)}"
            yield Skip(name=weight.name, reason=reason, parameters=weight.count)


def _experts_reason(experts: Experts, kept: list[str], unsupported_reason: Reason) -> str:
    own = unsupported_reason(experts.path, experts) if should_convert_module(experts.path, kept) else None
    return own or AS_PUBLISHED


def _layer_reason(model: PreTrainedModel, name: str, layer: nn.Module, kept: list[str], unsupported_reason: Reason) -> str:
    if layer is model.get_output_embeddings():
        shared = layer.weight is getattr(model.get_input_embeddings(), "weight", None)
        return f"output head: {AS_PUBLISHED}{', and its weights are the embedding’s' if shared else ''}"
    if type(layer) not in (nn.Linear, Conv1D):
        return f"{type(layer).__name__}, a special linear layer: {AS_PUBLISHED}"
    outside = read_outside(model).get(name)
    if outside is not None:
        return outside
    if should_convert_module(name, kept):
        return unsupported_reason(name, layer) or AS_PUBLISHED
    return f"last module, tied weight or 32-bit part: {AS_PUBLISHED}"
