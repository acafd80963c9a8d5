"""The page's two basic components, without Gradio's own prose styles, labels and frames."""

import gradio as gr

from qdash.ui.components.markup import sheet_head


def html(value: str = "", *, elem_id: str | None = None, elem_classes: list[str] | None = None) -> gr.HTML:
    """A piece of markup; what is not a literal in it must be escaped already."""
    return gr.HTML(value, elem_id=elem_id, elem_classes=elem_classes, apply_default_css=False)


def chart(title: str, how_to_read: str, elem_id: str) -> gr.Plot:
    """A figure on a sheet of its own, below its title and one line on how to read it."""
    with gr.Column(elem_classes=["sheet"]):
        html(sheet_head(title, how_to_read, elem_id))
        return gr.Plot(show_label=False, container=False, elem_id=elem_id, buttons=[])
