"""Tasks: questions with one right answer each, and the rules by which an answer is right. No torch, and offline but for LAMBADA."""

from qdash.tasks.bundled import bundled_items
from qdash.tasks.item import Item, spread
from qdash.tasks.rules import RULES
from qdash.tasks.scoring import accuracy_of, beside, counted, differing, judged
from qdash.tasks.task import TASKS, Task, find_task

__all__ = [
    "RULES",
    "TASKS",
    "Item",
    "Task",
    "accuracy_of",
    "beside",
    "bundled_items",
    "counted",
    "differing",
    "find_task",
    "judged",
    "spread",
]
