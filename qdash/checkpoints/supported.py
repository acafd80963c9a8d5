"""Which model types transformers loads natively, and for which task.

transformers keeps the answer in two tables of literals. Importing the module that holds them would import torch, which the parent
process must never do, so they are read out of its source: the same data, in milliseconds. What they say is confirmed by the worker
when it loads the model.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qdash.catalog.models import Task

_TABLES: dict[str, Task] = {
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES": "image-text-to-text",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "text-generation",
}


def task_of(config: dict[str, Any]) -> Task | None:
    """The task of a model with this config.json; None if transformers has no class of its own for it.

    A few types are in both tables, for their text-only form: those see images if the configuration has a part that does.
    """
    tasks = native_tasks().get(config.get("model_type", ""), frozenset())
    if len(tasks) == 2:
        return "image-text-to-text" if "vision_config" in config else "text-generation"
    return next(iter(tasks), None)


@cache
def native_tasks() -> dict[str, frozenset[Task]]:
    """Model type → the tasks transformers has a class for."""
    package = find_spec("transformers")
    if package is None or package.origin is None:
        return {}
    source = Path(package.origin).parent / "models" / "auto" / "modeling_auto.py"
    found: dict[str, set[Task]] = {}
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        task = _TABLES.get(statement.targets[0].id)
        if task is not None:
            for model_type in _keys(statement.value):
                found.setdefault(model_type, set()).add(task)
    return {model_type: frozenset(tasks) for model_type, tasks in found.items()}


def _keys(table: ast.expr) -> list[str]:
    """The first members of the pairs in `OrderedDict([(key, value), …])`."""
    assert isinstance(table, ast.Call), "transformers changed how it writes its tables"
    return [key for key, _ in ast.literal_eval(table.args[0])]
