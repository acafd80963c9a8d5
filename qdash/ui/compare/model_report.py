"""The drawer Inside: pick a variant of the comparison, and see what it is made of and what its numbers mean.

The variant is inspected in the worker that answered, where it is still warm; its files are really written, so it takes seconds.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.markup import Macros
from qdash.present.formatting import percent
from qdash.present.language import _, recorded
from qdash.records import Comparison, InspectorReport, Step
from qdash.settings import settings
from qdash.ui.compare.model_report_view import inside_html
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint
from qdash.ui.server.backend import Backend
from qdash.ui.server.page_runs import streaming
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, Line, waiting
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.visitors import visitor_behind

_draw = Macros(__name__)


@dataclass(frozen=True)
class Inside:
    """Its components."""

    variant: gr.Dropdown
    look: gr.Button
    stop: gr.Button
    save: gr.Button
    shown: gr.HTML


def build_inside() -> Inside:
    """Create the components inside the current drawer."""
    with gr.Row(elem_id="inside-bar"):
        variant = gr.Dropdown([], label=_("Version"), show_label=False, elem_id="inside-variant", min_width=0)
        look = gr.Button(_("Look inside"), elem_id="inside-look", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="inside-stop", min_width=0)
        save = gr.Button(_("Save this version"), elem_id="inside-save", elem_classes=["link"], min_width=0, visible=not settings().public)
    about = _("Counts, types, files and sizes of one version, and what they mean.")
    return Inside(variant, look, stop, save, html(hint(about), elem_id="inside"))


def choices(comparison: Comparison) -> dict[str, Any]:
    """What the drawer offers after `comparison`: the variants that ran, the first quantized one chosen."""
    ran = [(recorded(result.label), index) for index, result in enumerate(comparison.variants) if result.status == "ok"]
    return gr.update(choices=ran, value=ran[min(1, len(ran) - 1)][1] if ran else None)


def wire_inside(inside: Inside, comparison: gr.State, backend: Backend, line: Line, sessions: Sessions) -> None:
    """Connect the buttons; what runs is stopped by its own Stop and by closing the tab."""

    def look(request: gr.Request, comparison: Comparison | None, index: Any) -> Iterator[str]:
        entrance = line.of(visitor_behind(request))
        yield from sessions.stream(str(request.session_hash), "inside", lambda stop: looked(comparison, index, backend, entrance, stop))

    def stopped(request: gr.Request) -> None:
        sessions.stop(str(request.session_hash), "inside")

    inside.look.click(look, [comparison, inside.variant], inside.shown, **streaming("inside", line))
    inside.stop.click(stopped, **QUICK)


def looked(comparison: Comparison | None, index: Any, backend: Backend, line: Entrance, stop: Event) -> Iterator[str]:
    """The drawer's markup while a variant is inspected, and at the end. Never raises."""
    try:
        if comparison is None or not isinstance(index, int) or not 0 <= index < len(comparison.variants):
            raise QdashError("There is nothing to inspect yet.", "Press Compare first.")
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield _working(Step(detail=waiting(place)))
            yield from _inspected(backend.report_model(comparison, index, stop))
    except QdashError as error:
        yield banner(by_button(error, "Look inside"))
    except Exception:
        yield banner(internal_error())


def _inspected(steps: Generator[Step, None, InspectorReport]) -> Iterator[str]:
    yield _working(Step())
    report = yield from forward_events(steps, lambda step: (_working(step),))
    yield inside_html(report)


def _working(step: Step) -> Markup:
    done = f" · {percent(step.fraction)}" if step.fraction is not None else ""
    doing = recorded(step.detail) if step.detail else _("counting")
    return _draw.working(_("Looking inside: {doing}", doing=f"{doing}{done}"))
