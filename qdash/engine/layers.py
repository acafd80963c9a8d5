"""A model's linear layers: which of them transformers' quantizers convert, and why the others stay as published.

Only `nn.Linear` (and GPT-2's `Conv1D`) is converted, and not the output head, tied weights or the model's last module. The rule is asked of
transformers itself, so that simulated schemes leave alone exactly the layers that bitsandbytes does.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from qdash.catalog.parts import part_of
from qdash.catalog.recipes import rule_for
from qdash.catalog.schemes import Scheme
from qdash.records import Coverage, PartCoverage, Skip

Reason = Callable[[str, nn.Module], str | None]
"""Path and layer → why its scheme left it, None for no reason of the scheme's own."""

_MARK = "qdash_scheme"


def mark(layer: nn.Module, scheme: str) -> None:
    """Note on a quantized layer the key of the scheme that quantized it. Layers of every family are told apart by this alone."""
    setattr(layer, _MARK, scheme)


def scheme_of(layer: nn.Module) -> str | None:
    """The key of the scheme that quantized `layer`; None if none did."""
    return getattr(layer, _MARK, None)


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
    return {name: module for name, module in model.named_modules() if isinstance(module, found) or scheme_of(module) is not None}


def kept_patterns(model: PreTrainedModel) -> list[str]:
    """Path patterns that transformers' quantizers keep by default: output head, tied weights, last module, float32-only parts."""
    return HfQuantizer.get_modules_to_not_convert(model, None, list(model._keep_in_fp32_modules or ()))


def convertible_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The linear layers that transformers' quantizers convert, by path; call it before anything is quantized."""
    kept = kept_patterns(model)
    return {
        name: layer
        for name, layer in linear_layers(model).items()
        if type(layer) in (nn.Linear, Conv1D) and scheme_of(layer) is None and should_convert_module(name, kept)
    }


def shape(layer: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer, however its weight is stored."""
    if isinstance(layer, Conv1D):
        return layer.nf, layer.nx
    # Not all quantized layers are nn.Linear, but all name their sizes as it does.
    outputs, inputs = layer.out_features, layer.in_features
    assert isinstance(outputs, int) and isinstance(inputs, int)
    return outputs, inputs


def rows(layer: nn.Module) -> Tensor:
    """The weight of a linear layer in floats as (out, in); GPT-2's `Conv1D` stores it the other way round."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.T if isinstance(layer, Conv1D) else weight


def coverage(model: PreTrainedModel, scheme: Scheme, unfit: Reason) -> Coverage:
    """Count the quantized linear layers of `model` and say of each other one why it was left; `unfit` knows the scheme's own reasons."""
    layers = linear_layers(model)
    left = {name: layer for name, layer in layers.items() if scheme_of(layer) is None}
    # Where nothing was meant to be quantized, nothing was skipped.
    skipped = (
        ()
        if scheme.is_baseline and len(left) == len(layers)
        else tuple(Skip(name=name, reason=_reason(model, name, layer, unfit)) for name, layer in left.items())
    )
    parts = _parts(scheme, layers, layers.keys() - left.keys())
    return Coverage(quantized=len(layers) - len(left), total=len(layers), skipped=skipped, parts=parts)


def _parts(scheme: Scheme, layers: Iterable[str], quantized: Iterable[str]) -> tuple[PartCoverage, ...]:
    """By the rules of a recipe, what no rule matched last; otherwise by the parts that divide a model."""
    own = {name: rule_for(scheme, name) if scheme.family == "recipe" else (part_of(name), None) for name in layers}
    total, done = Counter(own.values()), Counter(own[name] for name in quantized)
    order = [*scheme.params.get("rules", ()), *((part, None) for part in ("vision", "projector", "language", "head")), None]
    return tuple(
        PartCoverage(part=rule[0] if rule else None, scheme=rule[1] if rule else None, quantized=done[rule], total=total[rule])
        for rule in order
        if total[rule]
    )


def _reason(model: PreTrainedModel, name: str, layer: nn.Module, unfit: Reason) -> str:
    as_published = "kept as published by transformers' integration"
    if layer is model.get_output_embeddings():
        return f"output head: {as_published}"
    if type(layer) not in (nn.Linear, Conv1D):
        return f"{type(layer).__name__}, a special linear layer: {as_published}"
    if should_convert_module(name, kept_patterns(model)):
        return unfit(name, layer) or as_published
    return f"last module, tied weight or 32-bit part: {as_published}"
