"""The left column: everything a person chooses, and the two buttons."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from qdash import checkpoints
from qdash.catalog.models import MODELS, Model
from qdash.catalog.presets import STARTER_SAMPLE
from qdash.errors import QdashError
from qdash.inputs import is_drawing, read_picture
from qdash.machine import UNTESTED, Machine, remedy_for, this_machine
from qdash.markup import Macros
from qdash.offer import not_offered
from qdash.present.language import N_, _, ngettext, recorded
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.components.elements import html
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import hint, problem_words
from qdash.ui.components.theme_switch import theme_switch
from qdash.ui.controls import preflight
from qdash.ui.controls.busy import EVERY_S, busy_line
from qdash.ui.controls.filling import FIELDS, Filled, build_filled, preset_filled, question_filled
from qdash.ui.controls.form import Form, picture_path
from qdash.ui.controls.picture_picker import picture_picker
from qdash.ui.controls.samples import another_question, is_read, own_question, sample_of
from qdash.ui.controls.scheme_picker import original_bits, reasons_on, scheme_picker, sees, unsuited_for
from qdash.ui.server.backend import Backend
from qdash.ui.server.event_values import said_by

PHOTO_MODEL = "HuggingFaceTB/SmolVLM-256M-Instruct"
"""The smallest of the catalogue that sees photos."""


_draw = Macros(__name__)

DTYPES = [(N_("default"), ""), ("float32", "float32"), ("float16", "float16"), ("bfloat16", "bfloat16")]


@dataclass(frozen=True)
class Sidebar:
    """Its components; those named as the fields of `Form` are what a request is made of."""

    theme: gr.HTML
    model: gr.Dropdown
    model_hint: gr.HTML
    schemes: gr.HTML
    picture: gr.HTML
    picture_note: gr.HTML
    photo_model: gr.Button
    question: gr.Textbox
    question_note: gr.HTML
    dice: gr.Button
    measurement: gr.Accordion
    runs: gr.Number
    warmup: gr.Number
    tokens: gr.Number
    baseline_dtype: gr.Dropdown
    device: gr.Dropdown
    reference_text: gr.Textbox
    preflight: gr.HTML
    busy: gr.HTML
    busy_timer: gr.Timer
    filled: Filled
    compare: gr.Button
    stop: gr.Button

    @property
    def form(self) -> list[Component]:
        """The components of a `Form`, in its order: `Form(*values)`."""
        return [getattr(self, field.name) for field in fields(Form)]


def build_sidebar() -> Sidebar:
    """Create the components inside the current Blocks context."""
    html(_draw.brand(_(text.TAGLINE)), elem_id="brand")
    switch = theme_switch()
    model, model_hint = _model()
    schemes, filled = scheme_picker(), build_filled()
    picture, note = picture_picker(), html(elem_id="picture-note")
    photo_model = gr.Button(_("Switch to {model}", model=recorded(MODELS[PHOTO_MODEL].label)), elem_id="photo-model", size="sm")
    question, dice = _question()
    question_note = html(elem_id="question-note")
    measurement, inputs = _measurement()
    with gr.Column(elem_id="go"):
        line, busy, timer = html(elem_id="preflight"), html(elem_id="busy"), gr.Timer(EVERY_S)
        compare = gr.Button(_("Compare"), variant="primary", elem_id="compare")
        stop = gr.Button(_("Stop"), variant="stop", elem_id="stop")
        html(_draw.to_results(), elem_id="to-results")
        privacy = text.PRIVACY_PUBLIC if settings().public else text.PRIVACY
        html(hint(_(privacy), classes="privacy"))
    return Sidebar(
        theme=switch, model=model, model_hint=model_hint, schemes=schemes, filled=filled, picture=picture, picture_note=note,
        photo_model=photo_model, question=question, question_note=question_note, dice=dice, measurement=measurement, preflight=line,
        busy=busy, busy_timer=timer, compare=compare, stop=stop, **inputs,
    )  # fmt: skip


def estimate_on(triggers: list[Any], sidebar: Sidebar, backend: Backend) -> None:
    """Tell anew, at each of `triggers`, what the form will take: also once a run is over, as its models are on this machine then."""

    def estimated(*values: Any) -> tuple[str, str]:
        about, line, task = preflight.estimate(Form(*values), backend)
        return about, _draw.estimate(task, line)

    outputs = [sidebar.model_hint, sidebar.preflight]
    gr.on(triggers, estimated, sidebar.form, outputs, trigger_mode="always_last", **QUICK)


def wire_sidebar(sidebar: Sidebar, blocks: gr.Blocks, backend: Backend) -> None:
    """What the sidebar does by itself: estimates, the dice, the label of the accordion."""

    def described(model: Any, baseline_dtype: Any, device: Any) -> Any:
        reading = sees(preflight.reads(model, backend))
        bits, unsuited = original_bits(device, baseline_dtype), unsuited_for(model)
        return gr.update(original=bits, reasons=reasons_on(device), unsuited=unsuited, sees=reading)

    def rolled(model: Any, picture: Any, question: Any) -> str:
        return another_question(model, sample_of(picture), str(question))

    def preset_chosen(event: gr.EventData, *values: Any) -> list[Any]:
        said = said_by(event)
        return preset_filled(said.text("preset"), said.entries("before"), values)

    filling = [getattr(sidebar, name) for name in FIELDS]
    sidebar.schemes.select(preset_chosen, filling, [*filling[:-1], *sidebar.filled.outputs], **QUICK)
    changes_question = [sidebar.question, *sidebar.filled.outputs]
    # Only what a person picks asks for another question: what a preset or an old run fills in comes with its own.
    for changed, what in ((sidebar.model.input, "model"), (sidebar.picture.select, "picture")):
        changed(partial(question_filled, what), filling, changes_question, **QUICK)
    # The list of schemes tells a change whenever it is described anew: what follows from its changes must not describe it.
    describing = [sidebar.model, sidebar.baseline_dtype, sidebar.device]
    changes = [component.change for component in describing]
    gr.on([blocks.load, *changes], described, describing, sidebar.schemes, trigger_mode="always_last", **QUICK)
    estimate_on([blocks.load, *changes, sidebar.schemes.change], sidebar, backend)
    looks = [blocks.load, sidebar.device.change, sidebar.busy_timer.tick]
    gr.on(looks, busy_line, sidebar.device, sidebar.busy, trigger_mode="always_last", **QUICK)
    asked = [sidebar.model, sidebar.picture, sidebar.question]
    gr.on(
        [sidebar.picture.change, sidebar.model.change],
        picture_note, [sidebar.picture, sidebar.model], [sidebar.picture_note, sidebar.photo_model], trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    sidebar.photo_model.click(lambda: PHOTO_MODEL, outputs=sidebar.model, **QUICK)
    gr.on(
        [sidebar.question.change, sidebar.model.change],
        unread_note, [sidebar.model, sidebar.question], sidebar.question_note, trigger_mode="always_last", **QUICK,
    )  # fmt: skip
    sidebar.dice.click(rolled, asked, sidebar.question, **QUICK)
    gr.on(
        [sidebar.runs.change, sidebar.tokens.change],
        lambda runs, tokens: gr.update(label=measurement_label(runs, tokens)),
        [sidebar.runs, sidebar.tokens], sidebar.measurement, trigger_mode="always_last", **QUICK,
    )  # fmt: skip


def picture_note(picture: Any, model: Any = None) -> tuple[str, Any]:
    """The note on a picture as soon as it is uploaded, and whether another model is offered for it.

    How it is shown, why it cannot be read, or that `model` knows nothing but drawings.
    """
    wanted = False
    if not isinstance(picture, dict) or "upload" not in picture:
        return "", gr.update(elem_classes=[])
    try:
        found, png = read_picture(picture_path(picture))
        notes = tuple(map(recorded, found.notes))
        if isinstance(model, str) and model in MODELS and MODELS[model].draws_only and not is_drawing(png):
            wanted = not_offered(PHOTO_MODEL) is None
            notes = (*notes, f"{_(text.NO_DRAWING)} {_for_photos(wanted)}")
    except QdashError as error:
        notes = (problem_words(error),)
    return Markup().join(hint(note, role="status") for note in notes), gr.update(elem_classes=["wanted"] if wanted else [])


def unread_note(model: Any, question: Any) -> str:
    """The note on a question in letters that a bundled model has never seen; empty for other models and letters."""
    bundled = isinstance(model, str) and model in MODELS and MODELS[model].kind == "bundled"
    if not bundled or not isinstance(question, str) or not question.strip() or is_read(question):
        return ""
    return hint(_(text.UNREAD), role="status")


def _for_photos(offered: bool) -> str:
    """What it takes to have a photo read."""
    model = MODELS[PHOTO_MODEL]
    if not offered:
        return _("{model}, which sees photos, is not offered on this server.", model=recorded(model.label))
    if checkpoints.is_cached(model.key):
        return _("{model} sees photos, and is on this machine.", model=recorded(model.label))
    size = text.megabytes(2 * model.parameters)
    return _("{model} sees photos; it is downloaded first ({size}).", model=recorded(model.label), size=size)


def measurement_label(runs: Any, tokens: Any) -> str:
    """The label of the closed accordion."""
    timed, made = (int(number) if isinstance(number, int | float) else 0 for number in (runs, tokens))
    runs = ngettext("{number} timed run", "{number} timed runs", timed)
    return _("Measurement: {runs}, {tokens} tokens", runs=runs, tokens=made)


def _model() -> tuple[gr.Dropdown, gr.HTML]:
    choices = [(label_of(model), model.key) for model in MODELS.values()]
    free = not settings().public
    model = gr.Dropdown(
        choices, value=choices[0][1], label=_("Model"), allow_custom_value=free, elem_id="model", filterable=True,
        info=None,
    )  # fmt: skip
    return model, html(elem_id="model-hint")


def label_of(model: Model) -> str:
    """What a model is called in the list; one that this server does not offer stays there, and says so."""
    label = recorded(model.label)
    return label if not_offered(model.key) is None else f"{label} · {_('too large for this server')}"


def _question() -> tuple[gr.Textbox, gr.Button]:
    with gr.Column(elem_id="question-box"):
        question = gr.Textbox(own_question(STARTER_SAMPLE), label=_("Question"), lines=2, max_lines=6, elem_id="question", submit_btn=False)
        dice = gr.Button(_("Another question"), elem_id="dice", size="sm", min_width=0)
    return question, dice


def _measurement() -> tuple[gr.Accordion, dict[str, Any]]:
    machine, limits = this_machine(), settings()
    most_runs, most_tokens = (limits.public_runs, limits.public_tokens) if limits.public else (100, 2048)
    dtypes = [(_(name), dtype) for name, dtype in DTYPES]
    devices = [(_device_label(choice), choice) for choice in machine.choices]
    with gr.Accordion(measurement_label(5, 50), open=False, elem_id="measurement") as accordion:
        with gr.Row():
            inputs = {
                "runs": gr.Number(5, label=_("Timed runs"), minimum=1, maximum=most_runs, precision=0, min_width=80),
                "warmup": gr.Number(1, label=_("Warm-up"), minimum=0, maximum=20, precision=0, min_width=80),
                "tokens": gr.Number(50, label=_("Tokens"), minimum=2, maximum=most_tokens, precision=0, min_width=80),
                "baseline_dtype": gr.Dropdown(dtypes, value="", label=_("Baseline data type"), min_width=120),
                "device": gr.Dropdown(devices, value="auto", label=_("Device"), min_width=80, elem_id="device"),
            }
        if not machine.accelerators:
            html(hint(why_cpu(machine), classes="no-gpu"))
        inputs["reference_text"] = gr.Textbox(
            label=_("Reference text"), info=_(text.REFERENCE_TEXT), lines=2, max_lines=6, elem_id="reference-text"
        )
    return accordion, inputs


def why_cpu(machine: Machine) -> str:
    """Why there is no GPU to choose. What to do about it is for those who run the server."""
    remedy = "" if machine.public else remedy_for(machine.problems)
    return " ".join([_("Everything runs on the CPU."), *map(recorded, (*machine.problems, remedy))]).rstrip()


def _device_label(choice: str) -> str:
    """“cuda:0 · NVIDIA T4”: which device a person gets."""
    machine = this_machine()
    if choice == "auto":
        return _("auto ({device})", device=machine.device) if machine.accelerators else _("auto")
    accelerator = next((accelerator for accelerator in machine.accelerators if accelerator.device == choice), None)
    untested = f" · {_('untested')}" if choice.partition(":")[0] in UNTESTED else ""
    return f"{choice} · {accelerator.name}{untested}" if accelerator else choice
