"""Which architectures of GGUF files transformers reads, from its own tables, and what they do.

The tables are read out of the source, as importing the modules that hold them would import torch; see `checkpoints.supported`.
"""

import ast
from functools import cache
from pathlib import Path

from qdash.checkpoints.gguf.header import GgufHeader
from qdash.checkpoints.supported import transformers_folder
from qdash.errors import QdashError

_TABLES = {
    Path("integrations/ggml.py"): "GGUF_CONFIG_MAPPING",
    Path("integrations/gguf/gguf_config_mapping.py"): "GGUF_CONFIG_ARCHS",
}
_NO_ARCHITECTURES = {"general", "tokenizer"}
_ENCODERS = {"t5", "t5encoder", "umt5", "bert", "nomicbert"}
_PROJECTOR = "clip"


def check_architecture(header: GgufHeader, name: str) -> None:
    """Raise QdashError("checkpoint") if the model in the file `name` cannot be run."""
    architecture = _plain(header.architecture)
    if not architecture:
        raise QdashError(f"{name} does not say which model it is.", "Download or copy the file again.", "checkpoint")
    if architecture == _PROJECTOR:
        message = f"{name} holds only the part that a model sees pictures with."
        remedy = "Choose the file of its language model, which then answers without pictures; or the model as safetensors."
        raise QdashError(message, remedy, "checkpoint")
    if architecture in _ENCODERS:
        message = f"{name} holds a model of type “{header.architecture}”, which does not write a text on from left to right."
        raise QdashError(message, "Choose a decoder-only model, such as one of type llama, qwen3 or gemma3.", "checkpoint")
    if architecture not in readable_architectures():
        message = f"{name} holds a model of type “{header.architecture}”, which transformers cannot read from a GGUF file."
        raise QdashError(message, "Choose the model as safetensors, or one of type llama, qwen3 or gemma3.", "checkpoint")


@cache
def readable_architectures() -> frozenset[str]:
    """Architectures that transformers has a conversion for; see `_plain`."""
    package = transformers_folder()
    files = {package / file: name for file, name in _TABLES.items()} if package is not None else {}
    found = {key for file, name in files.items() if file.exists() for key in _keys(file, name)} - _NO_ARCHITECTURES
    return frozenset(map(_plain, found)) - _ENCODERS


def _plain(architecture: str) -> str:
    """Without the signs that llama.cpp and transformers write differently: “qwen2moe” and “qwen2_moe”, “gpt-oss” and “gpt_oss”."""
    return architecture.replace("-", "").replace("_", "").lower()


def _keys(file: Path, name: str) -> list[str]:
    """The texts that are keys of the dictionary `name` in a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Dict(keys=keys)) if found == name:
                return [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return []
