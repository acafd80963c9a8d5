"""The Compare tab: verdict, cards, charts, conditions, and the drawers below them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.records import Comparison
from qdash.ui.compare.earlier import earlier_html
from qdash.ui.compare.model_report import Inside, build_inside, choices, wire_inside
from qdash.ui.compare.stream import CompareView, run
from qdash.ui.components import text
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.exports import MakeFolder, write_exports
from qdash.ui.components.markup import banner, running_head
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.verdict_header import sentence_html, verdict_html
from qdash.ui.components.visibility import is_running, phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.form import Form, check_model, check_variants
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.results.cards import announcement, cards_html
from qdash.ui.results.compare_state import CompareState, ready_state
from qdash.ui.results.comparison import Results, build_charts, build_drawer_buttons, build_drawers, results_drawn, wire_charts
from qdash.ui.results.question import asked_just_now
from qdash.ui.server.autosave import keep
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind
from qdash.verdict import verdict

_draw = Macros(__name__)


@dataclass(frozen=True)
class ComparePage:
    """Its components. `comparison` is the tab's own result, a gr.State: never shared between two people."""

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
    comparison: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Everything a comparison may change on this page."""
        single = [getattr(self, name) for name in self.__dataclass_fields__ if name not in ("results", "look_inside", "inside")]
        return [*single, self.inside.variant, *self.results.outputs]


def build_compare_page(model: str, schemes: list[str]) -> ComparePage:
    """Create the components inside the current tab, showing what pressing Compare will do with `model` and `schemes`."""
    phase = html(phase_html("compare", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="banner")
    headline = html(empty_html(), elem_id="verdict")
    earlier, asked = html(elem_id="earlier"), html(elem_id="asked")
    spoken = html(spoken_html(CompareState(())), elem_id="spoken")
    cards = html(ready_cards(model, schemes), elem_id="cards")
    with gr.Column(elem_id="results"):
        charts = build_charts()
        with gr.Row(elem_classes=["below"]):
            conditions = html(elem_id="conditions")
            look_inside = gr.Button("Look inside the weights", elem_classes=["link"], min_width=0)
            build_drawer_buttons(("table", "inside", "export", "code"))
        drawers = build_drawers()
        with gr.Column(elem_id="drawer-inside", elem_classes=["drawer", "sheet"]):
            inside = build_inside()
    return ComparePage(
        phase=phase, banner=message, verdict=headline, earlier=earlier, asked=asked, spoken=spoken, cards=cards,
        results=Results(charts, conditions, drawers), look_inside=look_inside, inside=inside, comparison=gr.State(None),
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
        if view.over and view.state is not None and view.state.comparison is not None:
            yield exported(page, view, view.state.comparison, partial(sessions.folder, follower.session))

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
    sidebar.stop.click(here.stopped, arrival.visitor, sidebar.stop, **QUICK)
    sidebar.schemes.change(
        lambda model, schemes, phase, done: gr.update() if done or is_running(phase) else ready_cards(model, schemes),
        [sidebar.model, sidebar.schemes, page.phase, page.comparison],
        page.cards,
        **QUICK,
    )
    gr.on(
        [component.change for component in sidebar.form],  # type: ignore[attr-defined]
        lambda comparison, *values: earlier_html(comparison, Form(*values), backend),
        [page.comparison, *sidebar.form], page.earlier, trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    wire_charts(page.results.charts, sidebar, page.comparison, lambda comparison: comparison)
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
    updates |= {page.cards: cards_html(view.state), page.spoken: spoken_html(view.state)}
    comparison = view.state.comparison
    if not view.over:
        started = phase_html("compare", running=True, results=False)
        return updates | {page.phase: started, page.verdict: running_html(view), page.comparison: None, page.earlier: "", page.asked: ""}
    if comparison is None:
        return updates | {page.verdict: empty_html()}
    updates |= {page.verdict: verdict_html(verdict(comparison)), page.asked: asked_just_now(comparison, view.png)}
    # Nothing was loaded, so there is nothing to draw; the cards say what happened.
    return updates | (_results(page, comparison, dark) if any(result.memory for result in comparison.variants) else {})


def exported(page: ComparePage, view: CompareView, comparison: Comparison, folder: MakeFolder) -> Updates:
    """The download buttons, armed with files; the banner says so if these could not be written."""
    made = write_exports(comparison, folder, view.png)
    armed: Updates = {page.results.drawers.exports[suffix]: path for suffix, path in made.paths.items()}
    return armed | ({page.banner: banner(view.error) + banner(made.problem)} if made.problem else {})


def empty_html() -> Markup:
    """Headline before the first run."""
    return sentence_html(text.EMPTY_HEADLINE, text.EMPTY_WHY)


def ready_cards(model: Any, schemes: Any) -> Markup:
    """Cards that only say what will run; none for a choice that cannot (nothing chosen). The line above Compare says why."""
    try:
        return cards_html(ready_state(check_variants(check_model(model), schemes)))
    except QdashError:
        return cards_html(CompareState(()))


def running_html(view: CompareView) -> Markup:
    """Headline while something runs: what, and how far."""
    number = len(view.state.cards) if view.state else 0
    headline = f"Comparing {text.several(number, 'version', 'versions')} of one model."
    return running_head(headline, view.status, live=False)


def spoken_html(state: CompareState) -> Markup:
    """The state of every card, for screen readers: the cards themselves change too often to be read out."""
    return _draw.spoken(announcement(state))


def _results(page: ComparePage, comparison: Comparison, dark: bool) -> Updates:
    return {
        page.phase: phase_html("compare", running=True, results=True),
        **results_drawn(page.results, comparison, dark),
        page.inside.variant: choices(comparison),
        page.comparison: comparison,
    }
