"""The left column: everything a person chooses, and the two buttons."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.components import Component

from qdash.catalog.models import MODELS
from qdash.catalog.presets import PRESETS, T1_PROMPT, Setup
from qdash.machine import this_machine
from qdash.settings import settings
from qdash.ui import preflight, text
from qdash.ui.backend import Backend
from qdash.ui.blocks import html
from qdash.ui.form import Form
from qdash.ui.picture_picker import picture_picker
from qdash.ui.samples import another_question, fitting_question
from qdash.ui.scheme_picker import original_bits, scheme_picker, sees
from qdash.ui.theme_switch import theme_switch

# For handlers that only move things on the page: no queue, no spinner, no public API.
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

_BRAND = f'<div class="brand"><b>qdash</b><span>{text.TAGLINE}</span></div>'
_DTYPES = [("as usual here", ""), ("float32", "float32"), ("float16", "float16"), ("bfloat16", "bfloat16")]


@dataclass(frozen=True)
class Sidebar:
    """Its components; those named as the fields of `Form` are what a request is made of."""

    theme: gr.HTML
    model: gr.Dropdown
    model_hint: gr.HTML
    schemes: gr.HTML
    picture: gr.HTML
    question: gr.Textbox
    dice: gr.Button
    measurement: gr.Accordion
    runs: gr.Number
    warmup: gr.Number
    tokens: gr.Number
    baseline_dtype: gr.Dropdown
    device: gr.Dropdown
    reference_text: gr.Textbox
    preflight: gr.HTML
    compare: gr.Button
    stop: gr.Button

    @property
    def form(self) -> list[Component]:
        """The components of a `Form`, in its order: `Form(*values)`."""
        return [getattr(self, field.name) for field in fields(Form)]


def build_sidebar() -> Sidebar:
    """Create the components inside the current Blocks context."""
    html(_BRAND, elem_id="brand")
    switch = theme_switch()
    model, hint = _model()
    schemes, picture = scheme_picker(), picture_picker()
    question, dice = _question()
    measurement, inputs = _measurement()
    with gr.Column(elem_id="go"):
        line = html(elem_id="preflight")
        compare = gr.Button("Compare", variant="primary", elem_id="compare")
        stop = gr.Button("Stop", variant="stop", elem_id="stop")
        privacy = text.PRIVACY_PUBLIC if settings().public else text.PRIVACY
        html(f'<p class="hint privacy">{privacy}</p>')
    return Sidebar(
        theme=switch, model=model, model_hint=hint, schemes=schemes, picture=picture, question=question, dice=dice,
        measurement=measurement, preflight=line, compare=compare, stop=stop, **inputs,
    )  # fmt: skip


def wire_sidebar(sidebar: Sidebar, blocks: gr.Blocks, backend: Backend) -> None:
    """What the sidebar does by itself: estimates, the dice, the label of the accordion."""

    def described(model: Any, baseline_dtype: Any, device: Any) -> Any:
        return gr.update(original=original_bits(device, baseline_dtype), sees=sees(preflight.reads(model, backend)))

    def estimated(*values: Any) -> tuple[str, str]:
        hint, line, task = preflight.estimate(Form(*values), backend)
        return hint, f'<span class="{task}">{line}</span>'

    def rolled(model: Any, picture: Any, question: Any) -> str:
        return another_question(model, sample_of(picture), str(question))

    def fitted(model: Any, picture: Any, question: Any) -> Any:
        fitting = fitting_question(str(model), sample_of(picture), str(question))
        # Not the same again: it may have been typed over since.
        return gr.skip() if fitting == question else fitting

    def preset_chosen(event: gr.EventData) -> list[Any]:
        setup = next((preset.setup for preset in PRESETS if preset.key == event.preset), None)
        return set_up(setup)

    sidebar.schemes.select(
        preset_chosen,
        outputs=[sidebar.model, sidebar.question, sidebar.tokens, sidebar.runs, sidebar.baseline_dtype, sidebar.picture],
        **QUICK,
    )
    # The list of schemes tells a change whenever it is described anew: what follows from its changes must not describe it.
    describing = [sidebar.model, sidebar.baseline_dtype, sidebar.device]
    changes = [component.change for component in describing]
    gr.on([blocks.load, *changes], described, describing, sidebar.schemes, trigger_mode="always_last", **QUICK)
    gr.on(
        [blocks.load, *changes, sidebar.schemes.change],
        estimated, sidebar.form, [sidebar.model_hint, sidebar.preflight], trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    asked = [sidebar.model, sidebar.picture, sidebar.question]
    sidebar.dice.click(rolled, asked, sidebar.question, **QUICK)
    sidebar.model.input(fitted, asked, sidebar.question, **QUICK)
    gr.on(
        [sidebar.runs.change, sidebar.tokens.change],
        lambda runs, tokens: gr.update(label=measurement_label(runs, tokens)),
        [sidebar.runs, sidebar.tokens], sidebar.measurement, trigger_mode="always_last", **QUICK,
    )  # fmt: skip


def sample_of(picture: Any) -> str | None:
    """Which of the sample pictures is chosen; None if it is none of them."""
    return picture.get("sample") if isinstance(picture, dict) else None


def set_up(setup: Setup | None) -> list[Any]:
    """Values of model, question, tokens, timed runs, dtype and picture that a preset fills in; None fills in nothing."""
    if setup is None:
        return [gr.skip()] * 6
    picture = {"sample": setup.sample} if setup.sample else gr.skip()
    return [setup.model, setup.prompt, setup.tokens, setup.runs, setup.baseline_dtype, picture]


def measurement_label(runs: Any, tokens: Any) -> str:
    """What the closed accordion says."""
    return f"Measurement: {text.several(int(runs or 0), 'timed run', 'timed runs')}, {int(tokens or 0)} tokens"


def _model() -> tuple[gr.Dropdown, gr.HTML]:
    choices = [(model.label, model.key) for model in MODELS.values()]
    free = not settings().public
    model = gr.Dropdown(
        choices, value=choices[0][1], label="Model", allow_custom_value=free, elem_id="model", filterable=True,
        info=None,
    )  # fmt: skip
    return model, html(elem_id="model-hint")


def _question() -> tuple[gr.Textbox, gr.Button]:
    with gr.Column(elem_id="question-box"):
        question = gr.Textbox(T1_PROMPT, label="Question", lines=2, max_lines=6, elem_id="question", submit_btn=False)
        dice = gr.Button("🎲", elem_id="dice", size="sm", min_width=0)
    return question, dice


def _measurement() -> tuple[gr.Accordion, dict[str, Any]]:
    devices = ["auto", "cpu"] + (["cuda"] if this_machine().device == "cuda" else [])
    with gr.Accordion(measurement_label(5, 50), open=False, elem_id="measurement") as accordion:
        with gr.Row():
            inputs = {
                "runs": gr.Number(5, label="Timed runs", minimum=1, maximum=100, precision=0, min_width=80),
                "warmup": gr.Number(1, label="Warm-up", minimum=0, maximum=20, precision=0, min_width=80),
                "tokens": gr.Number(50, label="Tokens", minimum=2, maximum=2048, precision=0, min_width=80),
                "baseline_dtype": gr.Dropdown(_DTYPES, value="", label="Original computes in", min_width=120),
                "device": gr.Dropdown(devices, value="auto", label="Device", min_width=80),
            }
        inputs["reference_text"] = gr.Textbox(
            label="Reference text", info=text.REFERENCE_TEXT, lines=2, max_lines=6, elem_id="reference-text"
        )
    return accordion, inputs
