"""The foot of every page: the way to help, and the glossary, which has every term that is explained anywhere."""

import gradio as gr
from markupsafe import Markup

from qdash.markup import Macros
from qdash.ui.components import text
from qdash.ui.components.elements import html

_draw = Macros(__name__)


def build_foot() -> gr.HTML:
    """Create it inside the current column."""
    return html(foot_html(), elem_id="foot")


def foot_html() -> Markup:
    """Its markup."""
    return _draw.foot(text.TIPS)
