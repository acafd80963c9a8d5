"""The Quality tab: choose a task, let every version answer it, see what quantization cost in right answers."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.catalog.models import MODELS
from qdash.present.language import _
from qdash.tasks import TASKS, Task
from qdash.ui.components.elements import html
from qdash.ui.components.sketches import quality_sketch_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.quality.form import asked_at_first, tasks_for
from qdash.ui.quality.question_file import file_classes, question_files
from qdash.ui.quality.task_notes import about_html, limit_hint
from qdash.ui.results.evaluation import QualityResults, build_quality_results
from qdash.ui.results.evaluation_view import empty_html


@dataclass(frozen=True)
class QualityPage:
    """Its components. `evaluation` is the tab's own result, a gr.State."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    task: gr.Radio
    about: gr.HTML
    limit: gr.Number
    file: gr.HTML
    file_note: gr.HTML
    evaluate: gr.Button
    stop: gr.Button
    results: QualityResults
    evaluation: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Everything an evaluation may change."""
        return [self.phase, self.banner, self.verdict, self.stop, self.evaluation, *self.results.outputs]

    @property
    def choice(self) -> list[Any]:
        """What another task changes, in the order of `task_shown`."""
        return [self.about, self.limit, self.file]

    @property
    def single(self) -> list[Any]:
        """All components but those of the results."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "results"]


def build_quality_page(model: str) -> QualityPage:
    """Create the components inside the current tab, with the tasks of `model`."""
    tasks = tasks_for(model, MODELS[model].task)
    first = tasks[0] if tasks else None
    phase = html(phase_html("quality", running=False, results=False), elem_classes=["phases"])
    banner = html(elem_id="quality-banner")
    verdict = html(empty_html(), elem_id="quality-verdict")
    with gr.Row(elem_id="quality-bar"):
        task = gr.Radio(task_choices(tasks), value=first.key if first else None, label=_("Task"), elem_id="task", elem_classes=["pills"],
                        min_width=0)  # fmt: skip
        limit = gr.Number(
            asked_at_first(first) if first else None, label=limit_hint(first), precision=0, minimum=1, elem_id="limit", min_width=0
        )
        evaluate = gr.Button(_("Evaluate"), variant="primary", elem_id="evaluate", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="evaluate-stop", min_width=0)
    with gr.Row(elem_id="task-row"):
        about = html(about_html(first), elem_id="task-about")
        file = question_files(first)
        note = html(elem_id="file-note")
    html(quality_sketch_html(), elem_id="quality-sketch")
    with gr.Column(elem_id="quality-results"):
        results = build_quality_results()
    return QualityPage(phase, banner, verdict, task, about, limit, file, note, evaluate, stop, results, gr.State(None))


def task_choices(tasks: list[Task]) -> list[tuple[str, str]]:
    """(label, key) of each."""
    return [(_(task.label), task.key) for task in tasks]


def task_shown(key: Any) -> tuple[Any, Any, Any]:
    """What `QualityPage.choice` shows for a task; a key that is none shows that there is none."""
    task = TASKS.get(key) if isinstance(key, str) else None
    asked = asked_at_first(task) if task else None
    return about_html(task), gr.update(value=asked, label=limit_hint(task)), gr.update(elem_classes=file_classes(task))
