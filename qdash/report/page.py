"""What every HTML report shares: one frame, its style, plotly inside the file, and figures as data in both colour schemes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from qdash.charts.style import saved_as
from qdash.markup import save_picture_script, template
from qdash.present.language import language


@dataclass(frozen=True)
class Chart:
    """A figure in both colour schemes, as JSON safe inside a script element; `reading` is how to read it, in a line."""

    key: str
    title: str
    reading: str
    data: Markup


def chart(
    key: str, title: str, reading: str, draw: Callable[..., go.Figure | None], *records: Any, model: str, of: tuple[str, str] = ("", "")
) -> Chart | None:
    """The chart that `draw(*records, dark=…)` makes; None if it makes none.

    Saved as a picture it is called by `key` and `title`, the name of the `model`, and what it is `of`: a key, and how people say it.
    """
    light, dark = draw(*records, dark=False), draw(*records, dark=True)
    if light is None or dark is None:
        return None
    for figure in (light, dark):
        saved_as(figure, f"{key.split('-')[0]} {of[0]}", f"{title}: {of[1]}" if of[1] else title, model)
    text = json.dumps({scheme: json.loads(figure.to_json() or "{}") for scheme, figure in (("light", light), ("dark", dark))})
    # Inside a script element only "<" can end it or begin a comment; in JSON it may be written as an escape.
    return Chart(key, title, reading, Markup(text.replace("<", "\\u003c")))


def page(kind: str, **values: object) -> str:
    """A report of a `kind`, which has a template of this name, with everything it needs inside."""
    return template(f"report/{kind}.html.jinja").render(**values, **_inside(), language=language())


@cache
def _inside() -> dict[str, Markup]:
    """Style and scripts: files of this package and of plotly's, which are trusted."""
    here = files("qdash.report")
    css = "".join(here.joinpath(f"{sheet}.css").read_text(encoding="utf-8") for sheet in ("comparison", "weights"))
    drawing = save_picture_script() + here.joinpath("draw.js").read_text(encoding="utf-8")
    return {"css": Markup(css), "plotly": Markup(get_plotlyjs()), "drawing": Markup(drawing)}
