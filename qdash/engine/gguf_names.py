"""Which tensors of a GGUF file become which parameter of its model: what a layer's type is told by, once the file is unpacked.

transformers has two ways to read a GGUF file, by architecture, and each has its own rules for names; both are asked as they are there.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from transformers import PreTrainedModel
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key
from transformers.integrations.gguf.reader import read_gguf_metadata
from transformers.integrations.gguf.utils import get_gguf_conversion_mapping, is_gguf_arch_supported
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map


def parameter_sources(file: Path, model: PreTrainedModel) -> dict[str, tuple[str, ...]]:
    """Path of a parameter of `model` → the tensors of `file` that it is made from; nothing for those without a place in it."""
    metadata, names = read_gguf_metadata(str(file))
    architecture = metadata["general.architecture"]
    pairs = _by_rules(architecture, names, model) if is_gguf_arch_supported(architecture) else _by_table(architecture, names, model)
    found: dict[str, tuple[str, ...]] = {}
    for path, name in pairs:
        found[path] = (*found.get(path, ()), name)
    return found


def _by_rules(architecture: str, names: Iterable[str], model: PreTrainedModel) -> Iterator[tuple[str, str]]:
    rules = get_gguf_conversion_mapping(architecture, model.config)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    parameters = model.state_dict()
    for name in names:
        path, _pattern = rename_source_key(name, renamings, converters, model.base_model_prefix, parameters)
        if path in parameters:
            yield path, name


def _by_table(architecture: str, names: Iterable[str], model: PreTrainedModel) -> Iterator[tuple[str, str]]:
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=model.config.to_dict())
    table = get_gguf_hf_weights_map(model, processor)
    for name in names:
        # The experts of a block are one parameter, whose path does not end in “weight”.
        path = table.get(name) or table.get(name.removesuffix(".weight"))
        if path is not None:
            yield path, name
