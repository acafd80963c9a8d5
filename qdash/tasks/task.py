"""The tasks a model can be given, as data: what is asked, when an answer is right, where the questions are."""

from dataclasses import dataclass

from qdash.errors import QdashError
from qdash.present.language import N_
from qdash.records import Rule, TaskKey


@dataclass(frozen=True)
class Task:
    """One row; `label` and `about` are English. `plain`: its prompts are texts to continue, so no chat template is used, and the target is
    what follows.
    """

    key: TaskKey
    label: str
    about: str
    rule: Rule
    max_new_tokens: int
    plain: bool
    sees: bool
    """Whether its questions have pictures, so that a text model cannot take it."""
    limit: int | None
    """How many questions are asked unless somebody says so; None: all."""
    made_for: str | None = None
    """Key of the bundled model that was trained for it."""
    file: str | None = None
    """Where its questions lie in qdash/assets/tasks, if they come with qdash (see `qdash.tasks.bundled`)."""


TASKS: dict[str, Task] = {
    task.key: task
    for task in (
        Task(
            "cloze", N_("Last words of stories"),
            N_("1,000 short stories, English and Chinese, whose last word follows from the context; offline"),
            "first_word", 8, plain=True, sees=False, limit=200, made_for="tiny-lm", file="cloze.jsonl",
        ),
        Task(
            "drawings", N_("Questions about drawings"), N_("400 questions about simple drawings, of ten kinds in two languages; offline"),
            "exact", 64, plain=False, sees=True, limit=None, made_for="tiny-vlm", file="drawings.zip",
        ),
        Task(
            "lambada", "LAMBADA", N_("5,153 passages from novels; only the whole passage makes the last word clear"),
            "words", 10, plain=True, sees=False, limit=100,
        ),
        Task(
            "own", N_("Your own questions"),
            N_(
                "a CSV or JSON-lines file with the columns prompt and answer, and image if there are pictures, which come with it or in a "
                "ZIP"
            ),
            "words", 32, plain=False, sees=False, limit=None,
        ),
    )
}  # fmt: skip


def find_task(key: str) -> Task:
    """The task of a key; raises QdashError."""
    if key not in TASKS:
        raise QdashError(f"There is no task “{key}”.", f"Choose one of {', '.join(TASKS)}.")
    return TASKS[key]
