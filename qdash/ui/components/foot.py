"""The foot of every page: the way to help, and the glossary, which has every term that is explained anywhere."""

from html import escape

import gradio as gr

from qdash.ui.components import text
from qdash.ui.components.elements import html


def build_foot() -> gr.HTML:
    """Create it inside the current column."""
    return html(foot_html(), elem_id="foot")


def foot_html() -> str:
    """Its markup."""
    terms = "".join(f"<dt>{escape(word)}</dt><dd>{escape(tip)}</dd>" for word, tip in text.TIPS.items())
    return (
        '<footer class="foot" role="contentinfo"><a href="help/" target="_blank" rel="noopener">Help and documents</a>'
        f'<details class="glossary"><summary>Glossary</summary><dl>{terms}</dl></details></footer>'
    )
