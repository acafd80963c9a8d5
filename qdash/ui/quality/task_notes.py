"""What a task asks and how many questions it has, above the button that starts it."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.language import _, decimal
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
        return hint(_(text.QUALITY_NO_TASK), classes="warn")
    about = _(task.about)
    return _draw.about(task, about[0].upper() + about[1:], _rule(task), task.key in WITH_FILE, _EXAMPLE)


def limit_hint(task: Task | None) -> str:
    """Label of the field for the number of questions."""
    total = questions_of(task) if task is not None else None
    return _("Questions, of {total}", total=decimal(total)) if total else _("Questions (empty: all)")


def _rule(task: Task) -> str:
    rules = {
        "exact": _("Right if the answer is exactly the expected one."),
        "first_word": _("Right if the first word is the expected one."),
        "words": _("Right if the expected words are among the first {number} tokens of the answer.", number=task.max_new_tokens),
    }
    return rules[task.rule]
