"""The questions that a mix is found and proved on: those of the tasks that come with qdash."""

from qdash.errors import QdashError
from qdash.tasks import Item, Task, bundled_items, find_task, stratified_sample

MIX_TASKS = ("cloze", "drawings")


def questions_of(key: str, limit: int | None) -> tuple[Task, tuple[Item, ...]]:
    """The task and a sample of its questions, `limit` None: all; raises QdashError."""
    task = find_task(key)
    own = bundled_items(task.key) if key in MIX_TASKS else None
    if own is None:
        raise QdashError(f"The task {task.key} does not come with qdash.", f"Choose one of {', '.join(MIX_TASKS)}.")
    return task, stratified_sample(own, limit)
