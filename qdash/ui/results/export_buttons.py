"""The buttons that download a result. A file is written when its button is pressed: most results are never downloaded, and a report takes
longer to draw than the page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.present.language import _
from qdash.ui.components.elements import html
from qdash.ui.components.exports import Export, write_export
from qdash.ui.components.markup import banner
from qdash.ui.server.run_errors import internal_error
from qdash.ui.server.tab_sessions import Sessions

SAVE = "file => window.qdashSave(file)"
"""JavaScript for a listener whose only input is a DownloadButton: downloads its file."""

_TURNS: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 2, "show_progress": "hidden", "api_visibility": "private"}
"""Two files are made at a time: a report of many charts takes seconds, and anyone can ask for one again and again."""


@dataclass(frozen=True)
class ExportButtons:
    """A button for each format. `file` is not seen and holds what was asked for last; `problem` says why it could not be made."""

    buttons: dict[str, gr.Button]
    file: gr.DownloadButton
    problem: gr.HTML


def build_export_buttons(labels: dict[str, str], prefix: str, *, elem_classes: list[str] | None = None) -> ExportButtons:
    """Create one button for each format in the current row. `labels`: format → English words; `prefix` begins the elements' ids."""
    buttons = {
        suffix: gr.Button(_(label), elem_id=f"{prefix}{suffix.replace('.', '-')}", elem_classes=elem_classes, min_width=0)
        for suffix, label in labels.items()
    }
    return ExportButtons(buttons, gr.DownloadButton(visible="hidden"), html(elem_classes=["export-problem"]))


def wire_exports(made: ExportButtons, held: Sequence[Any], export_of: Callable[..., Export | None], sessions: Sessions) -> None:
    """Write and download a file at a press. `export_of` takes the values of `held`; None if there is no result (any more)."""
    outputs = [made.file, made.problem]
    for suffix, button in made.buttons.items():
        busy = f"window.qdashBusy('{button.elem_id}', true)"
        pressed = button.click(
            _pressed(export_of, suffix, sessions), held, outputs, js=f"(...held) => {{ {busy}; return held; }}", **_TURNS
        )
        pressed.success(None, made.file, js=SAVE, api_visibility="private")
        pressed.then(None, js=f"() => window.qdashBusy('{button.elem_id}', false)", api_visibility="private")


def _pressed(export_of: Callable[..., Export | None], suffix: str, sessions: Sessions) -> Callable[..., tuple[str | None, Markup]]:
    def pressed(request: gr.Request, *held: Any) -> tuple[str | None, Markup]:
        try:
            export = export_of(*held)
            if export is None:
                raise QdashError("The server no longer has this result.", "Open it from the History tab, or start it again.", "unavailable")
            return write_export(export, suffix, partial(sessions.folder, str(request.session_hash))), Markup()
        except QdashError as error:
            return None, banner(error)
        except Exception:
            return None, banner(internal_error())

    return pressed
