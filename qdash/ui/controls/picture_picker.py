"""The picture: a preview that takes clicks, drops and pastes, and a row of samples below it.

A gr.HTML rather than gr.Image, which decodes whatever was uploaded before our own checks see it. The value is {"sample": name} or
{"upload": path}; nobody may trust it, see `form.picture_path`.
"""

from html import escape

import gradio as gr

from qdash.catalog.presets import T1_SAMPLE
from qdash.settings import settings
from qdash.ui.components.static import script
from qdash.ui.controls.samples import Sample, samples

_TYPES = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff,image/avif"


def picture_picker() -> gr.HTML:
    """The component, with the first tutorial's picture chosen."""
    return gr.HTML(
        value={"sample": T1_SAMPLE},  # type: ignore[arg-type]
        html_template=_html(),
        js_on_load=script("picture_picker"),
        elem_id="picture",
        apply_default_css=False,
    )


def _html() -> str:
    thumbs = "".join(map(_thumb, samples()))
    return (
        f'<div class="picture" role="group" aria-label="Picture" data-limit="{settings().max_upload_bytes}">'
        '<span class="lab">Picture</span>'
        '<button type="button" class="view" aria-label="Upload another picture"><img alt="">'
        '<span class="hint">Click, drop or paste a picture</span></button>'
        f'<div class="thumbs">{thumbs}'
        '<button type="button" class="thumb add" aria-label="Upload a picture" title="Upload a picture">＋</button></div>'
        f'<input type="file" accept="{_TYPES}" hidden tabindex="-1" aria-label="Picture file"><p class="note" role="status"></p></div>'
    )


def _thumb(sample: Sample) -> str:
    title = escape(sample.title)
    return (
        f'<button type="button" class="thumb" aria-pressed="false" data-sample="{escape(sample.file)}" '
        f'title="{title}" aria-label="Sample: {title}"><img src="{sample.data_uri()}" alt=""></button>'
    )
