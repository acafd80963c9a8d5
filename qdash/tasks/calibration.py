"""The questions that something is found out along, and how their answers are followed: half to search on, half to prove the result on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.records import FollowedItem, Rule
from qdash.tasks.bundled import bundled_items
from qdash.tasks.item import Item, stratified_sample
from qdash.tasks.split import item_id, split_items
from qdash.tasks.task import Task, find_task

BUNDLED = ("cloze", "drawings")
"""Tasks whose questions come with qdash."""

QUESTIONS = 16
"""Unless a person says how many; half of them are held out."""


@dataclass(frozen=True)
class CalibrationSet:
    """Questions whose answers of at most `max_tokens` tokens are followed.

    `task`: what they are of. `plain`: their prompts are texts to go on from; one without an answer is a text itself, whose target follows.
    `rule`: when an answer is right, None where none is.
    """

    task: str
    items: tuple[Item, ...]
    plain: bool
    max_tokens: int
    rule: Rule | None = None

    @classmethod
    def of(cls, task: Task, items: Sequence[Item], limit: int | None = None) -> "CalibrationSet":
        """A sample of the questions of a task, `limit` None: all."""
        return cls(task.key, stratified_sample(items, limit), task.plain, task.max_new_tokens, task.rule)

    @property
    def search(self) -> "CalibrationSet":
        """The half to search on."""
        return self._halves[0]

    @property
    def held_out(self) -> "CalibrationSet":
        """The half to prove on; without items if there was one question only."""
        return self._halves[1]

    @cached_property
    def followed(self) -> tuple[FollowedItem, ...]:
        """The questions as a worker gets them."""
        return tuple(
            FollowedItem(
                id=item_id(item), prompt=item.question.prompt, plain=self.plain, png=item.png, max_tokens=self.max_tokens,
                text=item.target if self.plain and not item.question.answer else None,
            )
            for item in self.items
        )  # fmt: skip

    @cached_property
    def _halves(self) -> "tuple[CalibrationSet, CalibrationSet]":
        search, held_out = split_items(self.items)
        return replace(self, items=search), replace(self, items=held_out)


def bundled_set(key: str, limit: int | None) -> CalibrationSet:
    """A sample of the questions of a task that come with qdash, `limit` None: all; raises QdashError."""
    task = find_task(key)
    own = bundled_items(task.key) if key in BUNDLED else None
    if own is None:
        raise QdashError(f"The task {task.key} does not come with qdash.", f"Choose one of {', '.join(BUNDLED)}.")
    return CalibrationSet.of(task, own, limit)


def suited_set(reads: ModelTask) -> CalibrationSet:
    """`QUESTIONS` that suit a model: about drawings for one that sees, else stories to finish."""
    return bundled_set("drawings" if reads == "image-text-to-text" else "cloze", QUESTIONS)
