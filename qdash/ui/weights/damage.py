"""The switch above the map, between the error of the weights and the damage to the answer, and the measuring of the latter."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from qdash.records import SensitivityReport, WeightReport
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.arrival import Arrival
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.visitors import visitor_behind
from qdash.ui.weights.damage_stream import DamageView, damage_measured
from qdash.ui.weights.damage_view import shown_map_html, told_html
from qdash.ui.weights.page import WeightsPage
from qdash.ui.weights.selection import Choice, with_quantity

RUN = "damage"
"""What its runs are called."""


def wire_damage(page: WeightsPage, theme: gr.HTML, arrival: Arrival, backend: Backend, line: Line, runs: Runs) -> None:
    """Connect the switch, Measure damage and Stop."""
    panel = page.damage

    def measure(
        request: gr.Request, dark: Any, visitor: str, before: SensitivityReport | None, report: WeightReport | None
    ) -> Iterator[Updates]:
        entrance = line.of(visitor_behind(request))
        started = here.start(request, visitor, lambda stop: damage_measured(report, backend, entrance, stop))
        yield from here.followed(started, request, dark, before)

    def seen(view: DamageView, _follower: Follower[SensitivityReport]) -> Iterator[Updates]:
        yield shown(page, view)

    def over(report: WeightReport | None, choice: Choice, damage: SensitivityReport | None) -> Updates:
        """Only now: picks that were made meanwhile stand in `choice`."""
        idle = {panel.phase: phase_html(RUN, running=False, results=damage is not None)}
        return idle if report is None else {**idle, **maps_drawn(page, report, choice, damage)}

    def switched(report: WeightReport | None, choice: Choice, damage: SensitivityReport | None, key: Any) -> Updates:
        picked = with_quantity(choice, key)
        return {page.choice: picked, **({} if report is None else maps_drawn(page, report, picked, damage))}

    here = PageRuns(runs, RUN, panel.phase, panel.banner, panel.stop, seen)
    known, how = [theme, arrival.visitor, panel.report], streaming(RUN, line)
    outputs, state = [panel.phase, panel.banner, panel.stop, panel.report], [page.report, page.choice, panel.report]
    streams = (
        panel.measure.click(measure, [*known, page.report], outputs, js=dark_first(4), **how),
        arrival.then(here.resumed, known, outputs, js=dark_first(3), **how),
    )
    for stream in streams:
        stream.then(over, state, [page.heat, panel.told, panel.phase], **QUICK)
    panel.quantity.input(switched, [*state, panel.quantity], [page.choice, page.heat, panel.told], **QUICK)
    panel.stop.click(here.stopped, arrival.visitor, panel.stop, **QUICK)


def maps_drawn(page: WeightsPage, report: WeightReport, choice: Choice, damage: SensitivityReport | None) -> Updates:
    """The map of what is chosen, and what is said below it."""
    return {page.heat: shown_map_html(report, choice, damage), page.damage.told: told_html(report, choice, damage)}


def shown(page: WeightsPage, view: DamageView) -> Updates:
    """The component updates that show `view`."""
    panel = page.damage
    if view.report is not None:
        return {panel.report: view.report, panel.banner: ""}
    return {panel.banner: hint(view.status, role="status") if view.error is None else banner(view.error)}
