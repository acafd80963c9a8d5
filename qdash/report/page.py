"""What every HTML report shares: one frame, its style, plotly inside the file, and figures as data in both colour schemes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from qdash.catalog.models import ASSETS, model_name
from qdash.charts.style import saved_as
from qdash.present.coverage import covered, covered_by_part, left_alone
from qdash.present.formatting import ANSWERS_HIDDEN


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


def bits_class(bits: int | None) -> str:
    """The class that colours a card: colour means bits, as on the page."""
    if bits is None or bits > 8:
        return "b16"
    return next((f"b{bound}" for bound in (8, 6, 4) if bits >= bound), "b2")


@cache
def template(name: str) -> Template:
    """The template of a report, such as "comparison.html.jinja"."""
    # Autoescape everywhere: there is no text here that may be markup, but for what is wrapped in Markup.
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "covered": covered,
        "covered_by_part": covered_by_part,
        "left_alone": left_alone,
        "answers_hidden": ANSWERS_HIDDEN,
        "model_name": model_name,
    }
    environment.globals["css"] = Markup(
        "".join((folder / f"{sheet}.css").read_text(encoding="utf-8") for sheet in ("comparison", "weights"))
    )
    environment.globals["save_picture"] = Markup((ASSETS.parent / "ui" / "static" / "js" / "save_picture.js").read_text(encoding="utf-8"))
    environment.globals["plotly"] = Markup(get_plotlyjs())  # trusted: a file of the plotly package
    return environment.get_template(name)
