"""The list of schemes: presets as pills, a search, then one row a scheme with its colour, its bits and, if it cannot run here, why.

Real checkboxes inside a gr.HTML, because Gradio's CheckboxGroup can neither disable one choice nor say why. Below them two small
builders add rows: a scheme for each part of the model (a recipe), and another checkpoint under a scheme of its own. The value is a list of
keys, recipes and {"model", "scheme"}; nobody may trust it, see `form.check_variants`.
"""

import json
from html import escape
from typing import Any

import gradio as gr

from qdash.catalog.models import MODELS, ModelTask
from qdash.catalog.needs import Surroundings
from qdash.catalog.parts import PARTS
from qdash.catalog.presets import PRESETS, Preset
from qdash.catalog.scheme import Family, Scheme
from qdash.catalog.schemes import SCHEMES, families, unavailable
from qdash.machine import Machine, this_machine
from qdash.offer import not_offered
from qdash.settings import settings
from qdash.ui.components.static import script
from qdash.ui.controls.scheme_rows import row_html

STARTER = PRESETS[0]
_DTYPE_BITS = {"float32": 32, "float16": 16, "bfloat16": 16}


def scheme_picker() -> gr.HTML:
    """The component; its value is the keys of the starter preset that run here. A pill triggers `select` with its preset's key."""
    machine = this_machine()
    return gr.HTML(
        value=preset_keys(STARTER, machine),  # type: ignore[arg-type]
        html_template=picker_html(machine),
        original=original_bits("auto", ""),
        reasons=reasons_on("auto"),
        sees=True,
        js_on_load=script("scheme_search") + script("scheme_picker"),
        elem_id="schemes",
        apply_default_css=False,
    )


def original_bits(device: Any, baseline_dtype: Any) -> str:
    """What the original computes in here, for its row: a property of the request, not of the scheme."""
    bits = next((bits for dtype, bits in _DTYPE_BITS.items() if dtype == baseline_dtype), None)
    return f"{bits or (16 if _machine_on(device).accelerator else 32)} bits"


def reasons_on(device: Any) -> dict[str, str]:
    """Schemes that cannot run on the chosen device → why, and what to do."""
    here = _machine_on(device)
    problems = {scheme.key: unavailable(scheme, here) for scheme in SCHEMES.values()}
    return {key: str(problem) for key, problem in problems.items() if problem is not None}


def _machine_on(device: Any) -> Machine:
    """What a browser names as device need not be one; then it is the one of “auto”."""
    machine = this_machine()
    return machine.on(device if device in machine.choices else "auto")


def sees(task: ModelTask) -> bool:
    """Whether a model has a vision tower and a projector to choose schemes for."""
    return task == "image-text-to-text"


def preset_keys(preset: Preset, here: Surroundings) -> list[str]:
    """The schemes of `preset` that run `here`; an empty preset means all that do."""
    return [key for key in preset.keys or SCHEMES if unavailable(SCHEMES[key], here) is None]


def picker_html(here: Surroundings) -> str:
    """Pills, rows, builders. The starter's schemes come first; the rest hide behind “more”, family by family, until chosen."""
    pills = "".join(_pill(preset) for preset in PRESETS)
    starter = "".join(row_html(SCHEMES[key], here) for key in STARTER.keys)
    rest = [scheme for scheme in SCHEMES.values() if scheme.key not in STARTER.keys]
    groups = "".join(_group(family, [scheme for scheme in rest if scheme.family is family], here) for family in families())
    return (
        '<fieldset class="schemes"><legend class="lab">Schemes</legend>'
        '<input type="search" class="find" placeholder="Search: NF4, 4 bits, W8A8" aria-label="Search schemes" autocomplete="off">'
        f'<div class="seg" role="group" aria-label="Presets">{pills}</div><p class="hint preset-about" role="status"></p>'
        '<div class="found"><p class="hint" role="status"></p>'
        '<button type="button" class="link clear" hidden>Clear the search</button></div>'
        f'{starter}<div class="added"></div><div class="rest">{groups}</div>'
        '<button type="button" class="more" aria-expanded="false"></button>'
        f"{_recipe_builder(here)}{_row_builder(here)}</fieldset>"
    )


def _pill(preset: Preset) -> str:
    # With those that cannot run here: which these are depends on the device, which may be chosen later.
    keys = escape(json.dumps(preset.keys or list(SCHEMES)))
    refused = not_offered(preset.setup.model) if preset.setup is not None else None
    # It can still be pressed, to be told why.
    disabled = ' aria-disabled="true"' if refused else ""
    return (
        f'<button type="button" class="pill" aria-pressed="false" data-preset="{preset.key}" data-keys="{keys}" '
        f'title="{escape(str(refused) if refused else preset.about)}"{disabled}>{escape(preset.label)}</button>'
    )


def _group(family: Family, schemes: list[Scheme], here: Surroundings) -> str:
    rows = "".join(row_html(scheme, here) for scheme in schemes)
    return f'<div class="group"><p class="group-name">{escape(family.group)}</p>{rows}</div>'


def _recipe_builder(here: Surroundings) -> str:
    """A scheme for each part. Attention and mlp come after the parts that hold them: the last rule that matches wins."""
    quantizing = _options([scheme for scheme in SCHEMES.values() if not scheme.is_baseline], here)
    whole = f'<option value="">unchanged</option>{quantizing}'
    choices = f'<option value="">same as above</option><option value="original">unchanged</option>{quantizing}'
    offered = {part: choices if part in ("attention", "mlp") else whole for part in PARTS if part != "head"}
    rows = "".join(
        f'<label data-part="{part}"><span aria-hidden="true">{part}</span>'
        f'<select name="{part}" aria-label="Scheme of {part}">{options}</select></label>'
        for part, options in offered.items()
    )
    glob = (
        '<label data-part="glob"><input name="glob" placeholder="*.down_proj" aria-label="Names of layers, as a pattern">'
        f'<select name="glob-scheme" aria-label="Scheme of these layers">{choices}</select></label>'
    )
    return (
        '<details class="builder recipe"><summary>Mix schemes by part</summary>'
        f'<p class="hint">Each part of the model in its own format; later rows override earlier ones.</p>{rows}{glob}'
        '<button type="button" class="pill add">Add this mix</button></details>'
    )


def _row_builder(here: Surroundings) -> str:
    """Another checkpoint beside the chosen model, such as its AWQ version."""
    offered = [model for model in MODELS.values() if not_offered(model.key) is None]
    options = "".join(f'<option value="{escape(model.key)}">{escape(model.label)}</option>' for model in offered)
    field = (
        f'<select name="model" aria-label="Other checkpoint">{options}</select>'
        if settings().public
        else '<input name="model" list="row-models" placeholder="folder or owner/name" aria-label="Other checkpoint">'
        f'<datalist id="row-models">{options}</datalist>'
    )
    return (
        '<details class="builder rows"><summary>Compare another checkpoint</summary>'
        '<p class="hint">Its own scheme, the same question: say, a model and its AWQ version.</p>'
        f'<label>{field}</label><label><span aria-hidden="true">scheme</span>'
        f'<select name="scheme" aria-label="Scheme of this checkpoint">{_options(list(SCHEMES.values()), here)}</select></label>'
        '<button type="button" class="pill add">Add this checkpoint</button></details>'
    )


def _options(schemes: list[Scheme], here: Surroundings) -> str:
    return "".join(
        f'<option value="{escape(scheme.key)}"{" disabled" if unavailable(scheme, here) else ""}>{escape(scheme.label)}</option>'
        for scheme in schemes
    )
