"""The Heal tab: training the weights of a model for few bits, watched while it learns; what comes of it is a scheme like any other."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.present.language import N_, _
from qdash.runs.heal import MOST_MINUTES
from qdash.settings import settings
from qdash.ui.components.elements import chart, html
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.uploaded_files import files_button
from qdash.ui.heal.check_panel import CheckPanel, build_check_panel
from qdash.ui.heal.form import FIRST_MINUTES, QUESTIONS, SOURCES, TEXT, sources_for
from qdash.ui.heal.view import empty_html, scheme_choices

HOW = N_("Lower is nearer to the original. Dots: passages that are not trained on; the large one is kept. Pale: what is trained on.")
TITLE = N_("Divergence while training")


@dataclass(frozen=True)
class HealPage:
    """Its components. `training`, a gr.State, is the run that is or was shown last."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    scheme: gr.Radio
    source: gr.Radio
    file: gr.HTML
    minutes: gr.Number
    heal: gr.Button
    stop: gr.Button
    plan: gr.HTML
    curve: gr.Plot
    points: gr.HTML
    use: gr.Button
    training: gr.State
    check: CheckPanel

    @property
    def outputs(self) -> list[Any]:
        """Everything that a training may change."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "check"]

    @property
    def shown(self) -> list[Any]:
        """What shows a training or a healed version."""
        return [self.verdict, self.curve, self.points, self.check.table]


def build_heal_page(model: str) -> HealPage:
    """Create the components inside the current tab, with what `model` can learn from."""
    phase = html(phase_html("heal", running=False, results=False), elem_classes=["phases"])
    banner = html(elem_id="heal-banner")
    verdict = html(empty_html(), elem_id="heal-verdict")
    pills: dict[str, Any] = {"elem_classes": ["pills"], "min_width": 0}
    schemes, sources = scheme_choices(), sources_for(model)
    with gr.Row(elem_id="heal-bar"):
        scheme = gr.Radio(schemes, value=schemes[0][1], label=_("Scheme"), elem_id="heal-scheme", **pills)
        source = gr.Radio(source_choices(sources), value=sources[0], label=_("Learn from"), elem_id="heal-source", **pills)
        minutes = gr.Number(FIRST_MINUTES, label=_("Minutes"), minimum=0, maximum=MOST_MINUTES, elem_id="heal-minutes", min_width=0)
        use = gr.Button(_("Use it"), elem_id="heal-use", min_width=0)
        heal = gr.Button(_("Heal"), variant="primary", elem_id="heal-start", min_width=0, interactive=not settings().public)
        stop = gr.Button(_("Stop"), elem_id="heal-stop", min_width=0)
    note = _("Questions as CSV, JSON lines or ZIP, with answers and pictures; or a text")
    file = files_button(_("File to learn from"), note, "heal-file", file_classes(sources[0]))
    plan = html(elem_id="heal-plan")
    with gr.Column(elem_id="heal-results"):
        check = build_check_panel(model)
        curve = chart(_(TITLE), _(HOW), "heal-curve")
        points = html(elem_id="heal-points")
    return HealPage(phase, banner, verdict, scheme, source, file, minutes, heal, stop, plan, curve, points, use, gr.State(None), check)


def source_choices(keys: list[str]) -> list[tuple[str, str]]:
    """(label, key) of each."""
    return [(_(SOURCES[key]), key) for key in keys]


def file_classes(source: Any) -> list[str]:
    """The field for files is there for what comes from one; an attribute cannot get lost (see `visibility`)."""
    return ["wanted"] if source in (QUESTIONS, TEXT) else []
