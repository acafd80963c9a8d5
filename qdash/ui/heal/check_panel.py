"""The Heal page's panel that counts right answers before and after healing: its components, and how they are connected."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.catalog.models import MODELS
from qdash.present.language import _
from qdash.records.evaluation import MAX_ITEMS
from qdash.tasks import TASKS
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import hint, progress_line
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.bundled_tasks import other_tasks, tasks_for, tasks_radio
from qdash.ui.controls.page import Shared
from qdash.ui.controls.uploaded_files import files_button
from qdash.ui.heal.check_stream import FIRST_QUESTIONS, OWN, CheckForm, CheckView, check_tasks, checked
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming, when_over
from qdash.ui.server.visitors import visitor_behind

NAME = "heal-check"


@dataclass(frozen=True)
class CheckPanel:
    """Its components; `table` shows the check that is kept."""

    phase: gr.HTML
    banner: gr.HTML
    task: gr.Radio
    limit: gr.Number
    start: gr.Button
    stop: gr.Button
    file: gr.HTML
    table: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Everything that a run may change."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "table"]


def build_check_panel(model: str) -> CheckPanel:
    """Create the components inside the current column, with what a healed version of `model` can be asked."""
    with gr.Column(elem_id="heal-check"):
        phase = html(phase_html(NAME, running=False, results=False), elem_classes=["phases"])
        check_banner = html(elem_id="heal-check-banner")
        with gr.Row(elem_id="heal-check-bar"):
            task = tasks_radio([*tasks_for(model, MODELS[model].task), TASKS[OWN]], _("Ask"), "heal-check-task")
            limit = gr.Number(
                FIRST_QUESTIONS, label=_("Questions"), precision=0, minimum=1, maximum=MAX_ITEMS, elem_id="heal-check-limit", min_width=0
            )
            start = gr.Button(_("Check its answers"), elem_id="heal-check-start", min_width=0)
            stop = gr.Button(_("Stop"), elem_id="heal-check-stop", min_width=0)
        note = _("CSV or JSON lines, with the pictures, or all in one ZIP; what was learned from is left out")
        file = files_button(_("File of questions, and its pictures"), note, "heal-check-file", [])
        table = html(elem_id="heal-check-table")
    return CheckPanel(phase, check_banner, task, limit, start, stop, file, table)


def wire_check_panel(panel: CheckPanel, scheme: gr.Radio, shared: Shared) -> None:
    """Connect everything; `scheme` is the choice of the page, which a page that is opened again gets back."""
    sidebar, backend, line = shared.sidebar, shared.backend, shared.line

    def check(request: gr.Request, visitor: str, *values: Any) -> Iterator[Updates]:
        form, who = CheckForm(*values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: checked(form, backend, line.of(who), stop))
        yield from with_scheme(scheme, here.followed(started, request, False, None))

    def resumed(request: gr.Request, visitor: str) -> Iterator[Updates]:
        yield from with_scheme(scheme, here.resumed(request, False, visitor, None))

    def seen(view: CheckView, follower: Follower[None]) -> Iterator[Updates]:
        yield {panel.banner: shown(view), **({scheme: view.scheme} if view.scheme else {})}

    here = PageRuns(shared.runs, NAME, panel.phase, panel.banner, panel.stop, seen)
    values = {"model": sidebar.model, "device": sidebar.device, "scheme": scheme, "task": panel.task}
    values |= {"file": panel.file, "limit": panel.limit}
    form, visitor, how = [values[name] for name in CheckForm.names()], shared.arrival.visitor, streaming(NAME, line)
    streams = (
        panel.start.click(check, [visitor, *form], [*panel.outputs, scheme], **how),
        shared.arrival.then(resumed, visitor, [*panel.outputs, scheme], **how),
    )
    when_over(streams, lambda: phase_html(NAME, running=False, results=False), None, panel.phase)
    panel.stop.click(here.stopped, visitor, panel.stop, **QUICK)
    sidebar.model.change(
        lambda model, task: other_tasks(check_tasks(model, backend), task), [sidebar.model, panel.task], panel.task,
        trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    panel.task.change(lambda task: gr.update(elem_classes=["wanted"] if task == OWN else []), panel.task, panel.file, **QUICK)


def shown(view: CheckView) -> str:
    """The line above the form."""
    if view.report is not None:
        return hint(_("The answers are counted, and kept with the healed version."), role="status")
    return progress_line(view.status, view.error)


def with_scheme(scheme: gr.Radio, all_updates: Iterator[Updates]) -> Iterator[Updates]:
    """The updates, of which only the first that names the scheme that is checked chooses it: a page that was reloaded gets it back."""
    told = False
    for updates in all_updates:
        yield {component: value for component, value in updates.items() if component is not scheme or not told}
        told = told or scheme in updates
