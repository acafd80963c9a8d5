"""The Compare tab: verdict, cards, charts, conditions, and the drawers below them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.history.pictures import small_picture
from qdash.markup import Macros
from qdash.present.language import _, ngettext
from qdash.records import Comparison
from qdash.settings import settings
from qdash.ui.compare.earlier import earlier_html
from qdash.ui.compare.model_report import Inside, build_inside, choices, wire_inside
from qdash.ui.compare.saving import Saving, build_saving, wire_saving
from qdash.ui.compare.stream import CompareView, run
from qdash.ui.components import text
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.exports import Export, comparison_export
from qdash.ui.components.markup import banner, running_head
from qdash.ui.components.static import script
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.verdict_header import sentence_html, verdict_html
from qdash.ui.components.visibility import is_running, phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.form import Form, check_model, check_variants
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.results.cards import announcement, cards_html
from qdash.ui.results.compare_state import CompareState, ready_state
from qdash.ui.results.comparison import Results, build_charts, build_drawer_buttons, build_drawers, results_drawn, wire_charts
from qdash.ui.results.export_buttons import wire_exports
from qdash.ui.results.question import asked_html
from qdash.ui.server.autosave import keep
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind
from qdash.verdict import verdict

_draw = Macros(__name__)


_PARTS = ("results", "look_inside", "inside", "saving")
"""Fields of a page that are no single output."""


@dataclass(frozen=True)
class ComparePage:
    """Its components. States, the tab's own: `comparison` is the result, `picture` what it was about, a small WebP."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    earlier: gr.HTML
    asked: gr.HTML
    spoken: gr.HTML
    cards: gr.HTML
    results: Results
    look_inside: gr.Button
    inside: Inside
    saving: Saving | None
    """None on public pages."""
    comparison: gr.State
    picture: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Everything a comparison may change on this page."""
        single = [getattr(self, name) for name in self.__dataclass_fields__ if name not in _PARTS]
        saving = [self.saving.variant] if self.saving is not None else []
        return [*single, self.inside.variant, *saving, *self.results.outputs]


def build_compare_page(model: str, schemes: list[str]) -> ComparePage:
    """Create the components inside the current tab, showing what pressing Compare will do with `model` and `schemes`."""
    phase = html(phase_html("compare", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="banner")
    headline = html(empty_html(), elem_id="verdict")
    earlier, asked = html(elem_id="earlier"), html(elem_id="asked")
    spoken = html(spoken_html(CompareState(())), elem_id="spoken")
    saves = not settings().public
    cards = gr.HTML(ready_cards(model, schemes), js_on_load=script("cards_save"), elem_id="cards", apply_default_css=False)
    with gr.Column(elem_id="results"):
        charts = build_charts()
        with gr.Row(elem_classes=["below"]):
            conditions = html(elem_id="conditions")
            look_inside = gr.Button(_("Look inside the weights"), elem_classes=["link"], min_width=0)
            build_drawer_buttons(("table", "inside", "export", "code", *(("save",) if saves else ())))
        drawers = build_drawers()
        with gr.Column(elem_id="drawer-inside", elem_classes=["drawer", "sheet"]):
            inside = build_inside()
        saving = None
        if saves:
            with gr.Column(elem_id="drawer-save", elem_classes=["drawer", "sheet"]):
                saving = build_saving()
    return ComparePage(
        phase=phase, banner=message, verdict=headline, earlier=earlier, asked=asked, spoken=spoken, cards=cards,
        results=Results(charts, conditions, drawers), look_inside=look_inside, inside=inside, saving=saving, comparison=gr.State(None),
        picture=gr.State(None),
    )  # fmt: skip


def wire_compare_page(
    page: ComparePage, sidebar: Sidebar, tabs: gr.Tabs, arrival: Arrival, backend: Backend, line: Line, runs: Runs, sessions: Sessions
) -> list[Dependency]:
    """Connect Compare, Stop and the theme; returns the event that ends a comparison."""

    def compare(request: gr.Request, dark: Any, visitor: str, before: Comparison | None, *values: Any) -> Iterator[Updates]:
        form, who = Form(*values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: kept(run(form, backend, line.of(who), stop), who.owner))
        yield {tabs: gr.update(selected="compare")}
        yield from here.followed(started, request, dark, before)

    def drawn(view: CompareView, follower: Follower[Comparison]) -> Iterator[Updates]:
        yield shown(page, view, follower.dark)

    def over(comparison: Comparison | None) -> tuple[str, gr.Timer]:
        return phase_html("compare", running=False, results=comparison is not None), gr.Timer(active=True)

    # The check for a busy machine would itself keep it busy.
    quiet: Updates = {sidebar.busy: "", sidebar.busy_timer: gr.update(active=False)}
    here = PageRuns(runs, "compare", page.phase, page.banner, sidebar.stop, drawn, quiet)
    known = [sidebar.theme, arrival.visitor, page.comparison]
    outputs = [*page.outputs, sidebar.stop, tabs, sidebar.busy, sidebar.busy_timer]
    inputs, how = [*known, *sidebar.form], streaming("compare", line)
    streams = (
        sidebar.compare.click(compare, inputs, outputs, js=dark_first(len(inputs)), **how),
        arrival.then(here.resumed, known, outputs, js=dark_first(len(known)), **how),
    )
    # Only now: Gradio ignores a click on Compare while it believes that the last one is still at work.
    finished = [stream.then(over, page.comparison, [page.phase, sidebar.busy_timer], **QUICK) for stream in streams]
    wire_inside(page.inside, page.comparison, backend, line, sessions)
    if page.saving is not None:
        wire_saving(page.saving, page.inside, page.cards, page.comparison, backend, line, sessions)
    sidebar.stop.click(here.stopped, arrival.visitor, sidebar.stop, **QUICK)
    sidebar.schemes.change(
        lambda model, schemes, phase, done: gr.update() if done or is_running(phase) else ready_cards(model, schemes),
        [sidebar.model, sidebar.schemes, page.phase, page.comparison],
        page.cards,
        **QUICK,
    )
    gr.on(
        [component.change for component in sidebar.form],  # type: ignore[attr-defined] - Gradio makes events at run time
        lambda comparison, *values: earlier_html(comparison, Form(*values), backend),
        [page.comparison, *sidebar.form], page.earlier, trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    wire_charts(page.results.charts, sidebar, page.comparison, lambda comparison: comparison)
    wire_exports(page.results.drawers.exports, [page.comparison, page.picture], _export, sessions)
    return finished


def kept(views: Iterator[CompareView], owner: str) -> Iterator[CompareView]:
    """The same views; the last comparison is saved in the history, or the last view says why not."""
    for view in views:
        if view.over and view.state is not None and view.state.comparison is not None:
            problem = keep(view.state.comparison, owner, view.png)
            view = replace(view, error=problem or view.error)
        yield view


def shown(page: ComparePage, view: CompareView, dark: bool) -> Updates:
    """The component updates that show `view`. Until there is a state, what an earlier comparison left on the page stays."""
    updates: Updates = {page.banner: banner(view.error)}
    if view.state is None:
        return updates
    updates |= {page.cards: cards_html(view.state, saves=page.saving is not None), page.spoken: spoken_html(view.state)}
    comparison = view.state.comparison
    if not view.over:
        started = phase_html("compare", running=True, results=False)
        gone: Updates = {page.comparison: None, page.picture: None, page.earlier: "", page.asked: ""}
        return updates | gone | {page.phase: started, page.verdict: running_html(view)}
    if comparison is None:
        return updates | {page.verdict: empty_html()}
    picture = small_picture(view.png) if view.png else None
    updates |= {page.verdict: verdict_html(verdict(comparison)), page.asked: asked_html(comparison, picture)}
    if not any(result.memory for result in comparison.variants):
        return updates  # nothing was loaded, so there is nothing to draw; the cards say what happened
    return updates | _results(page, comparison, dark) | {page.picture: picture}


def empty_html() -> Markup:
    """Headline before the first run."""
    return sentence_html(_(text.EMPTY_HEADLINE), _(text.EMPTY_WHY))


def ready_cards(model: Any, schemes: Any) -> Markup:
    """Cards that only say what will run; none for a choice that cannot (nothing chosen). The line above Compare says why."""
    try:
        return cards_html(ready_state(check_variants(check_model(model), schemes)))
    except QdashError:
        return cards_html(CompareState(()))


def running_html(view: CompareView) -> Markup:
    """Headline while something runs: what, and how far."""
    number = len(view.state.cards) if view.state else 0
    headline = ngettext("Comparing {number} version of one model.", "Comparing {number} versions of one model.", number)
    return running_head(headline, view.status, live=False)


def spoken_html(state: CompareState) -> Markup:
    """The state of every card, for screen readers: the cards themselves change too often to be read out."""
    return _draw.spoken(announcement(state))


def _export(comparison: Comparison | None, picture: bytes | None) -> Export | None:
    return None if comparison is None else comparison_export(comparison, picture)


def _results(page: ComparePage, comparison: Comparison, dark: bool) -> Updates:
    return {
        page.phase: phase_html("compare", running=True, results=True),
        **results_drawn(page.results, comparison, dark),
        page.inside.variant: choices(comparison),
        **({page.saving.variant: choices(comparison)} if page.saving is not None else {}),
        page.comparison: comparison,
    }
