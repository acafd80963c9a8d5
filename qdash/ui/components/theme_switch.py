"""Light or dark. A button, and the way for handlers to know which: figures have to be drawn to match.

The browser is asked when an event is sent (`dark_first`). Keeping the answer as the component's value would be a race at page load.
It follows every change of the theme (by the system, Gradio's ?__theme=dark or the button) by watching the body's class.
"""

import gradio as gr

from qdash.markup import Macros
from qdash.ui.components.static import script

_draw = Macros(__name__)


def theme_switch() -> gr.HTML:
    """The button; `change` fires when the theme did."""
    return gr.HTML(html_template=_draw.button(), js_on_load=script("theme_switch"), elem_id="theme", apply_default_css=False)


def dark_first(inputs: int) -> str:
    """JavaScript for a listener of `inputs` inputs, the first of them the switch: sets it to whether the page is dark."""
    return f"(...values) => [document.body.classList.contains('dark'), ...values.slice(1, {inputs})]"
