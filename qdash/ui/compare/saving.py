"""The drawer Save: a version of the comparison as files on this machine, proven to be that version, and as a zip file to download.

It is not on public pages. A person gives a name, not a path: folders are made below `settings().save_dir`. Where this machine has a token
for the hub, `hub:user/name` is a repository there, as on the command line.
"""

import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
from gradio.processing_utils import hash_file
from markupsafe import Markup

from qdash.catalog.models import model_name
from qdash.catalog.schemes import known_scheme
from qdash.checkpoints.disk import check_disk
from qdash.checkpoints.new_folder import NewFolder, disk_errors
from qdash.checkpoints.uploading import PREFIX, HubRepository, knows_token
from qdash.checkpoints.zipping import zip_folder
from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.machine import this_machine
from qdash.markup import Macros
from qdash.present.formatting import percent
from qdash.present.language import _, recorded
from qdash.present.saving import checked_words, form_words
from qdash.records import Comparison, Saved, Step
from qdash.runs.save import not_saveable
from qdash.scratch import scratch_folder
from qdash.settings import settings
from qdash.ui.compare.model_report import Inside
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint
from qdash.ui.results.export_buttons import SAVE
from qdash.ui.server.backend import Backend
from qdash.ui.server.event_values import said_by
from qdash.ui.server.page_runs import streaming
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, Line, waiting
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind

_draw = Macros(__name__)
_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
_OPEN = "() => window.qdashOpen('save')"

View = tuple[str, str | None]
"""The drawer's markup, and the folder on this machine that was saved, once it is."""


@dataclass(frozen=True)
class Saving:
    """Its components. `folder` holds what was saved last; `file` is not seen and holds its zip file."""

    variant: gr.Dropdown
    name: gr.Textbox
    overwrite: gr.Checkbox
    save: gr.Button
    stop: gr.Button
    download: gr.Button
    shown: gr.HTML
    folder: gr.State
    file: gr.DownloadButton


def build_saving() -> Saving:
    """Create the components inside the current drawer."""
    with gr.Row(elem_id="save-bar"):
        variant = gr.Dropdown([], label=_("Version"), elem_id="save-variant", min_width=0)
        called = _("Name of the folder, or hub:user/name") if knows_token() else _("Name of the folder")
        name = gr.Textbox(label=called, max_lines=1, elem_id="save-name", min_width=0)
        overwrite = gr.Checkbox(label=_("Replace a model of this name"), elem_id="save-overwrite", min_width=0, container=False)
        save = gr.Button(_("Save"), elem_id="save-go", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="save-stop", min_width=0)
        download = gr.Button(_("Download as a zip file"), elem_id="save-zip", min_width=0)
    shown = html(about_html(), elem_id="saved")
    return Saving(variant, name, overwrite, save, stop, download, shown, gr.State(None), gr.DownloadButton(visible="hidden"))


def wire_saving(
    saving: Saving, inside: Inside, cards: gr.HTML, comparison: gr.State, backend: Backend, line: Line, sessions: Sessions
) -> None:
    """Connect the buttons, those on cards and of Inside too; what runs is stopped by its own Stop and by closing the tab."""

    def save(request: gr.Request, comparison: Comparison | None, index: Any, name: Any, overwrite: Any) -> Iterator[View]:
        entrance = line.of(visitor_behind(request))
        target = (str(name), bool(overwrite))
        yield from sessions.stream(
            str(request.session_hash), "save", lambda stop: saved_views(comparison, index, target, backend, entrance, stop)
        )

    def stopped(request: gr.Request) -> None:
        sessions.stop(str(request.session_hash), "save")

    def from_card(event: gr.EventData, comparison: Comparison | None) -> Any:
        index = said_by(event).number("save")
        return index if comparison is not None and index is not None and 0 <= index < len(comparison.variants) else gr.skip()

    chosen = [saving.name, saving.save, saving.shown, saving.folder]
    saving.variant.change(picked, [comparison, saving.variant], chosen, **QUICK)
    inside.save.click(lambda index: index, inside.variant, saving.variant, **QUICK).then(None, js=_OPEN, api_visibility="private")
    cards.select(from_card, comparison, saving.variant, **QUICK).then(None, js=_OPEN, api_visibility="private")  # type: ignore[attr-defined] - Gradio makes events at run time
    form = [comparison, saving.variant, saving.name, saving.overwrite]
    saving.save.click(save, form, [saving.shown, saving.folder], **streaming("save", line))
    saving.stop.click(stopped, **QUICK)
    busy = "window.qdashBusy('save-zip', true)"
    pressed = saving.download.click(
        zipped, saving.folder, [saving.file, saving.shown], js=f"(...held) => {{ {busy}; return held; }}",
        concurrency_id="save-zip", concurrency_limit=1, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    pressed.success(None, saving.file, js=SAVE, api_visibility="private")
    pressed.then(None, js="() => window.qdashBusy('save-zip', false)", api_visibility="private")


def picked(comparison: Comparison | None, index: Any) -> tuple[Any, Any, str, None]:
    """For a version that was chosen: a name for its folder, whether Save can be pressed, and what there is to say before."""
    if comparison is None or not _is_one(comparison, index):
        return "", gr.update(interactive=False), about_html(), None
    problem = problem_of(comparison, index)
    said = about_html() if problem is None else banner(problem)
    return usual_name(comparison, index), gr.update(interactive=problem is None), said, None


def problem_of(comparison: Comparison, index: int) -> QdashError | None:
    """Why this version cannot be saved, as far as its scheme tells, and what can be instead."""
    scheme = known_scheme(comparison.variants[index].scheme)
    why = None if scheme is None else scheme.family.unsaveable(scheme)
    return None if scheme is None or why is None else not_saveable(scheme, why, this_machine())


def usual_name(comparison: Comparison, index: int) -> str:
    """“tiny-vlm-bnb-nf4”: the model and the scheme, without what a file's name should not have."""
    result = comparison.variants[index]
    plain = result.model if _NAME.fullmatch(result.model) else model_name(result.model)
    return re.sub(r"[^a-z0-9._-]+", "-", f"{plain}-{result.scheme}".lower()).strip("-.")[:100]


def saved_views(
    comparison: Comparison | None, index: Any, target: tuple[str, bool], backend: Backend, line: Entrance, stop: Event
) -> Iterator[View]:
    """The drawer while a version is saved, and at the end. Never raises."""
    try:
        if comparison is None or not _is_one(comparison, index):
            raise QdashError("There is nothing to save yet.", "Press Compare first.")
        place = _place(*target)
        with line.join() as ticket:
            for ahead in ticket.wait(stop):
                yield working(Step(detail=waiting(ahead))), None
            yield from _saved(backend.save(comparison, index, place, stop))
    except QdashError as error:
        yield banner(by_button(error, "Save")), None
    except Exception:
        yield banner(internal_error()), None


def _saved(steps: Generator[Step, None, Saved]) -> Iterator[View]:
    yield working(Step(detail="beginning")), None
    saved = yield from forward_events(steps, lambda step: ((working(step), None),))
    yield saved_html(saved), None if saved.on_hub else saved.where


def _place(name: str, overwrite: bool) -> NewFolder | HubRepository:
    if name.strip().startswith(PREFIX):
        return HubRepository(name.strip().removeprefix(PREFIX), overwrite)
    if not _NAME.fullmatch(name.strip()):
        raise QdashError(f"“{name[:80]}” cannot be the name of a folder.", "Use letters, digits, dots, hyphens and underscores.")
    folder = settings().save_dir
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return NewFolder(folder.absolute() / name.strip(), overwrite)


def zipped(folder: str | None) -> tuple[str | None, Any]:
    """The zip file of a folder that was saved, where Gradio serves files from; or why there is none."""
    try:
        if folder is None or not Path(folder).is_dir():
            raise QdashError("What was saved is not there any more.", "Save it again.")
        return str(_zip_file(Path(folder))), gr.skip()
    except QdashError as error:
        return None, banner(error)
    except Exception:
        return None, banner(internal_error())


def _zip_file(source: Path) -> Path:
    """In the place that Gradio would copy it to, so that it need not."""
    uploads, name = settings().uploads, f"{source.name}.zip"
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    check_disk(name, size, uploads, "QDASH_CACHE_DIR")
    with disk_errors(uploads / name):
        uploads.mkdir(parents=True, exist_ok=True)
        made = scratch_folder(uploads, "zip")
        try:
            for _step in zip_folder(source, made / name, source.name):
                pass
            home = uploads / hash_file(made / name)
            home.mkdir(exist_ok=True)
            (made / name).replace(home / name)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return home / name


def about_html() -> Markup:
    """What Save does, and where."""
    about = _(
        "The version as files that transformers loads, with tokenizer and model card, in {folder}. They are loaded again in a new "
        "process and compared with the version before it is called saved.",
        folder=settings().save_dir,
    )
    sent = _(
        "With hub:user/name they become a repository on the Hugging Face hub that only you can see, sent with the token of this machine."
    )
    return hint(f"{about} {sent}" if knows_token() else about)


def working(step: Step) -> Markup:
    """What is being done."""
    done = f" · {percent(step.fraction)}" if step.fraction is not None else ""
    return _draw.working(_("Saving: {doing}", doing=f"{recorded(step.detail) or _('loading')}{done}"))


def saved_html(saved: Saved) -> Markup:
    """What was saved, where, and how it was checked."""
    return _draw.saved(saved, form_words(saved), checked_words(saved.check), saved.snippet_here)


def _is_one(comparison: Comparison, index: Any) -> bool:
    return isinstance(index, int) and 0 <= index < len(comparison.variants)
