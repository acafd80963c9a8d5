"""The handlers of the Mix tab: measuring, another budget, the proof, the mix among the schemes at the side, step by step, Stop."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from qdash.catalog.recipe_writing import ORIGINAL
from qdash.errors import QdashError
from qdash.present.language import N_, _
from qdash.records import MixReport, ProgressiveReport
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint, problem_words, progress_line
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.bundled_tasks import other_tasks, tasks_for
from qdash.ui.controls.filling import schemes_added
from qdash.ui.controls.page import Shared
from qdash.ui.controls.preflight import reads
from qdash.ui.mix.form import MixForm
from qdash.ui.mix.page import MixPage, empty_html
from qdash.ui.mix.progressive import figures, offered, progressive_shown
from qdash.ui.mix.stream import Known, MixView, first_budget, measured, progressed, proved, solved
from qdash.ui.mix.view import headline_html, map_html, proof_html
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming, when_over
from qdash.ui.server.visitors import visitor_behind

ADDED = N_("The mix was added: {fields}.")


def wire_mix_page(page: MixPage, shared: Shared) -> None:
    """Connect everything."""
    sidebar, backend, line = shared.sidebar, shared.backend, shared.line

    def measure(request: gr.Request, dark: Any, visitor: str, before: Known | None, *values: Any) -> Iterator[Updates]:
        form, who = MixForm(*values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: measured(form, backend, line.of(who), stop))
        yield from here.followed(started, request, dark, before)

    def prove(request: gr.Request, dark: Any, visitor: str, before: Known | None, budget: Any) -> Iterator[Updates]:
        who = visitor_behind(request)
        started = here.start(request, visitor, lambda stop: proved(before, budget, backend, line.of(who), stop))
        yield from here.followed(started, request, dark, before)

    def progress(request: gr.Request, dark: Any, visitor: str, before: Known | None, scheme: Any) -> Iterator[Updates]:
        who = visitor_behind(request)
        started = here.start(request, visitor, lambda stop: progressed(before, scheme, backend, line.of(who), stop))
        yield from here.followed(started, request, dark, before)

    def redrawn(dark: Any, report: ProgressiveReport | None) -> Updates:
        return {panel.divergence: gr.skip()} if report is None else figures(panel, report, dark=bool(dark))

    def another_model(model: Any, task: Any) -> Any:
        return other_tasks(tasks_for(str(model), reads(model, backend)), task)

    def seen(view: MixView, follower: Follower[Known]) -> Iterator[Updates]:
        yield shown(page, view, follower)

    def over(known: Known | None) -> str:
        return phase_html("mix", running=False, results=known is not None)

    panel = page.progressive
    here = PageRuns(shared.runs, "mix", page.phase, page.banner, page.stop, seen)
    values = {"model": sidebar.model, "schemes": sidebar.schemes, "baseline_dtype": sidebar.baseline_dtype, "device": sidebar.device}
    values |= {"task": page.task, "limit": page.limit}
    form = [values[name] for name in MixForm.names()]
    known = [sidebar.theme, shared.arrival.visitor, page.known]
    how = streaming("mix", line)
    streams = (
        page.measure.click(measure, [*known, *form], page.outputs, js=dark_first(len(known) + len(form)), **how),
        page.prove.click(prove, [*known, page.budget], page.outputs, js=dark_first(len(known) + 1), **how),
        panel.start.click(progress, [*known, panel.scheme], page.outputs, js=dark_first(len(known) + 1), **how),
        shared.arrival.then(here.resumed, known, page.outputs, js=dark_first(len(known)), **how),
    )
    when_over(streams, over, page.known, page.phase)
    page.stop.click(here.stopped, shared.arrival.visitor, page.stop, **QUICK)
    gr.on(
        [page.budget.change, page.phase.change], drawn, [page.known, page.report, page.budget],
        [page.verdict, page.solved, page.proof], trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    page.budget.change(lambda: "", None, page.banner, **QUICK)  # what was said of the budget before
    sidebar.theme.change(redrawn, [sidebar.theme, panel.report], [panel.divergence, panel.accuracy], js=dark_first(2), **QUICK)
    sidebar.model.change(another_model, [sidebar.model, page.task], page.task, trigger_mode="always_last", **QUICK)
    page.use.click(
        used, [page.known, page.budget, sidebar.model, sidebar.schemes], [sidebar.schemes, *sidebar.filled.outputs, page.banner], **QUICK
    )  # fmt: skip


def drawn(known: Known | None, report: MixReport | None, budget: Any) -> tuple[str, str, str]:
    """Headline, map and proof for a budget. A proof stays only as long as the budget gives the mix that was proved."""
    mix = solved(known, budget)
    if known is None or mix is None:
        return empty_html(), "", ""
    if isinstance(mix, QdashError):
        return sentence_html(_("No mix keeps to this budget."), problem_words(mix)), "", ""
    proof = proof_html(report) if report is not None and report.sensitivity == known.report and report.recipe == mix.recipe else ""
    return headline_html(known.report, mix, first_budget(known.report)), map_html(known.report, mix), proof


def used(known: Known | None, budget: Any, model: Any, schemes: Any) -> list[Any]:
    """After Use it: the schemes with the mix among them, what is filled in, and the banner."""
    mix = solved(known, budget)
    nothing = [gr.skip()] * 3
    if known is None or mix is None:
        return [*nothing, gr.skip()]
    if isinstance(mix, QdashError):
        return [*nothing, banner(mix)]
    if known.report.model != str(model).strip():
        error = QdashError(f"The mix is one of {known.report.model}, which is not the model at the side.", "Choose that model again.")
        return [*nothing, banner(error)]
    if mix.recipe == ORIGINAL:
        return [*nothing, banner(QdashError("This mix leaves every layer as it is.", "Choose a smaller budget."))]
    after, filled = schemes_added(schemes, [mix.recipe], ADDED)
    said = hint(_("The mix is among the schemes at the side: Compare, Weights and Quality take it now."), role="status")
    return [after, *filled, said]


def shown(page: MixPage, view: MixView, follower: Follower[Known]) -> Updates:
    """The component updates that show `view`. A page that was reloaded during a proof gets the budget of that back."""
    updates: Updates = {page.banner: progress_line(view.status, view.error)}
    if view.known is not None:
        updates[page.known] = view.known
        if follower.before is None or follower.before.report != view.known.report:
            updates |= {page.report: None, page.budget: first_budget(view.known.report), **offered(page.progressive, view.known.report)}
    if view.proof is not None:
        updates |= {page.report: view.proof, **({page.budget: view.proof.budget} if follower.before is None else {})}
    if view.progressive is not None:
        updates |= progressive_shown(page.progressive, view.progressive, dark=follower.dark)
    return updates
