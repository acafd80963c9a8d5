"""A model's linear layers: which of them transformers' quantizers convert, and why the others stay as published.

Only `nn.Linear` (and GPT-2's `Conv1D`) is converted, and not the output head, tied weights or the model's last module. The rule is asked of
transformers itself, so that simulated schemes leave alone exactly the layers that bitsandbytes does.
"""

from collections.abc import Callable, Collection

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from qdash.records import Coverage, Skip

Reason = Callable[[nn.Module], str | None]


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every linear layer by its path in `model`, quantized ones (which are subclasses of `nn.Linear`) included."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)}


def kept_patterns(model: PreTrainedModel) -> list[str]:
    """Path patterns that transformers' quantizers keep by default: output head, tied weights, last module, float32-only parts."""
    return HfQuantizer.get_modules_to_not_convert(model, None, list(model._keep_in_fp32_modules or ()))


def convertible_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The linear layers that transformers' quantizers convert, by path; call it before anything is quantized."""
    kept = kept_patterns(model)
    return {
        name: layer
        for name, layer in linear_layers(model).items()
        if type(layer) in (nn.Linear, Conv1D) and should_convert_module(name, kept)
    }


def shape(layer: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer, however its weight is stored."""
    if isinstance(layer, Conv1D):
        return layer.nf, layer.nx
    assert isinstance(layer, nn.Linear)
    return layer.out_features, layer.in_features


def coverage(model: PreTrainedModel, quantized: Collection[str], unfit: Reason = lambda layer: None) -> Coverage:
    """Count the linear layers in `quantized` and say of each other one why it was left; `unfit` knows the scheme's own reasons."""
    layers = linear_layers(model)
    left = [(name, layer) for name, layer in layers.items() if name not in quantized]
    skipped = tuple(Skip(name=name, reason=_reason(model, name, layer, unfit)) for name, layer in left)
    return Coverage(quantized=len(layers) - len(left), total=len(layers), skipped=skipped)


def _reason(model: PreTrainedModel, name: str, layer: nn.Module, unfit: Reason) -> str:
    as_published = "kept as published by transformers' integration"
    if layer is model.get_output_embeddings():
        return f"output head: {as_published}"
    if type(layer) not in (nn.Linear, Conv1D):
        return f"{type(layer).__name__}, a special linear layer: {as_published}"
    if should_convert_module(name, kept_patterns(model)):
        return unfit(layer) or as_published
    return f"last module, tied weight or 32-bit part: {as_published}"
