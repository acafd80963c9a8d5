"""A variant as Python that people can paste: printed from the very arguments the engine loads with, so that the two cannot differ."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from qdash.records import WorkerSpec

AUTO_CLASSES = {
    "image-text-to-text": ("AutoModelForImageTextToText", "AutoProcessor"),
    "text-generation": ("AutoModelForCausalLM", "AutoTokenizer"),
}


def from_pretrained(spec: WorkerSpec, arguments: Mapping[str, Any]) -> str:
    """Python that loads `spec.folder` with `arguments`."""
    model_class, processor_class = AUTO_CLASSES[spec.task]
    names = [model_class, processor_class, *(["BitsAndBytesConfig"] if "quantization_config" in arguments else [])]
    lines = [
        "import torch",
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
    return repr(value)
