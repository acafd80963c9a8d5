"""The Learn tab: numbers, a way to quantize them, and the result as sliders move.

One gr.HTML whose script (qdash/ui/static/js/learn*.js) computes and draws in the browser, because an answer to every movement of a slider
must not wait for a server. Numbers, formats and cards come from here; only a row of another layer asks Python.
"""

import json
from html import escape
from typing import Any

import gradio as gr

from qdash.learn.distributions import drawn
from qdash.learn.mappings import MAPPINGS, SIZES, Mapping
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import bits_class, sheet_head
from qdash.ui.components.static import script
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.learn.lessons import LESSONS
from qdash.ui.learn.rows import encoded, offered
from qdash.ui.server.event_values import said_by

_NUMBERS = {"row": "A row of the model", "normal": "Normal", "outliers": "With outliers", "uniform": "Uniform", "skewed": "Skewed"}
_HOW_LEVELS = "Grey: the numbers. Colour: what they become; ticks are the levels, with their codes. Click a number to follow it."
_HOW_ORDER = "Shaded: the range of levels that a scale gives its group."
_HOW_CODES = "Before scaling. Click one, or use the arrow keys."
_HOW_ERRORS = "New number minus old, for all of them."


def build_learn_page(model: str) -> gr.HTML:
    """The component, with the first card's picture of a row of `model`. A choice of layer and row triggers `select`."""
    # In the script, not in properties of the component: an update that comes before the tab is first opened replaces all of these.
    given = {
        "mappings": [mapping.to_page() for mapping in MAPPINGS.values()],
        "sizes": [size or 0 for size in SIZES],
        "lessons": [lesson.to_page() for lesson in LESSONS],
        "drawn": {name: encoded(values) for name, values in drawn().items()},
    }
    scripts = map(script, ("learn_rounding", "learn_words", "learn_drawing", "learn"))
    return gr.HTML(
        value=offered(model),  # type: ignore[arg-type]
        html_template=_html(),
        js_on_load="\n".join((f"const given = {json.dumps(given)};", *scripts)),
        elem_id="learn",
        apply_default_css=False,
    )


def wire_learn_page(page: gr.HTML, sidebar: Sidebar) -> None:
    """Connect the choice of a row, and the model of the sidebar."""

    def chosen(event: gr.EventData, model: Any) -> Any:
        return offered(model, said_by(event).text("layer"), said_by(event).number("row"))

    page.select(chosen, sidebar.model, page, trigger_mode="always_last", **QUICK)
    sidebar.model.change(offered, sidebar.model, page, trigger_mode="always_last", **QUICK)


def _html() -> str:
    return (
        '<div class="learn b4"><h2 class="verdict" data-part="headline"></h2><p class="sub" data-part="words"></p>'
        f'<p class="sr-only" aria-live="polite" data-part="spoken"></p>{_lessons()}{_mappings()}'
        f'<div class="bench"><div>{_pictures()}<div class="pair">{_formula()}{_codes()}</div></div>'
        f'<div><section class="sheet controls">{_numbers()}{_sliders()}</section>{_error()}</div></div></div>'
    )


def _lessons() -> str:
    cards = "".join(
        f'<button type="button" class="lesson" aria-pressed="false" data-lesson="{index}">'
        f"<b>{escape(lesson.title)}</b><span>{escape(lesson.teaser)}</span></button>"
        for index, lesson in enumerate(LESSONS)
    )
    return f'<div class="lessons" role="group" aria-label="Six things to see">{cards}</div>'


def _pictures() -> str:
    return (
        f'<section class="sheet">{sheet_head("Levels", _HOW_LEVELS)}<svg class="levels" data-part="levels" role="img"></svg>'
        f'{sheet_head("In order", _HOW_ORDER)}<svg class="order" data-part="order" role="img"></svg></section>'
    )


def _sliders() -> str:
    labels = {"bits": "Bits", "size": "A scale for", "weight": "Follow"}
    return f'<div class="sliders">{"".join(_slider(name, label) for name, label in labels.items())}</div>'


def _slider(name: str, label: str) -> str:
    return (
        f'<label class="{name}"><span>{label}</span><output data-part="{name}-value"></output>'
        f'<input type="range" min="0" step="1" data-part="{name}" aria-label="{label}"></label>'
    )


def _mappings() -> str:
    families: dict[str, list[Mapping]] = {}
    for mapping in MAPPINGS.values():
        families.setdefault(mapping.family, []).append(mapping)
    groups = "".join(_choice(family, "".join(map(_pill_of, members))) for family, members in families.items())
    return f'<div class="mappings">{groups}</div>'


def _pill_of(mapping: Mapping) -> str:
    """With a dot in the colour of its bits, where it has bits of its own."""
    dot = f'<i class="dot {bits_class(mapping.codes[0].bits)}" aria-hidden="true"></i>' if len(mapping.codes) == 1 else ""
    return _pill("mapping", mapping.key, mapping.label, f' title="{escape(mapping.about)}"', dot)


def _pill(kind: str, key: str, label: str, attributes: str = "", dot: str = "") -> str:
    return f'<button type="button" class="pill" aria-pressed="false" data-{kind}="{key}"{attributes}>{dot}{escape(label)}</button>'


def _choice(label: str, pills: str) -> str:
    return f'<div class="choice" role="group" aria-label="{label}"><span class="lab">{label}</span><div class="seg">{pills}</div></div>'


def _numbers() -> str:
    return (
        f'<div class="numbers">{_choice("Numbers", "".join(_pill("numbers", key, label) for key, label in _NUMBERS.items()))}'
        '<div data-part="row-choice"><label class="layer"><span data-part="model"></span><select data-part="layer"></select></label>'
        f'{_slider("row", "Row")}<p class="hint warn" data-part="note"></p></div></div>'
    )


def _formula() -> str:
    head = sheet_head("One number, step by step", "The number that is followed, in the formulas.")
    return f'<section class="sheet">{head}<dl class="steps" data-part="formula"></dl></section>'


def _codes() -> str:
    return (
        f'<section class="sheet"><div class="sheet-head"><h3 data-part="codes-title"></h3><p>{_HOW_CODES}</p></div>'
        '<svg class="codes" data-part="codes" tabindex="0" role="slider" aria-label="Code" aria-valuemin="0"></svg>'
        '<p class="code-words" data-part="code"></p><p class="hint legend" data-part="legend"><i class="sign">sign</i> · '
        '<i class="exponent">exponent</i> · <i class="fraction">fraction</i></p></section>'
    )


def _error() -> str:
    return (
        f'<section class="sheet errors-sheet">{sheet_head("Error", _HOW_ERRORS)}'
        '<svg class="errors" data-part="errors" aria-hidden="true"></svg><dl class="facts" data-part="figures"></dl></section>'
    )
