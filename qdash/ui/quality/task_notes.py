"""What a task asks and how many questions it has, above the button that starts it."""

from html import escape

from qdash.tasks import Task
from qdash.ui.components import text
from qdash.ui.quality.form import questions_of
from qdash.ui.quality.question_file import WITH_FILE

_CODE = "<code>{}</code>"


def about_html(task: Task | None) -> str:
    """What a task asks, in a line; for files, what has to be in them."""
    if task is None:
        return f'<p class="hint warn">{text.QUALITY_NO_TASK}</p>'
    form = ""
    if task.key == "own":
        form = f" One question a line: {_CODE.format('{&quot;prompt&quot;: &quot;2 + 2 = ?&quot;, &quot;answer&quot;: &quot;4&quot;}')}"
    elif task.key in WITH_FILE:
        form = " Downloaded once; or choose a file of JSON lines, each with its passage as “text”."
    about = task.about[0].upper() + task.about[1:]
    return f'<p class="hint"><b>{escape(task.label)}.</b> {escape(about)}.{form} {_rule(task)}</p>'


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
