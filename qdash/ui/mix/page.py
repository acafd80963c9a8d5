"""The Mix tab: what each layer costs, measured once; then the best mix of schemes within a budget, at once, and its proof on request."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.catalog.models import MODELS
from qdash.markup import Macros
from qdash.present.language import _
from qdash.ui.components.elements import html
from qdash.ui.components.static import script
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.bundled_tasks import tasks_for, tasks_radio
from qdash.ui.mix.form import FIRST_LIMIT, LEAST_BITS, MOST, MOST_BITS, STEP_BITS
from qdash.ui.mix.progressive import ProgressivePanel, build_progressive

LONGEST = 24
"""Letters of a budget."""

_draw = Macros(__name__)


@dataclass(frozen=True)
class MixPage:
    """Its components. `known`, a gr.State, is what was measured last, `report` the last proof."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    task: gr.Radio
    limit: gr.Number
    measure: gr.Button
    stop: gr.Button
    budget: gr.HTML
    use: gr.Button
    prove: gr.Button
    solved: gr.HTML
    proof: gr.HTML
    known: gr.State
    report: gr.State
    progressive: ProgressivePanel

    @property
    def outputs(self) -> list[Any]:
        """Everything that a run may change."""
        own = [getattr(self, field.name) for field in fields(self) if field.name != "progressive"]
        return [*own, *self.progressive.outputs]


def build_mix_page(model: str) -> MixPage:
    """Create the components inside the current tab, with the tasks of `model`."""
    phase = html(phase_html("mix", running=False, results=False), elem_classes=["phases"])
    banner = html(elem_id="mix-banner")
    verdict = html(empty_html(), elem_id="mix-verdict")
    with gr.Row(elem_id="mix-bar"):
        task = tasks_radio(tasks_for(model, MODELS[model].task), _("Task"), "mix-task")
        limit = gr.Number(FIRST_LIMIT, label=_("Questions"), precision=0, minimum=2, maximum=MOST, elem_id="mix-limit", min_width=0)
        measure = gr.Button(_("Measure layers"), variant="primary", elem_id="mix-measure", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="mix-stop", min_width=0)
    with gr.Column(elem_id="mix-results"):
        with gr.Row(elem_id="mix-budget-bar"):
            budget = gr.HTML(
                value=f"{MOST_BITS}bits",
                html_template=_draw.budget(LEAST_BITS, MOST_BITS, STEP_BITS, LONGEST),
                js_on_load=script("mix_budget"),
                elem_id="mix-budget",
                apply_default_css=False,
            )
            use = gr.Button(_("Use it"), elem_id="mix-use", min_width=0)
            prove = gr.Button(_("Prove it"), elem_id="mix-prove", min_width=0)
        solved, proof = html(elem_id="mix-solved"), html(elem_id="mix-proof")
        progressive = build_progressive()
    return MixPage(
        phase, banner, verdict, task, limit, measure, stop, budget, use, prove, solved, proof, gr.State(None), gr.State(None), progressive
    )


def empty_html() -> str:
    """Headline before anything is measured."""
    why = _("Choose a model and schemes at the side and press Measure layers: then a budget gives every layer its scheme at once.")
    return sentence_html(_("Which scheme for which layer?"), why)
