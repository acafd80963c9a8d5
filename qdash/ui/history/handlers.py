"""Connects the History tab: every event becomes an action of its sender (see `actions`)."""

from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from qdash.records import Comparison, Evaluation
from qdash.ui.components.events import QUICK
from qdash.ui.components.exports import Export, comparison_export, evaluation_export
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.history.actions import Actions, Updates
from qdash.ui.history.open_run import OpenRun
from qdash.ui.history.page import HistoryPage
from qdash.ui.history.view import STEP
from qdash.ui.results.comparison import wire_charts
from qdash.ui.results.evaluation import wire_quality_results
from qdash.ui.results.export_buttons import SAVE, wire_exports
from qdash.ui.server.event_values import said_by
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import owner_of

_LEAVE = (
    "() => { const here = new URL(location.href); here.searchParams.delete('run'); history.replaceState(null, '', here); "
    "setTimeout(() => document.querySelector('#history-list .run-open')?.focus(), 200); }"
)


def wire_history_page(
    page: HistoryPage, tab: gr.Tab, sidebar: Sidebar, tabs: gr.Tabs, blocks: gr.Blocks, sessions: Sessions, finished: list[Dependency]
) -> None:
    """Connect the tab. `finished`: the events that end a run, after which the list has one more."""

    def actions(request: gr.Request, dark: Any, search: Any, rows: Any, run: OpenRun | None, deleted: list[str]) -> Actions:
        folder = partial(sessions.folder, str(request.session_hash))
        return Actions(page, owner_of(request), folder, bool(dark), str(search or "")[:200], int(rows or STEP), run, deleted or [])

    def listed(request: gr.Request, *state: Any) -> Updates:
        mine = actions(request, *state)
        return mine.safely(mine.listed)

    def refreshed(request: gr.Request, *state: Any) -> Updates:
        mine = actions(request, *state)
        return mine.safely(mine.refreshed)

    def searched(request: gr.Request, dark: Any, search: Any, _rows: Any, *state: Any) -> Updates:
        return listed(request, dark, search, STEP, *state)

    def acted(request: gr.Request, event: gr.EventData, *state: Any) -> Updates:
        mine = actions(request, *state)
        said = said_by(event)
        return mine.safely(lambda: mine.act(said.text("do") or "", said.texts("keys"), said))

    def back(request: gr.Request, *state: Any) -> Updates:
        # Emptied, so that the same run opening again is something new.
        return {**listed(request, *state), page.run: None, page.opened.head: "", page.difference: ""}

    def deleted(request: gr.Request, *state: Any) -> Updates:
        mine = actions(request, *state)
        opened = mine.run
        return mine.safely(lambda: mine.delete([opened.key]) if opened is not None and opened.own else mine.listed())

    def linked(request: gr.Request, *state: Any) -> Updates:
        key = str(dict(request.query_params).get("run", ""))
        if not key:
            return {page.banner: gr.skip()}
        mine = actions(request, *state)
        return {**mine.safely(lambda: mine.opened(key[:64])), tabs: gr.update(selected="history")}

    def compared(opened: OpenRun | None) -> Comparison | None:
        run = opened.read() if opened is not None else None
        return run.record if run is not None and isinstance(run.record, Comparison) else None

    def evaluated(opened: OpenRun | None) -> Evaluation | None:
        run = opened.read() if opened is not None else None
        return run.record if run is not None and isinstance(run.record, Evaluation) else None

    state = [sidebar.theme, page.search, page.rows, page.run, page.deleted]
    known: dict[str, Any] = {**QUICK, "js": dark_first(len(state))}
    for actor in (page.runs, page.tools, page.banner, page.opened.share):
        actor.select(acted, state, page.outputs, trigger_mode="multiple", **known)
    page.file.change(None, page.file, js=SAVE, api_visibility="private")
    for event in (tab.select, *(end.then for end in finished)):
        event(refreshed, state, [*page.refreshed, page.banner], **known)
    page.search.change(searched, state, page.listed, trigger_mode="always_last", **known)
    page.back.click(back, state, page.outputs, **known).then(None, js=_LEAVE, api_visibility="private")
    page.delete.click(deleted, state, page.outputs, **known)
    blocks.load(linked, state, [*page.outputs, tabs], **known)
    wire_charts(page.opened.results.charts, sidebar, page.run, compared)
    wire_quality_results(page.opened.quality, sidebar, page.run, evaluated)
    for made in (page.opened.results.drawers.exports, page.opened.quality.exports):
        wire_exports(made, [page.run], _export, sessions)


def _export(opened: OpenRun | None) -> Export | None:
    run = opened.read() if opened is not None else None
    if run is None:
        return None
    return comparison_export(run.record, run.picture) if isinstance(run.record, Comparison) else evaluation_export(run.record)
