"""The handlers of the Heal tab: what training would take and what was trained before, training, the healed scheme at the side, Stop."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from qdash.catalog.schemes import find_scheme
from qdash.charts.healing import healing_curve
from qdash.charts.style import saved_as
from qdash.errors import QdashError
from qdash.offer import no_training
from qdash.present.language import N_, _
from qdash.records import HealReport
from qdash.runs.heal import HealPlan
from qdash.settings import settings
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint, progress_line
from qdash.ui.components.theme_switch import dark_first
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.filling import schemes_added
from qdash.ui.controls.page import Shared
from qdash.ui.controls.scheme_picker import unsuited_for
from qdash.ui.heal.check_panel import wire_check_panel
from qdash.ui.heal.form import HealForm, sources_for
from qdash.ui.heal.page import TITLE, HealPage, file_classes, source_choices
from qdash.ui.heal.stream import HealView, Training, kept_version, planned, trained
from qdash.ui.heal.view import (
    check_html,
    empty_html,
    kept_facts,
    kept_html,
    plan_html,
    points_html,
    refused_html,
    training_html,
    unkept_html,
)
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming, when_over
from qdash.ui.server.visitors import visitor_behind

ADDED = N_("The healed version was added, and its unhealed one: {fields}.")


def wire_heal_page(page: HealPage, tab: gr.Tab, shared: Shared) -> None:
    """Connect everything."""
    sidebar, backend, line = shared.sidebar, shared.backend, shared.line

    def heal(request: gr.Request, dark: Any, visitor: str, before: Training | None, *values: Any) -> Iterator[Updates]:
        form, who = HealForm(*values), visitor_behind(request)
        started = here.start(request, visitor, lambda stop: trained(form, backend, line.of(who), stop))
        yield from here.followed(started, request, dark, before)

    def resumed(request: gr.Request, dark: Any, visitor: str, before: Training | None) -> Iterator[Updates]:
        yield from with_form(page, here.resumed(request, dark, visitor, before))

    def looked(
        request: gr.Request, dark: Any, visitor: str, last: Training | None, model: Any, scheme: Any, device: Any, minutes: Any
    ) -> list[Any]:
        if settings().public:
            return ["", refused_html(no_training()), None, "", ""]
        plan = planned(model, scheme, device, backend)
        shown = [gr.skip()] * len(page.shown) if here.at_work(request, visitor) else drawn(plan, last, model, scheme, dark=bool(dark))
        return [plan_html(plan, minutes), *shown]

    def use(model: Any, scheme: Any, device: Any, schemes: Any) -> list[Any]:
        return used(planned(model, scheme, device, backend), model, schemes)

    def seen(view: HealView, follower: Follower[Training]) -> Iterator[Updates]:
        yield shown(page, view, dark=follower.dark)

    def over(model: Any, last: Training | None) -> tuple[str, Any]:
        return phase_html("heal", running=False, results=False), gr.skip() if last is None else gr.update(unsuited=unsuited_for(model))

    here = PageRuns(shared.runs, "heal", page.phase, page.banner, page.stop, seen)
    values = {"model": sidebar.model, "device": sidebar.device}
    values |= {"scheme": page.scheme, "source": page.source, "file": page.file, "minutes": page.minutes}
    form = [values[name] for name in HealForm.names()]
    known = [sidebar.theme, shared.arrival.visitor, page.training]
    how = streaming("heal", line)
    streams = (
        page.heal.click(heal, [*known, *form], page.outputs, js=dark_first(len(known) + len(form)), **how),
        shared.arrival.then(resumed, known, page.outputs, js=dark_first(len(known)), **how),
    )
    when_over(streams, over, [sidebar.model, page.training], [page.phase, sidebar.schemes])
    page.stop.click(here.stopped, shared.arrival.visitor, page.stop, **QUICK)
    asked = [sidebar.model, page.scheme, sidebar.device, page.minutes]
    gr.on(
        [tab.select, *(component.change for component in (sidebar.theme, *asked, page.phase, page.check.phase))], looked, [*known, *asked],
        [page.plan, *page.shown], js=dark_first(len(known) + len(asked)), trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    sidebar.model.change(another_model, [sidebar.model, page.source], page.source, trigger_mode="always_last", **QUICK)
    page.source.change(lambda source: gr.update(elem_classes=file_classes(source)), page.source, page.file, **QUICK)
    wire_check_panel(page.check, page.scheme, shared)
    page.use.click(
        use, [sidebar.model, page.scheme, sidebar.device, sidebar.schemes], [sidebar.schemes, *sidebar.filled.outputs, page.banner], **QUICK
    )  # fmt: skip


def another_model(model: Any, source: Any) -> Any:
    """What another model can learn from; the choice stays where it can."""
    keys = sources_for(model)
    return gr.update(choices=source_choices(keys), value=source if source in keys else keys[0])


def drawn(plan: HealPlan | QdashError, last: Training | None, model: Any, scheme: Any, *, dark: bool) -> list[Any]:
    """`HealPage.shown` of the version that is kept, else of the last training of which nothing was; else there is nothing to show."""
    kept = plan.kept if isinstance(plan, HealPlan) else None
    if kept is not None:
        return [kept_html(kept), _kept_curve(kept, dark), points_html(kept.points, [*kept_facts(kept)]), check_html(kept.check)]
    if last is not None and last.points and (last.model, last.scheme) == (str(model).strip(), scheme):
        return [unkept_html(last), _curve(last, dark), points_html(last.points), ""]
    return [empty_html(), None, "", ""]


def with_form(page: HealPage, all_updates: Iterator[Updates]) -> Iterator[Updates]:
    """The updates of a page that was reloaded: with the first that tell of a training, what is trained comes back, and for how long."""
    told_of = False
    for updates in all_updates:
        training = updates.get(page.training)
        if training is not None and not told_of:
            told_of = True
            updates = {**updates, page.scheme: training.scheme, page.source: training.source, page.minutes: training.minutes}
        yield updates


def shown(page: HealPage, view: HealView, *, dark: bool) -> Updates:
    """The component updates that show `view`; once it is over, the curve is drawn from what is kept."""
    updates: Updates = {page.banner: progress_line(view.status, view.error)}
    training = view.training
    if training is None:
        return updates
    updates[page.training] = training
    if training.points and view.status:
        updates |= {
            page.verdict: training_html(training),
            page.curve: _curve(training, dark),
            page.points: points_html(training.points),
        }
    if view.report is not None:
        updates[page.banner] = hint(_("The healed version is kept; it is one of the schemes now."), role="status")
    return updates


def used(plan: HealPlan | QdashError, model: Any, schemes: Any) -> list[Any]:
    """After Use it: the schemes with the healed version and its unhealed one, what is filled in, and the banner."""
    try:
        kept = kept_version(plan)
    except QdashError as error:
        return [*[gr.skip()] * 3, banner(error)]
    after, filled = schemes_added(schemes, [kept.unhealed, kept.scheme], ADDED)
    said = hint(_("The healed version is among the schemes at the side: Compare, Weights and Quality take it now."), role="status")
    update = gr.update(value=after, unsuited=unsuited_for(model))
    return [update, *filled, said]


def _curve(training: Training, dark: bool) -> Any:
    bits = find_scheme(training.scheme).bits
    figure = healing_curve(training.points, bits=bits, minutes=training.minutes, live=training.live, dark=dark)
    return saved_as(figure, "heal", _(TITLE), training.model)


def _kept_curve(report: HealReport, dark: bool) -> Any:
    figure = healing_curve(report.points, bits=find_scheme(report.scheme).bits, minutes=report.minutes, dark=dark)
    return saved_as(figure, "heal", _(TITLE), report.model)
