"""One layer quantized, all others as they are, for as long as a context lasts; what it takes then; which layers a scheme takes."""

import copy
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.catalog.parts import part_of
from qdash.catalog.schemes import Scheme
from qdash.engine.layers import convertible_layers, replace_layer, shape
from qdash.engine.parameters import all_weights
from qdash.engine.schemes import QuantizeContext, family_of, unsupported_reason
from qdash.engine.sizes import weights_bytes
from qdash.records import LayerDamage, WorkerSpec


@dataclass(frozen=True)
class OneLayer:
    """A layer, at path `name`, under a scheme that takes it. Bytes of its weight, scales included."""

    name: str
    scheme: Scheme
    bytes: int
    original_bytes: int

    def damage(
        self, kl_mean_nats: float | None, kl_se: float | None, *, estimated_nats: float | None = None, problem: str | None = None
    ) -> LayerDamage:
        """The record of what it does."""
        return LayerDamage(
            name=self.name, part=part_of(self.name), scheme=self.scheme.key, kl_mean_nats=kl_mean_nats, kl_se=kl_se,
            bytes=self.bytes, original_bytes=self.original_bytes, estimated_nats=estimated_nats, problem=problem,
        )  # fmt: skip


def every_one(model: PreTrainedModel, schemes: Sequence[Scheme], spec: WorkerSpec) -> list[OneLayer]:
    """Each linear layer of a model in plain floats under each of `schemes` that takes it, layer by layer as the model has them."""
    return [
        OneLayer(name, scheme, math.ceil(family_of(scheme).stored(shape(layer), scheme, spec).bits / 8), _weight(layer).nbytes)
        for name, layer in convertible_layers(model).items()
        for scheme in schemes
        if unsupported_reason(scheme, spec, name, layer) is None
    ]


def other_bytes(model: nn.Module, names: Collection[str]) -> int:
    """Bytes of all weights and buffers but for the weights of the layers at `names`; tied ones count once."""
    theirs = (weight for weight in all_weights(model) if weight.kind != "vector" and weight.name in names)
    return weights_bytes(model) - sum(weight.count * _parameter(model, weight.path).element_size() for weight in theirs)


@contextmanager
def quantized_alone(model: PreTrainedModel, one: OneLayer, build: QuantizeContext) -> Iterator[nn.Module]:
    """Within this the layer is quantized, as its family does it to a whole model; gives the quantized layer."""
    layer = model.get_submodule(one.name)
    spare = copy.deepcopy(layer)
    replace_layer(model, one.name, spare)
    try:
        family_of(one.scheme).quantize(model, [one.name], one.scheme, build)
        yield model.get_submodule(one.name)
    finally:
        replace_layer(model, one.name, layer)


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _parameter(model: nn.Module, path: str) -> Tensor:
    return model.get_parameter(path)
