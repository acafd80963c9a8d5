"""Tasks: questions with one right answer each, and the rules by which an answer is right. No torch, and offline but for LAMBADA."""

from qdash.tasks.bundle import Bundle, chosen_files
from qdash.tasks.bundled import bundled_items
from qdash.tasks.custom import read_custom
from qdash.tasks.item import Item, spread
from qdash.tasks.lambada import lambada_items
from qdash.tasks.rules import GRADERS
from qdash.tasks.scoring import accuracy_of, beside, counted, differing, judged
from qdash.tasks.task import TASKS, Task, find_task
from qdash.tasks.truth import Truth, truth_of

__all__ = [
    "GRADERS", "TASKS", "Bundle", "Item", "Task", "Truth", "accuracy_of", "beside", "bundled_items", "chosen_files", "counted", "differing",
    "find_task", "judged", "lambada_items", "read_custom", "spread", "truth_of",
]  # fmt: skip
