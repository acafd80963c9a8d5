"""A variant as Python that people can paste: printed from the very arguments the engine loads with, so that the two cannot differ."""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

import torch
from transformers import BitsAndBytesConfig, TorchAoConfig

from qdash.records import WorkerSpec

AUTO_CLASSES = {
    "image-text-to-text": ("AutoModelForImageTextToText", "AutoProcessor"),
    "text-generation": ("AutoModelForCausalLM", "AutoTokenizer"),
}


def from_pretrained(spec: WorkerSpec, arguments: Mapping[str, Any]) -> str:
    """Python that loads `spec.folder` with `arguments`."""
    model_class, processor_class = AUTO_CLASSES[spec.task]
    config = arguments.get("quantization_config")
    names = [model_class, processor_class, *([type(config).__name__] if config is not None else [])]
    lines = [
        "import torch",
        *([_import(config.quant_type)] if isinstance(config, TorchAoConfig) else []),
        f"from transformers import {', '.join(names)}",
        "",
        f"folder = {spec.folder!r}",
        f"model = {model_class}.from_pretrained(",
        "    folder,",
        *(f"    {name}={_code(value)}," for name, value in arguments.items()),
        ")",
        f"processor = {processor_class}.from_pretrained(folder)",
    ]
    return "\n".join(lines) + "\n"


def _code(value: Any) -> str:
    """`value` as source, for the few types that load arguments have."""
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, BitsAndBytesConfig):
        # What a person would have typed: the entries that differ from the defaults, without the config's private doubles.
        typed = {name: part for name, part in value.to_diff_dict().items() if not name.startswith("_")}
        return "BitsAndBytesConfig(\n" + "".join(f"        {name}={part!r},\n" for name, part in typed.items()) + "    )"
    if isinstance(value, TorchAoConfig):
        kept = [f"modules_to_not_convert={value.modules_to_not_convert!r}"] if value.modules_to_not_convert else []
        return f"TorchAoConfig({', '.join([call(value.quant_type), *kept])})"
    return repr(value)


def call(config: Any) -> str:
    """A dataclass as its constructor would be called, with the arguments that differ from the defaults."""
    # Some arguments are set when the config is made, so a fresh one is compared with, not the defaults of its fields.
    usual = type(config)()
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    given = {name: value for name, value in given.items() if value != getattr(usual, name)}
    return f"{type(config).__name__}({', '.join(f'{name}={_plain(value)!r}' for name, value in given.items())})"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _import(config: Any) -> str:
    """Where to import a config of torchao's from: it exports them one level above the modules that define them."""
    return f"from {type(config).__module__.rpartition('.')[0]} import {type(config).__name__}"
