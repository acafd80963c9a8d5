"""Which model types transformers loads natively, for which task, and which of them do not write a text on from left to right.

transformers keeps the answer in two tables of literals. Importing the module that holds them would import torch, which the parent
process must never do, so they are read out of its source: the same data, in milliseconds. What they say is confirmed by the worker
when it loads the model.
"""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from qdash.catalog.types import ModelTask

HeadKind = ModelTask | Literal["text-to-text", "fill-in"]
"""What a class of transformers does: what qdash runs, and two that it refuses."""

_TABLES: dict[str, HeadKind] = {
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES": "image-text-to-text",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "text-generation",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES": "text-to-text",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES": "fill-in",
}


def task_of(config: dict[str, Any]) -> ModelTask | None:
    """The task of a model with this config.json; None if transformers has no class of its own for it.

    A few types are in both tables, for their text-only form: those see images if the configuration has a part that does.
    """
    tasks = native_tasks().get(config.get("model_type", ""), frozenset())
    if len(tasks) == 2:
        return "image-text-to-text" if "vision_config" in config else "text-generation"
    return next(iter(tasks), None)


def has_encoder(config: dict[str, Any]) -> bool:
    """Whether a model with this config.json reads with one half and writes with the other, as T5 and Florence-2 do.

    Parts may say it for the whole: BLIP-2 is as its language model is.
    """
    whole = [config, *(config[name] for name in ("text_config", "language_config") if isinstance(config.get(name), dict))]
    return any(_says_encoder(part) for part in whole)


def fills_in(config: dict[str, Any]) -> bool:
    """Whether a model with this config.json reads both sides of a word, as BERT does, and was not made to read from left to right."""
    left_to_right = config.get("is_decoder") or config.get("causal") or has_encoder(config)
    return "fill-in" in _kinds().get(config.get("model_type", ""), ()) and not left_to_right


def _says_encoder(config: dict[str, Any]) -> bool:
    """What a config says of it, or its class does where it is left out."""
    said = config.get("is_encoder_decoder")
    return bool(said) if said is not None else _class_says_encoder(str(config.get("model_type", "")))


def _class_says_encoder(model_type: str) -> bool:
    """The default of `is_encoder_decoder` in transformers' class for this type; False where it has none."""
    return class_defaults(model_type).get("is_encoder_decoder") is True


@cache
def class_defaults(model_type: str) -> dict[str, Any]:
    """What transformers' configuration class for this type says where a config.json leaves a value out, as far as these are literals."""
    package, name = transformers_folder(), re.sub(r"\W", "_", model_type)
    if package is None or not name:
        return {}
    for module in (name, name.removesuffix("_text")):
        source = package / "models" / module / f"configuration_{module}.py"
        if source.is_file():
            classes = [_literals(item) for item in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(item, ast.ClassDef)]
            return next((values for values in classes if values.get("model_type") == model_type), {})
    return {}


def _literals(item: ast.ClassDef) -> dict[str, Any]:
    """The values of a class's own fields that are literals."""
    values = {}
    for line in item.body:
        target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0] if isinstance(line, ast.Assign) else None
        if isinstance(target, ast.Name) and isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
            values[target.id] = line.value.value
    return values


@cache
def native_tasks() -> dict[str, frozenset[ModelTask]]:
    """Model type → the tasks transformers has a class for."""
    tasks: tuple[ModelTask, ...] = ("image-text-to-text", "text-generation")
    found: dict[str, frozenset[ModelTask]] = {
        model_type: frozenset([task for task in tasks if task in kinds]) for model_type, kinds in _kinds().items()
    }
    return {model_type: own for model_type, own in found.items() if own}


def transformers_folder() -> Path | None:
    """Where the package is; None if it is not installed."""
    package = find_spec("transformers")
    return None if package is None or package.origin is None else Path(package.origin).parent


@cache
def _kinds() -> dict[str, frozenset[HeadKind]]:
    """Model type → what transformers has a class for."""
    package = transformers_folder()
    if package is None:
        return {}
    source = package / "models" / "auto" / "modeling_auto.py"
    found: dict[str, set[HeadKind]] = {}
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        kind = _TABLES.get(statement.targets[0].id)
        if kind is not None:
            for model_type in _keys(statement.value):
                found.setdefault(model_type, set()).add(kind)
    return {model_type: frozenset(kinds) for model_type, kinds in found.items()}


def _keys(table: ast.expr) -> list[str]:
    """The first members of the pairs in `OrderedDict([(key, value), …])`."""
    assert isinstance(table, ast.Call), "transformers changed how it writes its tables"
    return [key for key, _ in ast.literal_eval(table.args[0])]
