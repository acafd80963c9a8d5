"""What a task asks and how many questions it has, above the button that starts it."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.tasks import Task
from qdash.ui.components import text
from qdash.ui.components.markup import hint
from qdash.ui.quality.form import questions_of
from qdash.ui.quality.question_file import WITH_FILE

_draw = Macros(__name__)

_EXAMPLE = '{"prompt": "2 + 2 = ?", "answer": "4"}'


def about_html(task: Task | None) -> Markup:
    """What a task asks, in a line; for files, what has to be in them."""
    if task is None:
        return hint(text.QUALITY_NO_TASK, classes="warn")
    about = task.about[0].upper() + task.about[1:]
    return _draw.about(task, about, _rule(task), task.key in WITH_FILE, _EXAMPLE)


def limit_hint(task: Task | None) -> str:
    """Label of the field for the number of questions."""
    total = questions_of(task) if task is not None else None
    return f"Questions, of {total:,}" if total else "Questions (empty: all)"


def _rule(task: Task) -> str:
    rules = {
        "exact": "Right if the answer is exactly the expected one.",
        "first_word": "Right if the first word is the expected one.",
        "words": f"Right if the expected words are among the first {task.max_new_tokens} tokens of the answer.",
    }
    return rules[task.rule]
