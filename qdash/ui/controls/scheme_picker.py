"""The list of schemes: presets as pills, a search, then one row a scheme with its colour, its bits and, if it cannot run here, why.

Real checkboxes inside a gr.HTML, because Gradio's CheckboxGroup can neither disable one choice nor say why. Below them two small
builders add rows: a scheme for each part of the model (a recipe), and another checkpoint under a scheme of its own. The value is a list of
keys, recipes and {"model", "scheme"}; nobody may trust it, see `form.check_variants`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash import checkpoints
from qdash.catalog.caches import CACHES
from qdash.catalog.models import MODELS, model_name
from qdash.catalog.needs import Surroundings
from qdash.catalog.parts import PARTS
from qdash.catalog.presets import PRESETS, Preset
from qdash.catalog.recipes import CACHE
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import SCHEMES, families, unavailable
from qdash.catalog.types import ModelTask
from qdash.machine import Machine, this_machine
from qdash.markup import Macros
from qdash.offer import not_offered
from qdash.present.language import _
from qdash.settings import settings
from qdash.ui.components.markup import problem_words
from qdash.ui.components.static import script
from qdash.ui.controls.scheme_rows import bits_words, row_html

_draw = Macros(__name__)

STARTER = PRESETS[0]
_DTYPE_BITS = {"float32": 32, "float16": 16, "bfloat16": 16}


def scheme_picker() -> gr.HTML:
    """The component; its value is the keys of the starter preset that run here. A pill triggers `select` with its preset's key."""
    machine = this_machine()
    return gr.HTML(
        value=preset_keys(STARTER, machine),  # type: ignore[arg-type] - HTML takes any value
        html_template=picker_html(machine),
        original=original_bits("auto", ""),
        reasons=reasons_on("auto"),
        unsuited=unsuited_for(next(iter(MODELS))),
        sees=True,
        js_on_load=script("scheme_search") + script("scheme_picker"),
        elem_id="schemes",
        apply_default_css=False,
    )


def original_bits(device: Any, baseline_dtype: Any) -> str:
    """What the original computes in here, for its row: a property of the request, not of the scheme."""
    bits = next((bits for dtype, bits in _DTYPE_BITS.items() if dtype == baseline_dtype), None)
    return bits_words(bits or (16 if _machine_on(device).accelerator else 32))


def reasons_on(device: Any) -> dict[str, str]:
    """Schemes that cannot run on the chosen device → why, and what to do."""
    here = _machine_on(device)
    problems = {scheme.key: unavailable(scheme, here) for scheme in SCHEMES.values()}
    return {key: problem_words(problem) for key, problem in problems.items() if problem is not None}


def unsuited_for(model: Any) -> dict[str, str]:
    """Schemes that cannot be applied to the chosen model, told from what it is called → why, and what to do."""
    name, problems = str(model), {}
    from_gguf = checkpoints.is_from_gguf(name)
    healed = checkpoints.healed_schemes(name)
    for scheme in SCHEMES.values():
        if scheme.family.keeps_file and not from_gguf:
            problems[scheme.key] = problem_words(checkpoints.needs_gguf(scheme, model_name(name)))
        if scheme.family.needs_healing and scheme.key not in healed:
            problems[scheme.key] = problem_words(checkpoints.needs_healing(scheme, name, model_name(name)))
    return problems


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


def picker_html(here: Surroundings) -> Markup:
    """Pills, rows, builders. The starter's schemes come first; the rest hide behind “more”, family by family, until chosen."""
    rest = [scheme for scheme in SCHEMES.values() if scheme.key not in STARTER.keys]
    groups = [(family.group, [row_html(scheme, here) for scheme in rest if scheme.family is family]) for family in families()]
    starter = [row_html(SCHEMES[key], here) for key in STARTER.keys]
    return _draw.picker([_pill(preset) for preset in PRESETS], starter, groups, _recipe_builder(here), _row_builder(here))


@dataclass(frozen=True)
class Pill:
    """A preset. `keys`: its schemes, as JSON; `refused`: why its model is not offered, "" if it is."""

    key: str
    label: str
    about: str
    keys: str
    refused: str


def _pill(preset: Preset) -> Pill:
    # With those that cannot run here: which these are depends on the device, which may be chosen later.
    keys = json.dumps(preset.keys or list(SCHEMES))
    refused = not_offered(preset.setup.model) if preset.setup is not None else None
    return Pill(preset.key, _(preset.label), _(preset.about), keys, problem_words(refused) if refused else "")


def _recipe_builder(here: Surroundings) -> Markup:
    """A scheme for each part, and a format for the KV cache. Attention and mlp come after what holds them: the last rule wins."""
    whole = [scheme for scheme in SCHEMES.values() if scheme.family.keeps_file or scheme.family.needs_healing]
    quantizing = [scheme for scheme in SCHEMES.values() if not scheme.is_baseline and scheme not in whole]
    parts = [part for part in PARTS if part != "head"]
    return _draw.recipe_builder(parts, ("attention", "mlp"), _options(quantizing, here), CACHE, CACHES.values())


def _row_builder(here: Surroundings) -> Markup:
    """Another checkpoint beside the chosen model, such as its AWQ version."""
    models = [(model, False) for model in MODELS.values() if not_offered(model.key) is None]
    return _draw.row_builder(models, settings().public, _options(SCHEMES.values(), here))


def _options(schemes: Iterable[Scheme], here: Surroundings) -> list[tuple[Scheme, bool]]:
    """Each scheme, and whether it cannot run `here`."""
    return [(scheme, unavailable(scheme, here) is not None) for scheme in schemes]
