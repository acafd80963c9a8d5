"""Checkpoints that were quantized before they were published: loaded as they are, by what their config.json says.

Their own dtype is kept whatever the others are loaded in: packed weights, their scales and the kernels between were made for it, and
transformers does not cast them. compressed-tensors has no kernels here: its first forward pass unpacks every weight to floats for good,
so such a model is small in its file and not in memory; `run_lazy_packing` brings that on, so that the memory shown is the memory taken.
"""

import importlib
from contextlib import AbstractContextManager, redirect_stderr
from io import StringIO
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass
from transformers import PreTrainedConfig, PreTrainedModel
from typing_extensions import override

from qdash.catalog.families.torchao import INT8_DYNAMIC, STATIC
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine import layers
from qdash.engine.schemes import QuantizeContext, SchemeFamily, family_of
from qdash.engine.schemes.floating import Floating
from qdash.engine.schemes.snippet import from_pretrained
from qdash.errors import QdashError
from qdash.records import WorkerSpec, device_type

INT8_PRODUCTS = (INT8_DYNAMIC, STATIC)


class Published(Floating):
    """Adds nothing to what `from_pretrained` does; finds the quantized layers and counts what they really take."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        if scheme.key != "original":
            message = f"{scheme.label} cannot be applied to the model in {spec.folder}, which is quantized already."
            raise QdashError(message, "Choose Original for it, or the model that it was made from.", "unavailable")
        return {"dtype": skeleton.config.dtype or getattr(torch, spec.dtype), "device_map": spec.device}

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        if _method(model.config) == "bitsandbytes":
            _check_kernels(model, build.spec)
            _bitsandbytes().transform(model, scheme, build)
            return
        for layer in model.modules():
            if _is_quantized(layer):
                layers.mark(layer, scheme.key)
        if _pads_rows(model.config, build.spec):
            _int8_rows().pad_rows(model)

    @override
    def run_lazy_packing(self, model: PreTrainedModel) -> None:
        if _method(model.config) == "bitsandbytes":
            _bitsandbytes().run_lazy_packing(model)
        _decompress(model)

    def prepare_dequantizing(self, model: PreTrainedModel) -> None:
        """Let `dequantized` find what it needs in a model that was just loaded, without what a first call repacks for this machine."""
        _decompress(model)
        for layer in model.modules():
            if hasattr(layer, "init_8bit_state"):  # LLM.int8()'s, which moves its codes and scales where they are read
                cast(Any, layer).init_8bit_state()

    @override
    def as_saved(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        return _bitsandbytes().as_saved(model) if _method(model.config) == "bitsandbytes" else super().as_saved(model)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if is_traceable_wrapper_subclass(weight):
            return cast(Tensor, weight).dequantize().float()
        return cast(Tensor, weight).detach().float() if hasattr(layer, "quantization_scheme") else _bitsandbytes().dequantized(layer)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        arguments = self.load_kwargs(scheme, spec, skeleton)
        loading = from_pretrained(spec, arguments)
        if _method(skeleton.config) != "bitsandbytes":
            return loading + _int8_rows().SNIPPET if _pads_rows(skeleton.config, spec) else loading
        # What an unquantized model's snippet would add for this machine, and no more.
        like = find_scheme("bnb-nf4" if _entry(skeleton.config).get("load_in_4bit") else "bnb-int8")
        family = _bitsandbytes()
        return loading + family.snippet(like, spec, skeleton).removeprefix(from_pretrained(spec, family.load_kwargs(like, spec, skeleton)))


FAMILY = Published()


def is_packed(layer: nn.Module) -> bool:
    """Whether `dequantized` has to be asked for the weight of a layer, whichever library packed it."""
    return _is_quantized(layer) or type(layer).__module__.startswith("bitsandbytes.")


def is_published_quantized(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint with this configuration is quantized already."""
    return bool(_entry(config))


def _entry(config: PreTrainedConfig) -> dict[str, Any]:
    """The quantization entry, found where transformers looks for it; empty for plain floats."""
    places = (config, config.get_text_config(decoder=True))
    entry = next((found for place in places if (found := getattr(place, "quantization_config", None)) is not None), {})
    return entry if isinstance(entry, dict) else entry.to_dict()


def _method(config: PreTrainedConfig) -> str:
    entry = _entry(config)
    method = entry.get("quant_method", "bitsandbytes")  # which old checkpoints leave out
    return str(getattr(method, "value", method))


def _decompress(model: PreTrainedModel) -> None:
    """What compressed-tensors does in the first forward pass."""
    if getattr(model, "ct_decompress_hook", None) is not None:
        quantizer: Any = model.hf_quantizer
        with redirect_stderr(StringIO()):  # for its progress bar
            quantizer.compressor.decompress_model(model)


def _bitsandbytes() -> SchemeFamily:
    return family_of(find_scheme("bnb-nf4"))


def _pads_rows(config: PreTrainedConfig, spec: WorkerSpec) -> bool:
    """Whether torchao's layers multiply 8-bit integers with CUDA's kernel, which needs more rows than one token has."""
    named = str(_entry(config).get("quant_type"))
    return device_type(spec.device) == "cuda" and _method(config) == "torchao" and any(name in named for name in INT8_PRODUCTS)


def _int8_rows() -> Any:
    # Only where there are such layers: torchao need not be installed.
    return importlib.import_module("qdash.engine.schemes.int8_rows")


def _check_kernels(model: PreTrainedModel, spec: WorkerSpec) -> None:
    """A layer that this machine's 4-bit kernels get wrong cannot be left in floats here, as it is in models quantized by qdash."""
    if not getattr(model, "is_loaded_in_4bit", False):
        return
    family, scheme = _bitsandbytes(), find_scheme("bnb-nf4")
    for name, layer in model.named_modules():
        if (
            isinstance(layer, nn.Linear)
            and hasattr(layer.weight, "quant_state")
            and (reason := family.unsupported_reason(layer, scheme, spec))
        ):
            message = f"The model in {spec.folder} would give wrong answers here: {name} has {reason}."
            raise QdashError(message, "Run it on a CUDA device, or choose the model that it was made from.", "unavailable")


def _is_quantized(layer: nn.Module) -> bool:
    """Whether the checkpoint held packed weights for this linear layer: torchao's, compressed-tensors' or GPTQModel's."""
    if isinstance(getattr(layer, "qweight", None), Tensor):
        return True
    scheme = getattr(layer, "quantization_scheme", None)
    if isinstance(layer, nn.Linear):
        return getattr(scheme, "weights", None) is not None or is_traceable_wrapper_subclass(getattr(layer, "weight", None))
    return False
