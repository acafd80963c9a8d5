"""The Weights tab: what each scheme does to the numbers themselves."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from html import escape
from threading import Event
from typing import Any

import gradio as gr

from qdash.charts import error_histogram, sqnr_bars, weight_histogram
from qdash.errors import QdashError
from qdash.records import Step, WeightReport
from qdash.ui import text
from qdash.ui.backend import Backend
from qdash.ui.blocks import chart, html
from qdash.ui.exports import write_weight_exports
from qdash.ui.form import check_model, check_variants
from qdash.ui.line import Line
from qdash.ui.markup import banner, sheet_head
from qdash.ui.phase import phase_html
from qdash.ui.run import internal_error, waiting
from qdash.ui.sessions import Sessions
from qdash.ui.sidebar import QUICK, Sidebar
from qdash.ui.theme_switch import dark_first
from qdash.ui.verdict import sentence_html
from qdash.ui.weights_view import ALL_LAYERS, chosen, headline_html, layer_choices, layers_html, scheme_choices, scope_html, worst_scheme

Updates = dict[Any, Any]


@dataclass(frozen=True)
class WeightsPage:
    """Its components. `report` is the tab's own result."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    look: gr.Button
    stop: gr.Button
    scheme: gr.Radio
    layer: gr.Dropdown
    weights: gr.Plot
    errors: gr.Plot
    sqnr: gr.Plot
    layers: gr.HTML
    scope: gr.HTML
    exports: dict[str, gr.DownloadButton]
    report: gr.State

    @property
    def drawn(self) -> list[Any]:
        """What depends on the chosen scheme, layer and theme."""
        return [self.weights, self.errors, self.sqnr, self.layers]

    @property
    def outputs(self) -> list[Any]:
        """Everything a look inside may change on this page."""
        single = [getattr(self, name) for name in self.__dataclass_fields__ if name != "exports"]
        return [*single, *self.exports.values()]


def build_weights_page() -> WeightsPage:
    """Create the components inside the current tab."""
    phase = html(phase_html("weights", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="weights-banner")
    verdict = html(empty_html(), elem_id="weights-verdict")
    with gr.Row(elem_id="weights-bar"):
        with gr.Row(elem_id="weights-choice"):
            scheme = gr.Radio([], label="Scheme", show_label=False, elem_id="weights-scheme", elem_classes=["pills"], min_width=0)
            all_layers = [("All layers together", ALL_LAYERS)]
            layer = gr.Dropdown(all_layers, value=ALL_LAYERS, label="Layer", show_label=False, elem_id="weights-layer", min_width=0)
        look = gr.Button("Look inside", variant="primary", elem_id="look", min_width=0)
        stop = gr.Button("Stop", elem_id="look-stop", min_width=0)
    with gr.Column(elem_id="weights-results"):
        with gr.Row(elem_classes=["sheets", "two"]):
            weights = chart("Weights", text.HOW_HISTOGRAM, "weights-plot")
            errors = chart("The error itself", text.HOW_ERROR, "errors-plot")
        with gr.Row(elem_classes=["sheets", "two"]):
            sqnr = chart("Signal to noise", text.HOW_SQNR, "sqnr-plot")
            with gr.Column(elem_classes=["sheet"]):
                html(sheet_head("Worst layers", "Lowest signal to noise first."))
                layers = html()
        with gr.Row(elem_classes=["below"]):
            scope = html()
            exports = {
                suffix: gr.DownloadButton(suffix.upper(), elem_id=f"weights-{suffix}", elem_classes=["link"], min_width=0)
                for suffix in ("csv", "json")
            }
    return WeightsPage(
        phase=phase, banner=message, verdict=verdict, look=look, stop=stop, scheme=scheme, layer=layer, weights=weights,
        errors=errors, sqnr=sqnr, layers=layers, scope=scope, exports=exports, report=gr.State(None),
    )  # fmt: skip


def wire_weights_page(
    page: WeightsPage, sidebar: Sidebar, offer: gr.Button, tabs: gr.Tabs, backend: Backend, line: Line, sessions: Sessions
) -> None:
    """Connect the button here, the offer below a comparison's charts, the choices and the theme."""

    def look(request: gr.Request, dark: Any, model: Any, schemes: Any) -> Iterator[Updates]:
        session = str(request.session_hash)
        stop = sessions.start(session)
        try:
            yield {
                page.phase: phase_html("weights", running=True, results=False), page.stop: "Stop",
                page.banner: "", page.report: None, tabs: gr.update(selected="weights"),
            }  # fmt: skip
            for view in looked(model, schemes, backend, line, stop):
                yield shown(page, view, bool(dark))
                if view.report is not None:
                    yield exported(page, view.report, sessions, session)
        except Exception:
            yield {page.banner: banner(internal_error())}
        finally:
            stop.set()
            sessions.finish(session, stop)

    def stopped(request: gr.Request) -> Any:
        sessions.stop(str(request.session_hash))
        return "Stopping …"

    def over(report: WeightReport | None) -> str:
        return phase_html("weights", running=False, results=report is not None)

    running = gr.on(
        [page.look.click, offer.click],
        look, [sidebar.theme, sidebar.model, sidebar.schemes], [*page.outputs, tabs], js=dark_first(3),
        concurrency_id="weights", concurrency_limit=line.longest, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    running.then(over, page.report, page.phase, **QUICK)
    page.stop.click(stopped, outputs=page.stop, **QUICK)
    gr.on(
        [page.scheme.input, page.layer.input, sidebar.theme.change],
        drawn, [sidebar.theme, page.report, page.scheme, page.layer], page.drawn, js=dark_first(4), **QUICK,
    )  # fmt: skip


@dataclass(frozen=True)
class View:
    """One moment of a look inside; `status` while it runs, then a report or an error."""

    status: str = ""
    fraction: float | None = None
    report: WeightReport | None = None
    error: QdashError | None = None


def looked(model: Any, schemes: Any, backend: Backend, line: Line, stop: Event) -> Iterator[View]:
    """Check, wait in line, weigh. Never raises."""
    try:
        name = check_model(model)
        keys = [variant.scheme for variant in check_variants(name, schemes) if variant.model == name]
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield View(status=waiting(place))
            yield from _weighed(backend.weigh(name, keys, stop))
    except QdashError as error:
        yield View(error=error)
    except Exception:
        yield View(error=internal_error())


def _weighed(steps: Generator[Step, None, WeightReport]) -> Iterator[View]:
    yield View(status="Reading the weights.")
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                yield View(report=end.value)
                return
            yield View(status=step.detail or "Reading the weights.", fraction=step.fraction)
    finally:
        steps.close()


def shown(page: WeightsPage, view: View, dark: bool) -> Updates:
    """The component updates that show `view`."""
    if view.error is not None:
        return {page.banner: banner(view.error), page.verdict: empty_html()}
    if view.report is None:
        return {page.verdict: running_html(view)}
    report = view.report
    first = worst_scheme(report)
    return {
        page.verdict: headline_html(report),
        page.phase: phase_html("weights", running=True, results=True),
        page.scheme: gr.update(choices=scheme_choices(report), value=first),
        page.layer: gr.update(choices=layer_choices(report), value=ALL_LAYERS),
        page.scope: scope_html(report),
        page.report: report,
        **dict(zip(page.drawn, drawn(dark, report, first, ALL_LAYERS), strict=True)),
    }


def drawn(dark: Any, report: WeightReport | None, scheme: Any, layer: Any) -> tuple[Any, Any, Any, Any]:
    """(weights, errors, SQNR, layers) for a choice; what the report does not have falls back to its first scheme, all layers."""
    if report is None:
        return gr.update(), gr.update(), gr.update(), gr.update()
    found, part = chosen(report, str(scheme), str(layer))
    return (
        weight_histogram(found, part, dark=bool(dark)),
        error_histogram(found, part, dark=bool(dark)),
        sqnr_bars(report, dark=bool(dark)),
        layers_html(report, found.scheme),
    )


def exported(page: WeightsPage, report: WeightReport, sessions: Sessions, session: str) -> Updates:
    """The download buttons, armed with files."""
    paths = write_weight_exports(report, sessions.folder(session))
    return {page.exports[suffix]: str(path) for suffix, path in paths.items()}


def empty_html() -> str:
    """Headline before the first look."""
    return sentence_html(text.WEIGHTS_HEADLINE, text.WEIGHTS_WHY)


def running_html(view: View) -> str:
    """Headline while the weights are read."""
    percent = f" {view.fraction:.0%}" if view.fraction is not None else ""
    return (
        f'<h2 class="verdict">Looking inside{percent}</h2>'
        f'<p class="sub" role="status"><span class="turning" aria-hidden="true"></span>{escape(view.status)}</p>'
    )
