"""The sheet below two files' types that tells how closely their models agree along a text, and the measuring of it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from qdash.records import WeightReport
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.visitors import visitor_behind
from qdash.ui.weights.drift_stream import DriftView, drift_measured
from qdash.ui.weights.drift_view import drift_html
from qdash.ui.weights.page import WeightsPage

RUN = "drift"
"""What its runs are called."""


def wire_drift(page: WeightsPage, sidebar: Sidebar, arrival: Arrival, backend: Backend, line: Line, runs: Runs) -> None:
    """Connect Measure drift and Stop."""
    panel = page.drift

    def measure(
        request: gr.Request, dark: Any, visitor: str, before: WeightReport | None, report: WeightReport | None, text: Any, device: Any
    ) -> Iterator[Updates]:
        entrance = line.of(visitor_behind(request))
        started = here.start(request, visitor, lambda stop: drift_measured(report, text, device, backend, entrance, stop))
        yield from here.followed(started, request, dark, before)

    def seen(view: DriftView, _follower: Follower[WeightReport]) -> Iterator[Updates]:
        if view.report is not None:
            yield {panel.report: view.report, panel.banner: ""}
        else:
            yield {panel.banner: hint(view.status, role="status") if view.error is None else banner(view.error)}

    def over(report: WeightReport | None, drifted: WeightReport | None) -> Updates:
        return {panel.phase: phase_html(RUN, running=False, results=drifted is not None), panel.told: drift_html(report, drifted)}

    here = PageRuns(runs, RUN, panel.phase, panel.banner, panel.stop, seen)
    known, how = [sidebar.theme, arrival.visitor, panel.report], streaming(RUN, line)
    outputs = [panel.phase, panel.banner, panel.stop, panel.report]
    streams = (
        panel.measure.click(measure, [*known, page.report, panel.text, sidebar.device], outputs, js=dark_first(6), **how),
        arrival.then(here.resumed, known, outputs, js=dark_first(3), **how),
    )
    for stream in streams:
        stream.then(over, [page.report, panel.report], [panel.phase, panel.told], **QUICK)
    panel.stop.click(here.stopped, arrival.visitor, panel.stop, **QUICK)
