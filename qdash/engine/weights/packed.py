"""A checkpoint that was published in packed weights, as floats: loaded as transformers loads it, dequantized by the library that packed it.

The whole model is in memory meanwhile, packed where its library keeps it so; one layer at a time is dequantized.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass
from transformers import PreTrainedModel

from qdash.catalog.schemes import find_scheme
from qdash.engine.loading import load_model
from qdash.engine.schemes.published import FAMILY, is_packed
from qdash.engine.stored import Read
from qdash.errors import QdashError
from qdash.records import WorkerSpec


def packed_parameters(spec: WorkerSpec, skeleton: PreTrainedModel, on_fraction: Callable[[float], None]) -> dict[str, Read]:
    """How to have each parameter and buffer of the model as floats, by its path in `skeleton`, the model without its weights.

    `on_fraction` as in `load_model`. Raises QdashError as that does, and "unavailable" for weights packed in a way that is not known.
    """
    model = load_model(spec, FAMILY.load_kwargs(find_scheme("original"), spec, skeleton), on_fraction)
    FAMILY.prepare_dequantizing(model)
    modules, reads = dict(model.named_modules(remove_duplicate=False)), {}
    for path in skeleton.state_dict():
        place, _, name = path.rpartition(".")
        layer = modules.get(place)
        if layer is None or not isinstance(getattr(layer, name, None), Tensor):
            message = f"The model in {spec.folder} has {path} packed in a way that cannot be compared."
            raise QdashError(message, "Choose another version of the model.", "unavailable")
        reads[path] = partial(_floats, layer, name)
    return reads


def _floats(layer: nn.Module, name: str) -> Tensor:
    tensor = getattr(layer, name)
    if name == "weight" and is_packed(layer):
        return FAMILY.dequantized(layer)
    if is_traceable_wrapper_subclass(tensor):
        return cast(Tensor, tensor).dequantize().float()
    return tensor.detach()
