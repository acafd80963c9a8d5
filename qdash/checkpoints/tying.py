"""Which stored tensors become one weight: an output head that shares the embedding's, and copies of an embedding.

The file decides, as in transformers 5: where config.json or the class ties them and only one is stored, it serves as both; where both are
stored they are tied only if they are equal, and stay two weights otherwise.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qdash.checkpoints.files import Files
from qdash.checkpoints.record import TensorInfo

_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output_projection|proj_out|lm_head\.decoder|predictions\.decoder)\.weight$")
_EMBEDDING = re.compile(r"(^|\.)(embed_tokens|embed_in|wte|word_embeddings?|embeddings|tokens_embed|shared|tok_embeddings)\.weight$")
_COPY = re.compile(r"(^|\.)(encoder|decoder)\.embed_tokens\.weight$")
_SHARED = re.compile(r"(^|\.)shared\.weight$")


def is_head(name: str) -> bool:
    """Whether this tensor is the weight of an output head over the vocabulary."""
    return _HEAD.search(name) is not None


def tied_copies(files: Files, config: Mapping[str, Any], tensors: Mapping[str, tuple[str, TensorInfo]]) -> frozenset[str]:
    """The names of stored tensors that take no memory of their own once loaded; `tensors` maps each name to its file and header entry.

    Where the values are not here to be compared, a stored copy is taken for what it nearly always is, equal.
    """
    copies = set()
    shared = next((name for name in tensors if _SHARED.search(name)), None)
    embeddings = [name for name in tensors if _EMBEDDING.search(name) and not (shared and _COPY.search(name))]
    tied = is_tied(config)
    for name in tensors:
        partners = [shared] if shared and _COPY.search(name) else embeddings if tied and is_head(name) else []
        if any(_equal(files, tensors[name], tensors[partner]) for partner in partners if partner != name):
            copies.add(name)
    return frozenset(copies)


def is_tied(config: Mapping[str, Any]) -> bool:
    """Whether config.json ties the head to the embedding, by itself or by what its class does where it is silent."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        if isinstance(part.get("tie_word_embeddings"), bool):
            return bool(part["tie_word_embeddings"])
    kinds = [part.get("model_type") for part in (config, text if isinstance(text, dict) else {})]
    return any(_tied_by_class(kind) for kind in kinds if isinstance(kind, str))


def _equal(files: Files, first: tuple[str, TensorInfo], second: tuple[str, TensorInfo]) -> bool:
    (file, own), (other_file, other) = first, second
    if (own.shape, own.dtype) != (other.shape, other.dtype):
        return False
    return files.equal((file, own.name), (other_file, other.name)) is not False


@cache
def _tied_by_class(model_type: str) -> bool:
    """The default of `tie_word_embeddings` in the configuration class of a model type, read out of its source: importing it takes torch."""
    package = find_spec("transformers")
    if package is None or package.origin is None or not re.fullmatch(r"[\w.-]+", model_type, re.ASCII):
        return False
    # A part's class lies beside its model's: gemma3_text in gemma3.
    folders = [re.sub(r"\W", "_", model_type), *(model_type.removesuffix(end) for end in ("_text", "_text_model", "_language", "_llm"))]
    for folder in dict.fromkeys(folders):
        source = Path(package.origin).parent / "models" / folder / f"configuration_{folder}.py"
        if source.is_file():
            return _default(ast.parse(source.read_text(encoding="utf-8")).body, model_type)
    return False


def _default(statements: Iterable[ast.stmt], model_type: str) -> bool:
    classes = [statement for statement in statements if isinstance(statement, ast.ClassDef)]
    own = next((found for found in classes if _value(found, "model_type") == model_type), None)
    return own is not None and _value(own, "tie_word_embeddings") is True


def _value(found: ast.ClassDef, name: str) -> object:
    """What a class body assigns to `name`; None if it does not, or no constant."""
    for statement in found.body:
        if isinstance(statement, ast.AnnAssign):
            target = statement.target
        elif isinstance(statement, ast.Assign):
            target = statement.targets[0]
        else:
            continue
        if isinstance(target, ast.Name) and target.id == name:
            return statement.value.value if isinstance(statement.value, ast.Constant) else None
    return None
