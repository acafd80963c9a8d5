"""Recipes: each part of a model under a scheme of its own, which `from_pretrained` cannot do as it takes one configuration.

The model is loaded in plain floats and then quantized in place, scheme by scheme, each by its own family. So the peak of memory while
loading is the original's, and what is left is the sum of the parts.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.caches import CacheFormat
from qdash.catalog.recipes import assigned, cache_of, rules_of
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine.accelerator import name_of
from qdash.engine.kv_cache import cache_options, check_cache, group_size
from qdash.engine.layers import convertible_layers, quantized_layers, scheme_of
from qdash.engine.loading import begin
from qdash.engine.parameters import Experts
from qdash.engine.prompting import Processor
from qdash.engine.schemes import QuantizeContext, experts_for, family_of, unsupported_reason
from qdash.engine.schemes.floating import Floating
from qdash.engine.schemes.snippet import from_pretrained
from qdash.errors import QdashError
from qdash.records import WorkerSpec


class Recipe(Floating):
    """Hands every layer to the family of the scheme that its rule names. The KV cache is the worker's, see `kv_cache`."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        """Raises QdashError for a recipe with a KV cache in few bits, if the model has another kind of cache."""
        if cache_of(scheme) is not None:
            check_cache(skeleton)
        return super().load_kwargs(scheme, spec, skeleton)

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        experts = experts_for(model, scheme, build.spec)
        self.quantize(model, list(convertible_layers(model)), scheme, build)
        self.quantize_experts(model, experts, scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        for key, chosen in self._by_scheme(model, names, scheme, build.spec).items():
            part = find_scheme(key)
            family_of(part).quantize(model, chosen, part, build)

    @override
    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        for key in dict.fromkeys(assigned(scheme, own.path) for own in experts):
            part = find_scheme(key or "original")
            family_of(part).quantize_experts(model, [own for own in experts if assigned(scheme, own.path) == key], part, build)

    @override
    def run_lazy_packing(self, model: PreTrainedModel) -> None:
        for key in sorted({scheme_of(layer) or "original" for layer in quantized_layers(model).values()}):
            family_of(find_scheme(key)).run_lazy_packing(model)

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        part = find_scheme(scheme_of(layer) or "original")
        return family_of(part).dequantized(layer)

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        raise TypeError("A recipe has no round trip of its own: ask the family of the scheme that `assigned` names for a layer.")

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        return scheme.family.unsaveable(scheme)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        rules = ",".join(f"{pattern}={key}" for pattern, key in rules_of(scheme) or ())
        return loading + (_APPLIED.format(rules=rules) if rules else "") + _cache_snippet(cache_of(scheme), skeleton)

    @staticmethod
    def _by_scheme(model: PreTrainedModel, names: Collection[str], scheme: Scheme, spec: WorkerSpec) -> dict[str, list[str]]:
        """Key of a part's scheme → the layers that it gets and can quantize."""
        chosen: dict[str, list[str]] = defaultdict(list)
        for name in names:
            key = assigned(scheme, name)
            if key is not None and unsupported_reason(scheme, spec, name, model.get_submodule(name)) is None:
                chosen[key].append(name)
        return chosen


_APPLIED = """
# from_pretrained takes one quantization for all layers; this gives each part its own.
from qdash.engine.schemes.recipe import apply_recipe

apply_recipe(model, processor, {rules!r})
"""
_REAL_CACHE = """
# Arguments for each answer: model.generate(**inputs, **cache)
cache = dict(cache_implementation="quantized", cache_config={config!r})
"""
_SIMULATED_CACHE = """
# Rounds as transformers' quantized cache does with {package}, which is not installed; it holds floats.
from qdash.engine.kv_cache import rounded_cache

# Arguments for one answer: model.generate(**inputs, **cache)
cache = dict(past_key_values=rounded_cache(model, bits={bits}))
"""


def _cache_snippet(cache: CacheFormat | None, skeleton: PreTrainedModel) -> str:
    if cache is None:
        return ""
    if cache.kind == "simulated":
        return _SIMULATED_CACHE.format(package=cache.package, bits=cache.bits)
    return _REAL_CACHE.format(config=cache_options(cache, group_size(skeleton.config)))


def apply_recipe(model: PreTrainedModel, processor: Processor, recipe: str) -> None:
    """Quantize the parts of a model loaded in plain floats, in place, on the device it is on. A rule for the KV cache changes nothing here.

    Raises QdashError for a recipe that is wrong or needs what is not installed.
    """
    scheme = find_scheme(recipe)
    if rules_of(scheme) is None:
        raise QdashError(f"“{recipe}” is not a recipe.", "Write part=scheme, such as language=bnb-nf4.")
    spec = WorkerSpec.model_validate({
        "folder": model.name_or_path, "revision": "", "scheme": scheme.key, "device": name_of(model.device),
        "dtype": str(model.dtype).removeprefix("torch."), "threads": torch.get_num_threads(),
        "task": "image-text-to-text" if hasattr(processor, "tokenizer") else "text-generation",
    })  # fmt: skip
    begin(model)
    FAMILY.transform(model, scheme, QuantizeContext(spec, processor, lambda fraction, words: None))


FAMILY = Recipe()
