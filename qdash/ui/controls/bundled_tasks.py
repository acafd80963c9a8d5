"""The tasks whose questions come with qdash, as a choice between those that fit the model at the side."""

from typing import Any

import gradio as gr

from qdash.catalog.models import MODELS, is_random
from qdash.catalog.types import ModelTask
from qdash.present.language import _
from qdash.tasks import TASKS, Task
from qdash.tasks.calibration import BUNDLED


def tasks_for(model: str, reads: ModelTask) -> list[Task]:
    """The tasks whose questions a model can be given, the one it was made for first; none for random weights.

    A bundled model knows nothing but what it was taught.
    """
    if is_random(model):
        return []
    bundled = model in MODELS and MODELS[model].kind == "bundled"
    fitting = [TASKS[key] for key in BUNDLED if not TASKS[key].sees or reads == "image-text-to-text"]
    return [task for task in fitting if not bundled or task.made_for == model]


def tasks_radio(tasks: list[Task], label: str, elem_id: str) -> gr.Radio:
    """The component, with the first of them chosen."""
    value = tasks[0].key if tasks else None
    return gr.Radio(task_choices(tasks), value=value, label=label, elem_id=elem_id, elem_classes=["pills"], min_width=0)


def other_tasks(tasks: list[Task], chosen: Any) -> Any:
    """The update of the component for another model; the choice stays where it can."""
    keys = [task.key for task in tasks]
    return gr.update(choices=task_choices(tasks), value=chosen if chosen in keys else next(iter(keys), None))


def task_choices(tasks: list[Task]) -> list[tuple[str, str]]:
    """(label, key) of each."""
    return [(_(task.label), task.key) for task in tasks]
