"""Tasks: questions with one right answer each, and the rules by which an answer is right. No torch, and offline but for LAMBADA."""

from qdash.tasks.bundle import Bundle, chosen_files
from qdash.tasks.bundled import bundled_items
from qdash.tasks.calibration import CalibrationSet, bundled_set, suited_set
from qdash.tasks.custom import read_custom
from qdash.tasks.item import Item, stratified_sample
from qdash.tasks.lambada import lambada_items
from qdash.tasks.rules import GRADERS
from qdash.tasks.scoring import accuracy_of, compare_to_baseline, differing, grade, summarize
from qdash.tasks.split import item_id, split_items
from qdash.tasks.task import TASKS, Task, find_task
from qdash.tasks.truth import Truth, truth_of

__all__ = [
    "GRADERS", "TASKS", "Bundle", "CalibrationSet", "Item", "Task", "Truth", "accuracy_of", "bundled_items", "bundled_set", "chosen_files",
    "compare_to_baseline", "differing", "find_task", "grade", "item_id", "lambada_items", "read_custom", "split_items",
    "stratified_sample", "suited_set", "summarize", "truth_of",
]  # fmt: skip
