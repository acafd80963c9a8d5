"""The picture: a preview that takes clicks, drops and pastes, a row of samples below it, and what the chosen one shows.

A gr.HTML rather than gr.Image, which decodes whatever was uploaded before our own checks see it. The value is {"sample": name} or
{"upload": path}; nobody may trust it, see `form.picture_path`.
"""

import gradio as gr
from markupsafe import Markup

from qdash.catalog.presets import STARTER_SAMPLE
from qdash.markup import Macros
from qdash.settings import settings
from qdash.ui.components.static import script
from qdash.ui.controls.samples import samples

_draw = Macros(__name__)

_TYPES = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff,image/avif"


def picture_picker() -> gr.HTML:
    """The component, with the starter's picture chosen."""
    return gr.HTML(
        value={"sample": STARTER_SAMPLE},  # type: ignore[arg-type] - HTML takes any value
        html_template=_html(),
        js_on_load=script("picture_picker"),
        elem_id="picture",
        apply_default_css=False,
    )


def _html() -> Markup:
    return _draw.picker(samples(), settings().max_upload_bytes, _TYPES)
