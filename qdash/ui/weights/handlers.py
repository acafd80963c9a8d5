"""The handlers of the Weights tab: measuring all weights, picking a layer or a weight, changing the theme."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from qdash.charts import sqnr_against_bits
from qdash.charts.style import saved_as
from qdash.markup import parts
from qdash.present.formatting import percent
from qdash.present.language import N_, _
from qdash.present.weight_error import owner
from qdash.records import LayerDetail, SensitivityReport, WeightReport
from qdash.ui.components.events import QUICK
from qdash.ui.components.exports import Export, weights_export
from qdash.ui.components.markup import banner, running_head
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import is_partial, phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.results.export_buttons import wire_exports
from qdash.ui.server.backend import Backend
from qdash.ui.server.event_values import said_by
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind
from qdash.ui.weights.damage import RUN as DAMAGE_RUN
from qdash.ui.weights.damage import maps_drawn, wire_damage
from qdash.ui.weights.drift import RUN as DRIFT_RUN
from qdash.ui.weights.drift import wire_drift
from qdash.ui.weights.drift_view import drift_html, with_drift
from qdash.ui.weights.layer import layer_drawn
from qdash.ui.weights.page import WeightsPage, empty_html
from qdash.ui.weights.selection import ALL_LAYERS, ERROR, Choice, first_choice, with_cell, with_scale, with_scheme, with_weight
from qdash.ui.weights.stream import WeightsView, known_layers, looked, looked_at_files, stream_detail
from qdash.ui.weights.view import (
    headline_html,
    partial_map_html,
    partial_ranking_html,
    ranking_html,
    scheme_choices,
    scope_html,
    table_html,
    types_html,
)

_STOPPED = {False: N_("Stopped at {share}."), True: N_("Stopped at {share}. Worst so far: {layer}.")}
"""By whether a layer is known."""
_LOOKING = {
    (False, False): N_("Looking inside"),
    (False, True): N_("Looking inside. Worst so far: {layer}."),
    (True, False): N_("Looking inside {share}"),
    (True, True): N_("Looking inside {share}. Worst so far: {layer}."),
}
"""By whether the share that is done, and a layer, are known."""


def wire_weights_page(
    page: WeightsPage, sidebar: Sidebar, offer: gr.Button, tabs: gr.Tabs, arrival: Arrival, backend: Backend, line: Line, runs: Runs,
    sessions: Sessions,
) -> None:  # fmt: skip
    """Connect the button here, the offer below a comparison's charts, the picks and the theme."""

    def put_off(request: gr.Request, visitor: str) -> None:
        """Stop what is still measured of the weights that were looked at before."""
        sessions.stop(str(request.session_hash), "layer")
        for run in (DAMAGE_RUN, DRIFT_RUN):
            runs.stop(run, visitor, str(request.session_hash))

    def look(
        request: gr.Request, dark: Any, visitor: str, before: WeightReport | None, model: Any, schemes: Any, device: Any
    ) -> Iterator[Updates]:
        put_off(request, visitor)
        entrance = line.of(visitor_behind(request))
        started = here.start(request, visitor, lambda stop: looked(model, schemes, device, backend, entrance, stop))
        yield {tabs: gr.update(selected="weights")}
        yield from here.followed(started, request, dark, before)

    def look_at_files(
        request: gr.Request, dark: Any, visitor: str, before: WeightReport | None, model: Any, other: Any
    ) -> Iterator[Updates]:
        put_off(request, visitor)
        entrance = line.of(visitor_behind(request))
        yield from here.followed(
            here.start(request, visitor, lambda stop: looked_at_files(model, other, backend, entrance, stop)), request, dark, before
        )

    def seen(view: WeightsView, follower: Follower[WeightReport]) -> Iterator[Updates]:
        yield shown(page, view, follower.dark, follower.before)

    def near(
        request: gr.Request, dark: Any, report: WeightReport | None, choice: Choice, damage: SensitivityReport | None
    ) -> Iterator[Updates]:
        """The layer of `choice`: what the report has at once, then what the checkpoint has."""
        if report is None:
            yield {page.choice: choice}  # a stream that yields nothing would empty every component it may change
            return

        def detailed(stop: Event) -> Iterator[Updates]:
            status = "" if choice.layer == ALL_LAYERS or report.stored is not None else _("Reading this layer.")
            yield {**drawn(page, dark, report, choice, damage, status), page.choice: choice, page.banner: ""}
            for view in stream_detail(report, choice, backend, line.of(visitor_behind(request)), stop):
                if view.error is not None:
                    yield {page.banner: banner(view.error)}
                elif not stop.is_set():
                    yield {**layer_updates(page, dark, report, choice, view.detail, view.status), page.detail: view.detail}

        yield from sessions.stream(str(request.session_hash), "layer", detailed)

    def picked_cell(
        request: gr.Request, event: gr.EventData, dark: Any, report: Any, choice: Choice, damage: SensitivityReport | None
    ) -> Iterator[Updates]:
        said = said_by(event)
        if report is not None:
            scale, scheme, at = said.text("scale"), said.text("scheme"), said.number("at")
            choice = with_cell(report, choice, scheme, at) if scale is None else with_scale(choice, scale == "own")
        yield from near(request, dark, report, choice, damage)

    def picked_weight(
        request: gr.Request, event: gr.EventData, dark: Any, report: Any, choice: Choice, damage: SensitivityReport | None
    ) -> Iterator[Updates]:
        said = said_by(event)
        yield from near(request, dark, report, with_weight(choice, said.number("row"), said.number("column")), damage)

    def picked_scheme(
        request: gr.Request, dark: Any, report: Any, choice: Choice, damage: SensitivityReport | None, key: Any
    ) -> Iterator[Updates]:
        yield from near(request, dark, report, with_scheme(choice, key), damage)

    def redrawn(dark: Any, report: WeightReport | None, choice: Choice, detail: LayerDetail | None) -> Updates:
        if report is None:
            return {page.sqnr: gr.skip()}
        return {**layer_updates(page, dark, report, choice, detail), page.sqnr: _sqnr(report, dark=bool(dark))}

    def over(report: WeightReport | None, phase: str) -> str:
        return phase_html("weights", running=False, results=report is not None, partial=report is None and is_partial(phase))

    here = PageRuns(runs, "weights", page.phase, page.banner, page.stop, seen)
    known = [sidebar.theme, arrival.visitor, page.report]
    inputs, files = [*known, sidebar.model, sidebar.schemes, sidebar.device], [*known, sidebar.model, page.other]
    outputs, how, near_how = [*page.outputs, tabs], streaming("weights", line), streaming("layer", line)
    streams = (
        gr.on([page.look.click, offer.click], look, inputs, outputs, js=dark_first(len(inputs)), **how),
        gr.on([page.compare_files.click, page.other.submit], look_at_files, files, outputs, js=dark_first(len(files)), **how),
        arrival.then(here.resumed, known, outputs, js=dark_first(len(known)), **how),
    )
    state, drifts = [sidebar.theme, page.report, page.choice, page.damage.report], [page.report, page.drift.report]
    for stream in streams:
        stream.then(over, [page.report, page.phase], page.phase, **QUICK).then(near, state, page.chosen, js=dark_first(4), **near_how)
        stream.then(drift_html, drifts, page.drift.told, **QUICK)
    for event, picked, inputs in (
        (page.heat.select, picked_cell, state),
        (page.ranking.select, picked_cell, state),
        (page.layer.patch.select, picked_weight, state),
        (page.scheme.input, picked_scheme, [*state, page.scheme]),
    ):
        event(picked, inputs, page.chosen, js=dark_first(len(inputs)), trigger_mode="multiple", **near_how)
    page.stop.click(here.stopped, arrival.visitor, page.stop, **QUICK)
    sidebar.theme.change(redrawn, [*state[:3], page.detail], [*page.layer.all, page.sqnr], js=dark_first(4), **QUICK)
    wire_damage(page, sidebar.theme, arrival, backend, line, runs)
    wire_drift(page, sidebar, arrival, backend, line, runs)
    wire_exports(page.exports, drifts, _export, sessions)


def shown(page: WeightsPage, view: WeightsView, dark: bool, before: WeightReport | None = None) -> Updates:
    """The component updates that show `view`. Until a layer is known, what an earlier look left on the page stays: the report `before`."""
    if view.error is not None and not view.layers:
        return {page.banner: banner(view.error), page.verdict: empty_html() if before is None else headline_html(before)}
    if view.report is not None:
        return _reported(page, view.report, dark)
    if not view.layers:
        return {page.verdict: running_html(view)}
    key, known = known_layers(view.layers)
    return {
        page.verdict: running_html(view),
        page.phase: phase_html("weights", running=True, results=False, partial=True),
        page.report: None,
        page.detail: None,
        page.heat: partial_map_html(key, known),
        page.damage.told: "",
        page.drift.told: "",
        page.ranking: partial_ranking_html(key, known),
    }


def _sqnr(report: WeightReport, *, dark: bool) -> go.Figure | None:
    # The limit that is drawn there is one for rounding; two versions of a model may be nearer to each other.
    figure = sqnr_against_bits(report, dark=dark) if report.stored is None else None
    return None if figure is None else saved_as(figure, "sqnr", _("Error by bits"), report.model)


def _reported(page: WeightsPage, report: WeightReport, dark: bool) -> Updates:
    choice = first_choice(report)
    return {
        page.verdict: headline_html(report),
        page.phase: phase_html("weights", running=True, results=True),
        page.scheme: gr.update(choices=scheme_choices(report), value=choice.scheme),
        page.scope: scope_html(report),
        page.types: types_html(report),
        page.drift.told: drift_html(report, None),
        page.table: table_html(report),
        page.sqnr: _sqnr(report, dark=dark),
        page.report: report,
        page.choice: choice,
        page.damage.quantity: ERROR,
        page.exports.problem: "",
        **drawn(page, dark, report, choice, None),
    }


def drawn(
    page: WeightsPage, dark: Any, report: WeightReport, choice: Choice, damage: SensitivityReport | None, status: str = ""
) -> Updates:
    """All that a choice changes, until the detail comes."""
    return {
        **maps_drawn(page, report, choice, damage),
        page.ranking: ranking_html(report, choice),
        **layer_updates(page, dark, report, choice, None, status),
    }


def layer_updates(
    page: WeightsPage, dark: Any, report: WeightReport, choice: Choice, detail: LayerDetail | None, status: str = ""
) -> Updates:
    """What the sheets of the layer show."""
    return dict(zip(page.layer.all, layer_drawn(dark, report, choice, detail, status), strict=True))


def _export(report: WeightReport | None, drifted: WeightReport | None) -> Export | None:
    return None if report is None else weights_export(with_drift(report, drifted))


def running_html(view: WeightsView) -> Markup:
    """Headline while the weights are read, or when that was stopped: how far, and the worst layer so far."""
    known = known_layers(view.layers)[1]
    worst = min((layer for layer in known if layer.sqnr_db is not None), key=lambda layer: layer.sqnr_db or 0.0, default=None)
    found = {"layer": parts.emphasized(owner(worst))} if worst else {}
    if view.error is not None:
        headline = _(_STOPPED[bool(worst)], share=percent(view.fraction or 0.0), **found)
        return sentence_html(headline, _("The layers read so far are below; they are not saved."))
    far = {"share": percent(view.fraction)} if view.fraction is not None else {}
    return running_head(_(_LOOKING[bool(far), bool(worst)], **far, **found), view.status)
