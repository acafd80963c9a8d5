"""A variant as Python that people can paste: printed from the very arguments the engine loads with, so that the two cannot differ."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import singledispatch
from typing import Any

import torch

from qdash.records import WorkerSpec

AUTO_CLASSES = {
    "image-text-to-text": ("AutoModelForImageTextToText", "AutoProcessor"),
    "text-generation": ("AutoModelForCausalLM", "AutoTokenizer"),
}


def from_pretrained(spec: WorkerSpec, arguments: Mapping[str, Any]) -> str:
    """Python that loads `spec.folder` with `arguments`."""
    model_class, processor_class = AUTO_CLASSES[spec.task]
    sources = {name: source_of(value) for name, value in arguments.items()}
    names = [model_class, processor_class, *(name for source in sources.values() for name in source.from_transformers)]
    lines = [
        "import torch",
        *(line for source in sources.values() for line in source.imports),
        f"from transformers import {', '.join(names)}",
        "",
        f"folder = {spec.folder!r}",
        f"model = {model_class}.from_pretrained(",
        "    folder,",
        *(f"    {name}={source.code}," for name, source in sources.items()),
        ")",
        f"processor = {processor_class}.from_pretrained(folder)",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Source:
    """A value as Python, the names it takes from transformers, and further lines that import what it needs."""

    code: str
    from_transformers: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


@singledispatch
def source_of(value: Any) -> Source:
    """An argument of `from_pretrained` as people would write it. Families register their quantization config beside what makes it."""
    return Source(repr(value))


@source_of.register
def _(value: torch.dtype) -> Source:
    return Source(str(value))


def call(config: Any) -> str:
    """A dataclass as its constructor would be called, with the arguments that differ from the defaults."""
    # Some arguments are set when the config is made, so a fresh one is compared with, not the defaults of its fields.
    usual = type(config)()
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    given = {name: value for name, value in given.items() if value != getattr(usual, name)}
    return f"{type(config).__name__}({', '.join(f'{name}={_plain(value)!r}' for name, value in given.items())})"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
