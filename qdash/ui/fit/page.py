"""The Fit tab: whether a model fits at a length of context, here and on graphics cards, estimated at once and measured on request."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.markup import Macros
from qdash.present.language import N_, _
from qdash.runs.fit import USUAL_CONTEXT
from qdash.ui.components.elements import chart, html
from qdash.ui.components.static import script
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html

LEAST, MOST = 9, 18
"""Of the slider: powers of two."""
HERE, CARD = "here", "card"
HOW = N_("Weights solid, key-value cache lighter, working memory lightest. A bar that ends before a dashed line fits there.")

_draw = Macros(__name__)


@dataclass(frozen=True)
class FitPage:
    """Its components. `report` is what was measured last, a gr.State. The value of `context` is that of `stands_at`."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    context: gr.HTML
    conversations: gr.Number
    where: gr.Radio
    measure: gr.Button
    stop: gr.Button
    bars: gr.Plot
    table: gr.HTML
    notes: gr.HTML
    measured: gr.HTML
    report: gr.State

    @property
    def estimated(self) -> list[Any]:
        """What every change of the form draws anew."""
        return [self.verdict, self.bars, self.table, self.notes]

    @property
    def outputs(self) -> list[Any]:
        """Everything that measuring may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_fit_page() -> FitPage:
    """Create the components inside the current tab."""
    phase = html(phase_html("fit", running=False, results=False), elem_classes=["phases"])
    message = html(elem_id="fit-banner")
    verdict = html(empty_html(), elem_id="fit-verdict")
    with gr.Row(elem_id="fit-bar"):
        context = gr.HTML(
            html_template=_draw.slider(LEAST, MOST),
            value=stands_at(USUAL_CONTEXT),
            js_on_load=script("fit_context"),
            elem_id="context",
            apply_default_css=False,
        )
        conversations = gr.Number(1, label=_("Conversations at once"), precision=0, minimum=1, elem_id="conversations", min_width=0)
        places = [(_("Graphics card"), CARD), (_("This machine"), HERE)]
        where = gr.Radio(places, value=CARD, label=_("Where"), show_label=False, elem_id="fit-where", elem_classes=["pills"], min_width=0)
        measure = gr.Button(_("Measure"), variant="primary", elem_id="measure", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="measure-stop", min_width=0)
    bars = chart(_("Memory at this context"), _(HOW), "fit-plot")
    with gr.Column(elem_classes=["sheet"], elem_id="fit-table"):
        table, notes = html(), html()
    measured = html(elem_id="fit-measured")
    return FitPage(phase, message, verdict, context, conversations, where, measure, stop, bars, table, notes, measured, gr.State(None))


def stands_at(tokens: int) -> dict[str, Any]:
    """Value of the slider while nobody has moved it; then `chosen` is true."""
    return {"tokens": tokens, "chosen": False}


def empty_html() -> str:
    """Headline before anything is known."""
    why = _("Choose a model and schemes at the side. Nothing is loaded for the estimate; Measure runs the model to check it.")
    return sentence_html(_("Does it fit, at my context?"), why)
