"""What happens on the Quality tab: another model or task, an evaluation from its first question to the history, Stop."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from qdash.records import Evaluation
from qdash.ui.components.events import QUICK
from qdash.ui.components.exports import Export, evaluation_export
from qdash.ui.components.markup import banner
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.preflight import reads
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.quality.form import QualityForm, tasks_for
from qdash.ui.quality.page import QualityPage, task_choices, task_shown
from qdash.ui.quality.question_file import file_note
from qdash.ui.quality.stream import QualityView, evaluated
from qdash.ui.results.answers import thumbnails
from qdash.ui.results.evaluation import evaluation_drawn, wire_quality_results
from qdash.ui.results.evaluation_view import empty_html, headline_html, running_html, running_rows_html
from qdash.ui.results.export_buttons import wire_exports
from qdash.ui.server.autosave import keep
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming, when_over
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind


def wire_quality_page(
    page: QualityPage, sidebar: Sidebar, arrival: Arrival, backend: Backend, line: Line, runs: Runs, sessions: Sessions
) -> None:
    """Connect everything."""

    def evaluate(request: gr.Request, dark: Any, visitor: str, before: Evaluation | None, *values: Any) -> Iterator[Updates]:
        form, who = QualityForm(*values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: kept(evaluated(form, backend, line.of(who), stop), who.owner))
        yield from here.followed(started, request, dark, before)

    def drawn(view: QualityView, follower: Follower[Evaluation]) -> Iterator[Updates]:
        yield shown(page, view, follower.before)
        if view.over and view.state is not None and view.state.evaluation is not None:
            yield finished(page, view, view.state.evaluation, follower.dark)

    def over(evaluation: Evaluation | None) -> str:
        return phase_html("quality", running=False, results=evaluation is not None)

    def another_model(model: Any, task: Any) -> tuple[Any, ...]:
        tasks = tasks_for(str(model), reads(model, backend))
        keys = [each.key for each in tasks]
        key = task if task in keys else next(iter(keys), None)
        changed = (gr.skip(),) * 3 if key == task else task_shown(key)
        return gr.update(choices=task_choices(tasks), value=key), *changed

    of_sidebar = {"model": sidebar.model, "schemes": sidebar.schemes, "baseline_dtype": sidebar.baseline_dtype, "device": sidebar.device}
    of_page = {"task": page.task, "limit": page.limit, "file": page.file}
    here = PageRuns(runs, "quality", page.phase, page.banner, page.stop, drawn)
    known = [sidebar.theme, arrival.visitor, page.evaluation]
    inputs = [*known, *({**of_sidebar, **of_page}[name] for name in QualityForm.names())]
    how = streaming("quality", line)
    streams = (
        page.evaluate.click(evaluate, inputs, page.outputs, js=dark_first(len(inputs)), **how),
        arrival.then(here.resumed, known, page.outputs, js=dark_first(len(known)), **how),
    )
    when_over(streams, over, page.evaluation, page.phase)
    page.stop.click(here.stopped, arrival.visitor, page.stop, **QUICK)
    sidebar.model.change(
        another_model, [sidebar.model, page.task], [page.task, *page.choice], trigger_mode="always_last", **QUICK
    )  # fmt: skip
    gr.on(
        [page.file.change, page.task.change], file_note, [page.task, page.file], page.file_note, trigger_mode="always_last", **QUICK
    )  # fmt: skip
    page.task.input(task_shown, page.task, page.choice, trigger_mode="always_last", **QUICK)
    wire_quality_results(page.results, sidebar, page.evaluation, lambda evaluation: evaluation)
    wire_exports(page.results.exports, [page.evaluation], _export, sessions)


def _export(evaluation: Evaluation | None) -> Export | None:
    return None if evaluation is None else evaluation_export(evaluation)


def kept(views: Iterator[QualityView], owner: str) -> Iterator[QualityView]:
    """The same views; the last evaluation is saved in the history, or the last view says why not."""
    for view in views:
        if view.over and view.state is not None and view.state.evaluation is not None:
            view = replace(view, error=keep(view.state.evaluation, owner) or view.error)
        yield view


def shown(page: QualityPage, view: QualityView, before: Evaluation | None = None) -> Updates:
    """The component updates that show `view`. Until there is a state, what an earlier evaluation left on the page stays: `before`."""
    updates: Updates = {page.banner: banner(view.error)}
    if view.state is None:
        left = empty_html() if before is None else headline_html(before)
        return updates | {page.verdict: left if view.over else running_html(None, view.status)}
    if view.over:
        return updates if view.state.evaluation is not None else updates | {page.verdict: empty_html()}
    return updates | {
        page.evaluation: None,
        page.phase: phase_html("quality", running=True, results=False, partial=True),
        page.verdict: running_html(view.state, view.status),
        page.results.rows: running_rows_html(view.state),
    }


def finished(page: QualityPage, view: QualityView, evaluation: Evaluation, dark: bool) -> Updates:
    """The evaluation, as far as it got. If nothing was answered, the rows say why, and there is nothing to draw."""
    if all(result.accuracy is None for result in evaluation.variants):
        return {page.verdict: headline_html(evaluation)}
    return {
        page.phase: phase_html("quality", running=True, results=True),
        page.verdict: headline_html(evaluation),
        page.evaluation: evaluation,
        **evaluation_drawn(page.results, evaluation, dark, thumbnails(view.items)),
    }
