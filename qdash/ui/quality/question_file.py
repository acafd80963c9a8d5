"""The question files that a browser uploads: their button, the note on them, and the questions in them."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.present.language import _, ngettext
from qdash.tasks import Bundle, Item, Task, find_task, lambada_items, read_custom
from qdash.ui.components.markup import problem
from qdash.ui.controls.uploaded_files import Content, files_button, handed_in

_draw = Macros(__name__)

WITH_FILE = ("own", "lambada")


def question_files(task: Task | None) -> gr.HTML:
    """The component."""
    label, note = _("File of questions, and its pictures"), _("CSV or JSON lines, with the pictures, or all in one ZIP")
    return files_button(label, note, "question-file", file_classes(task))


def file_classes(task: Task | None) -> list[str]:
    """The field for files is there for the tasks that take some; an attribute cannot get lost (see `visibility`)."""
    return ["wanted"] if task is not None and task.key in WITH_FILE else []


def items_of(task: Task, name: str | None, content: Content | None) -> tuple[Item, ...] | None:
    """The questions of files, or of a data set that is fetched first; None for a task that has its own. Raises QdashError."""
    if task.key == "own":
        return read_custom(content or b"", name or "The file")
    if task.key == "lambada":
        if isinstance(content, Bundle):
            raise QdashError("Several files were chosen, but all passages must be in one.", "Choose only that file.")
        return lambada_items(content, name or "")
    return None


def file_note(key: Any, value: Any) -> Markup:
    """What is to be said of files as soon as they are here, as markup: how many questions they have, or what is wrong with them."""
    try:
        name, content = handed_in(value)
        if content is None or key not in WITH_FILE:
            return Markup()
        items = items_of(find_task(key), name, content) or ()
    except QdashError as error:
        return _draw.refused(problem(error))
    pictures = sum(item.png is not None for item in items)
    found = ngettext("{number} question", "{number} questions", len(items))
    if not pictures:
        return _draw.found(found)
    with_pictures = ngettext("{questions}, {number} with a picture", "{questions}, {number} with a picture", pictures, questions=found)
    return _draw.found(with_pictures)
