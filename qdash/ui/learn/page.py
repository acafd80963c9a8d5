"""The Learn tab: numbers, a way to quantize them, and the result as sliders move.

One gr.HTML whose script (qdash/ui/static/js/learn*.js) computes and draws in the browser, because an answer to every movement of a slider
must not wait for a server. Numbers, formats and cards come from here; only a row of another layer asks Python.
"""

import json
from typing import Any

import gradio as gr
from markupsafe import Markup

from qdash.learn.distributions import drawn
from qdash.learn.mappings import HEADINGS, MAPPINGS, SIZES, Mapping
from qdash.markup import Macros
from qdash.present.language import N_, _
from qdash.ui.components.events import QUICK
from qdash.ui.components.static import script
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.learn.lessons import LESSONS
from qdash.ui.learn.rows import encoded, offered
from qdash.ui.server.event_values import said_by

_draw = Macros(__name__)

_NUMBERS = {
    "row": N_("A row of the model"), "normal": N_("Normal"), "outliers": N_("With outliers"), "uniform": N_("Uniform"),
    "skewed": N_("Skewed"),
}  # fmt: skip


def build_learn_page(model: str) -> gr.HTML:
    """The component, with the first card's picture of a row of `model`. A choice of layer and row triggers `select`."""
    # In the script, not in properties of the component: an update that comes before the tab is first opened replaces all of these.
    given = {
        "mappings": [mapping.to_page() | {"about": _(mapping.about)} for mapping in MAPPINGS.values()],
        "sizes": [size or 0 for size in SIZES],
        "lessons": [lesson.to_page() for lesson in LESSONS],
        "drawn": {name: encoded(values) for name, values in drawn().items()},
    }
    scripts = map(script, ("learn_rounding", "learn_words", "learn_drawing", "learn"))
    return gr.HTML(
        value=offered(model),  # type: ignore[arg-type] - HTML takes any value
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


def _html() -> Markup:
    families: dict[str, list[Mapping]] = {}
    for mapping in MAPPINGS.values():
        families.setdefault(HEADINGS[mapping.family], []).append(mapping)
    return _draw.learn(LESSONS, families, _NUMBERS)
