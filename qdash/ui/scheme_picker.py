"""The list of schemes: presets as pills, then one row a scheme with its colour, its bits and, if it cannot run here, why.

Real checkboxes inside a gr.HTML, because Gradio's CheckboxGroup can neither disable one choice nor say why. The value is a list of
keys; nobody may trust it, see `form.check_schemes`.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from qdash.catalog.presets import PRESETS, Preset
from qdash.catalog.schemes import SCHEMES, Scheme, unavailable
from qdash.machine import this_machine
from qdash.ui.assets import script
from qdash.ui.markup import scheme_classes

STARTER = PRESETS[0]


def scheme_picker() -> gr.HTML:
    """The component; its value is the keys of the starter preset that run here."""
    packages = this_machine().packages
    return gr.HTML(
        value=preset_keys(STARTER, packages),  # type: ignore[arg-type]
        html_template=picker_html(packages),
        original=original_bits("auto", ""),
        js_on_load=script("scheme_picker"),
        elem_id="schemes",
        apply_default_css=False,
    )


def original_bits(device: Any, baseline_dtype: Any) -> str:
    """What the original computes in here, for its row: a property of the request, not of the scheme."""
    bits = {"float32": 32, "float16": 16, "bfloat16": 16}.get(baseline_dtype or "")
    on_gpu = this_machine().resolve(device if device in ("cpu", "cuda") else "auto") == "cuda"
    return f"{bits or (16 if on_gpu else 32)} bits"


def preset_keys(preset: Preset, packages: Mapping[str, str]) -> list[str]:
    """The schemes of `preset` that run where `packages` are installed; an empty preset means all that do."""
    return [key for key in preset.keys or SCHEMES if unavailable(SCHEMES[key], packages) is None]


def picker_html(packages: Mapping[str, str]) -> str:
    """Pills and rows. The starter's schemes come first; the rest hide behind “more” until chosen."""
    pills = "".join(_pill(preset, packages) for preset in PRESETS)
    keys = [*STARTER.keys, *(key for key in SCHEMES if key not in STARTER.keys)]
    rows = "".join(_row(SCHEMES[key], key in STARTER.keys, packages) for key in keys)
    return (
        f'<fieldset class="schemes"><legend class="lab">Compare</legend><div class="seg" role="group" aria-label="Presets">{pills}</div>'
        f'{rows}<button type="button" class="more" aria-expanded="false"></button></fieldset>'
    )


def _pill(preset: Preset, packages: Mapping[str, str]) -> str:
    keys = escape(json.dumps(preset_keys(preset, packages)))
    return (
        f'<button type="button" class="pill" aria-pressed="false" data-keys="{keys}" title="{escape(preset.about)}">'
        f"{escape(preset.label)}</button>"
    )


def _row(scheme: Scheme, starter: bool, packages: Mapping[str, str]) -> str:
    problem = unavailable(scheme, packages)
    reason = f'<span class="reason">{escape(str(problem))}</span>' if problem else ""
    return (
        f'<label class="opt {scheme_classes(scheme)}" title="{escape(scheme.about)}" data-starter="{int(starter)}">'
        f'<input type="checkbox" value="{escape(scheme.key)}"{" disabled" if problem else ""}>'
        f'<span class="dot" aria-hidden="true"></span><span class="name">{escape(scheme.label)}{reason}</span>'
        f"<small>{_bits(scheme)}</small></label>"
    )


def _bits(scheme: Scheme) -> str:
    if scheme.bits is None:
        return "${original}"  # filled in by gr.HTML from the property of that name
    return f"{scheme.bits} bits{' · simulated' if scheme.kind == 'simulated' else ''}"
