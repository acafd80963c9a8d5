"""The handlers of the Fit tab: an estimate at every change of the form, measuring, Stop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from qdash.charts.fit import fit_bars
from qdash.charts.style import saved_as
from qdash.errors import QdashError
from qdash.present.language import _
from qdash.records import FitReport
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import problem_words, progress_line
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.page import Shared
from qdash.ui.fit.page import CARD, FitPage, stands_at
from qdash.ui.fit.stream import FitForm, FitView, estimated, measured
from qdash.ui.fit.view import headline_html, limits_of, measured_html, notes_html, table_html
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming, when_over
from qdash.ui.server.visitors import visitor_behind


def wire_fit_page(page: FitPage, tab: gr.Tab, shared: Shared) -> None:
    """Connect everything."""
    sidebar, backend, line = shared.sidebar, shared.backend, shared.line

    def changed(dark: Any, where: Any, *values: Any) -> tuple[Any, ...]:
        return drawn(estimated(form_of(values), backend), on_card=where == CARD, dark=bool(dark))

    def another_model(*values: Any) -> Any:
        return usual(form_of(values), backend)

    def measure(request: gr.Request, dark: Any, visitor: str, before: FitReport | None, *values: Any) -> Iterator[Updates]:
        form, who = form_of(values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: measured(form, backend, line.of(who), stop))
        yield from here.followed(started, request, dark, before)

    def seen(view: FitView, follower: Follower[FitReport]) -> Iterator[Updates]:
        yield shown(page, view)

    def over(report: FitReport | None) -> str:
        return phase_html("fit", running=False, results=report is not None)

    here = PageRuns(shared.runs, "fit", page.phase, page.banner, page.stop, seen)
    form = [sidebar.model, sidebar.schemes, sidebar.baseline_dtype, sidebar.device, page.context, page.conversations]
    inputs, known = [sidebar.theme, page.where, *form], [sidebar.theme, shared.arrival.visitor, page.report]
    events = [component.change for component in (*inputs, page.phase)]
    gr.on(
        [tab.select, *events], changed, inputs, page.estimated, js=dark_first(len(inputs)), trigger_mode="always_last", **QUICK
    )  # fmt: skip
    # Not with the estimate, which follows every change of the slider.
    gr.on([tab.select, sidebar.model.change], another_model, form, page.context, trigger_mode="always_last", **QUICK)
    how = streaming("fit", line)
    streams = (
        page.measure.click(measure, [*known, *form], page.outputs, js=dark_first(len(known) + len(form)), **how),
        shared.arrival.then(here.resumed, known, page.outputs, js=dark_first(len(known)), **how),
    )
    when_over(streams, over, page.report, page.phase)
    page.stop.click(here.stopped, shared.arrival.visitor, page.stop, **QUICK)


def form_of(values: Sequence[Any]) -> FitForm:
    """The values of the components; a slider that nobody has moved says nothing of the context."""
    form = FitForm(*values)
    moved = isinstance(form.context, dict) and form.context.get("chosen") is True
    return replace(form, context=form.context.get("tokens") if moved else None)


def usual(form: FitForm, backend: Backend) -> Any:
    """Where a slider stands that nobody has moved: at the context that the estimate is for."""
    report = estimated(form, backend) if form.context is None else None
    return stands_at(report.context) if isinstance(report, FitReport) else gr.skip()


def drawn(report: FitReport | QdashError, *, on_card: bool, dark: bool) -> tuple[Any, ...]:
    """What `FitPage.estimated` shows."""
    if isinstance(report, QdashError):
        return sentence_html(_("There is no estimate."), problem_words(report)), None, "", ""
    figure = fit_bars(report, limits_of(report, on_card=on_card), on_card=on_card, dark=dark)
    figure = saved_as(figure, "fit", _("Memory at this context"), report.model)
    return headline_html(report, on_card=on_card), figure, table_html(report, on_card=on_card), notes_html(report)


def shown(page: FitPage, view: FitView) -> Updates:
    """The component updates that show `view`."""
    updates: Updates = {page.banner: progress_line(view.status, view.error)}
    if view.status:
        return updates
    if view.report is not None:
        updates |= {page.report: view.report, page.measured: measured_html(view.report)}
    else:
        updates[page.measured] = ""
    return updates
