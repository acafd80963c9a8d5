"""Files with questions or a text that a browser uploads: their button, and what is in them.

The value is a list of {"upload": path, "name": name}, of which nothing is trusted: a file is read only if this page has uploaded it, and a
name in it only ever leads to another file of the list, or to one in the same ZIP file.
"""

from typing import Any

import gradio as gr

from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.settings import settings
from qdash.tasks import Bundle, chosen_files
from qdash.tasks.bundle import MAX_CHOSEN
from qdash.ui.components.static import script
from qdash.ui.controls.form import uploaded_file

_draw = Macros(__name__)

MAX_NAME_CHARS = 80
Content = bytes | Bundle

TYPES = ".csv,.tsv,.jsonl,.json,.ndjson,.txt,.zip,text/csv,application/zip,image/*"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def files_button(label: str, note: str, elem_id: str, elem_classes: list[str]) -> gr.HTML:
    """The component, which takes `TYPES`; `note` stands beside the button until something is chosen."""
    return gr.HTML(
        html_template=_draw.files(settings().max_upload_bytes, MAX_CHOSEN, TYPES, label, note),
        js_on_load=script("uploaded_files"), elem_id=elem_id, apply_default_css=False, elem_classes=elem_classes,
    )  # fmt: skip


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


def _name(entry: dict[Any, Any]) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) else ""
