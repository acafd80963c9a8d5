"""What happens on the Quality tab: another model or task, an evaluation from its first question to the history, Stop."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from qdash.records import Evaluation
from qdash.ui.backend import Backend
from qdash.ui.history_keep import keep
from qdash.ui.line import Line
from qdash.ui.markup import banner
from qdash.ui.phase import phase_html
from qdash.ui.preflight import reads
from qdash.ui.quality_form import QualityForm, tasks_for
from qdash.ui.quality_items import thumbnails
from qdash.ui.quality_page import QualityPage, task_choices, task_shown
from qdash.ui.quality_results import evaluation_drawn, wire_quality_results
from qdash.ui.quality_run import MarksView, evaluated
from qdash.ui.quality_view import empty_html, headline_html, running_html, running_rows_html
from qdash.ui.run import internal_error
from qdash.ui.sessions import Sessions
from qdash.ui.sidebar import QUICK, Sidebar
from qdash.ui.theme_switch import dark_first
from qdash.ui.visitors import owner_of

Updates = dict[Any, Any]


def wire_quality_page(page: QualityPage, sidebar: Sidebar, backend: Backend, line: Line, sessions: Sessions) -> None:
    """Connect everything."""

    def evaluate(request: gr.Request, dark: Any, *values: Any) -> Iterator[Updates]:
        session = str(request.session_hash)
        stop = sessions.start(session, only="quality")
        try:
            yield {
                page.phase: phase_html("quality", running=True, results=False),
                page.stop: "Stop",
                page.banner: "",
                page.evaluation: None,
            }
            view = MarksView()
            for view in evaluated(QualityForm(*values), backend, line, stop):
                yield shown(page, view)
            done = view.board.evaluation if view.board is not None else None
            if done is not None:
                problem = keep(done, owner_of(request))
                yield finished(page, view, done, bool(dark), sessions, session) | ({page.banner: banner(problem)} if problem else {})
        except Exception:
            yield {page.banner: banner(internal_error())}
        finally:
            stop.set()
            sessions.finish(session, stop)

    def stopped(request: gr.Request) -> str:
        sessions.stop(str(request.session_hash))
        return "Stopping …"

    def over(evaluation: Evaluation | None) -> str:
        return phase_html("quality", running=False, results=evaluation is not None)

    def another_model(model: Any, task: Any) -> tuple[Any, ...]:
        tasks = tasks_for(str(model), reads(model, backend))
        keys = [each.key for each in tasks]
        key = task if task in keys else next(iter(keys), None)
        changed = (gr.skip(),) * 3 if key == task else task_shown(key)
        return gr.update(choices=task_choices(tasks), value=key), *changed

    of_sidebar = {"model": sidebar.model, "schemes": sidebar.schemes, "baseline_dtype": sidebar.baseline_dtype, "device": sidebar.device}
    here = {"task": page.task, "limit": page.limit, "file": page.file}
    inputs = [sidebar.theme, *({**of_sidebar, **here}[name] for name in QualityForm.names())]
    running = page.evaluate.click(
        evaluate, inputs, page.outputs, js=dark_first(len(inputs)),
        concurrency_id="quality", concurrency_limit=line.longest, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    # Only now: Gradio ignores a click while it believes that the last one is still at work.
    running.then(over, page.evaluation, page.phase, **QUICK)
    page.stop.click(stopped, outputs=page.stop, **QUICK)
    sidebar.model.change(
        another_model, [sidebar.model, page.task], [page.task, *page.choice], trigger_mode="always_last", **QUICK
    )  # fmt: skip
    page.task.input(task_shown, page.task, page.choice, trigger_mode="always_last", **QUICK)
    wire_quality_results(page.results, sidebar, page.evaluation, lambda evaluation: evaluation)


def shown(page: QualityPage, view: MarksView) -> Updates:
    """The component updates that show `view`."""
    updates: Updates = {page.banner: banner(view.error)}
    if view.board is None:
        return updates | {page.verdict: empty_html() if view.over else running_html(None, view.status)}
    if view.over:
        return updates if view.board.evaluation is not None else updates | {page.verdict: empty_html()}
    return updates | {
        page.phase: phase_html("quality", running=True, results=False, partial=True),
        page.verdict: running_html(view.board, view.status),
        page.results.rows: running_rows_html(view.board),
    }


def finished(page: QualityPage, view: MarksView, evaluation: Evaluation, dark: bool, sessions: Sessions, session: str) -> Updates:
    """The evaluation, as far as it got. If nothing was answered, the rows say why, and there is nothing to draw."""
    if all(result.accuracy is None for result in evaluation.variants):
        return {page.verdict: headline_html(evaluation)}
    return {
        page.phase: phase_html("quality", running=True, results=True),
        page.verdict: headline_html(evaluation),
        page.evaluation: evaluation,
        **evaluation_drawn(page.results, evaluation, dark, thumbnails(view.items), sessions.folder(session)),
    }
