"""The question files that a browser uploads: their button, the note on them, and the questions in them.

The value is a list of {"upload": path, "name": name}, of which nothing is trusted: a file is read only if this page has uploaded it, and a
name in it only ever leads to another file of the list, or to one in the same ZIP file.
"""

from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.present.language import ngettext
from qdash.settings import settings
from qdash.tasks import Bundle, Item, Task, chosen_files, find_task, lambada_items, read_custom
from qdash.tasks.bundle import MAX_CHOSEN
from qdash.ui.components.markup import problem
from qdash.ui.components.static import script
from qdash.ui.controls.form import uploaded_file

_draw = Macros(__name__)

WITH_FILE = ("own", "lambada")
MAX_NAME_CHARS = 80
Content = bytes | Bundle

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_TYPES = ".csv,.tsv,.jsonl,.json,.ndjson,.txt,.zip,text/csv,application/zip,image/*"


def question_files(task: Task | None) -> gr.HTML:
    """The component."""
    return gr.HTML(
        html_template=_draw.files(settings().max_upload_bytes, MAX_CHOSEN, _TYPES),
        js_on_load=script("quality_file"), elem_id="question-file", apply_default_css=False, elem_classes=file_classes(task),
    )  # fmt: skip


def file_classes(task: Task | None) -> list[str]:
    """The field for files is there for the tasks that take some; an attribute cannot get lost (see `visibility`)."""
    return ["wanted"] if task is not None and task.key in WITH_FILE else []


def handed_in(value: Any) -> tuple[str | None, Content | None]:
    """The files of the component, and the name that a result is called by; (None, None) if there are none. Raises QdashError."""
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    if len(entries) > MAX_CHOSEN:
        raise QdashError(f"{len(entries):,} files are too many; at most {MAX_CHOSEN} can be chosen.", "Put them into one ZIP file.")
    files = [(_name(entry), uploaded_file(str(entry.get("upload")), "file")) for entry in entries]
    if not files:
        return None, None
    if len(files) == 1 and not files[0][0].lower().endswith(_PICTURES):
        name, path = files[0]
        return name[:MAX_NAME_CHARS] or path.name, path.read_bytes()
    bundle = chosen_files(dict(files))
    return bundle.questions()[:MAX_NAME_CHARS], bundle


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


def _name(entry: dict[Any, Any]) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) else ""
