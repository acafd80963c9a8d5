"""Connects “Run again” on the History tab with the form, and Undo with everything that can be filled in."""

from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from qdash.present.language import _
from qdash.records import Comparison
from qdash.ui.components import text
from qdash.ui.components.events import QUICK
from qdash.ui.controls.filling import Values, told, undone
from qdash.ui.controls.preflight import reads
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.history.open_run import OpenRun
from qdash.ui.history.page import HistoryPage
from qdash.ui.quality.form import tasks_for
from qdash.ui.quality.page import QualityPage, task_choices, task_shown
from qdash.ui.run_again import again
from qdash.ui.server.backend import Backend

_OF_SIDEBAR = ("model", "question", "runs", "warmup", "tokens", "baseline_dtype", "device", "reference_text", "picture", "schemes")
# The button of the page is focused, not pressed. On a phone what is told stands above the page; on a desktop it is in sight anyway.
_ARRIVE = (
    "() => { const here = new URL(location.href); here.searchParams.delete('run'); history.replaceState(null, '', here); "
    "const shown = (id) => [document.getElementById(id)].find((found) => found?.offsetParent); setTimeout(() => { "
    "shown('filled')?.scrollIntoView({ block: 'center' }); (shown('evaluate') ?? shown('compare'))?.focus({ preventScroll: true }); "
    "}, 300); }"
)


def wire_again(page: HistoryPage, sidebar: Sidebar, quality: QualityPage, tabs: gr.Tabs, blocks: gr.Blocks, backend: Backend) -> None:
    """Connect both buttons."""
    components: dict[str, Component] = {
        **{name: getattr(sidebar, name) for name in _OF_SIDEBAR}, "task": quality.task, "limit": quality.limit,
    }  # fmt: skip
    shown: dict[str, Component] = {**components, "about": quality.about, "file": quality.file}
    outputs = [*shown.values(), *sidebar.filled.outputs]

    def filled(opened: OpenRun | None, *values: Any) -> list[Any]:
        run = opened.read() if opened is not None else None
        if run is None:
            return [gr.skip()] * (len(outputs) + 1)
        here: Values = dict(zip(components, values, strict=True))
        made = again(run, here, backend)
        blocks.upload_file_set.update(made.files)
        changes = {name: value for name, value in made.values.items() if value != here[name]}
        before = {name: here[name] for name in changes}
        said, _before = told(here, made.values, text.AGAIN_SET, made.words or ("" if changes else _(text.AGAIN_SAME)))
        if changes.keys() & {"task", "limit"}:
            changes |= _task_shown(made.values, backend)
        if before.keys() & {"model", "task", "limit"}:  # another model may take its own task
            before |= _task_shown(here, backend)
        where = "compare" if isinstance(run.record, Comparison) else "quality"
        return [*(changes.get(name, gr.skip()) for name in shown), said, before, gr.update(selected=where)]

    known = [page.run, *components.values()]
    page.again.click(filled, known, [*outputs, tabs], **QUICK).then(None, js=_ARRIVE, api_visibility="private")
    sidebar.filled.undo.click(partial(undone, tuple(shown)), sidebar.filled.before, outputs, **QUICK)


def _task_shown(values: Values, backend: Backend) -> dict[str, Any]:
    """What the Quality tab shows for the task of `values`, whose choices are those of their model."""
    tasks = tasks_for(str(values["model"]), reads(values["model"], backend))
    about, limit, file = task_shown(values["task"])
    task = gr.update(choices=task_choices(tasks), value=values["task"])
    return {"task": task, "about": about, "limit": limit | {"value": values["limit"]}, "file": file}
