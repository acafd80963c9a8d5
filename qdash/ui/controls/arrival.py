"""When a page opens, it sends its visitor's number and the last form, so that a reload loses neither a run nor the form.

Both are kept by the browser for as long as its tab is open (sessionStorage, qdash/ui/static/js/page.js), and sent once. The visitor is a
random number; anyone who knows it may follow and stop its runs, nothing else. The form is checked like anything typed into it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.ui.components.events import QUICK
from qdash.ui.controls.form import Form, check_model, check_variants, picture_path
from qdash.ui.controls.sidebar import DTYPES, Sidebar

_VISITOR = re.compile(r"[0-9a-f]{32}")
MOST_CHARS = 100_000
"""Of a text that is filled in again; what may be asked is shorter."""


@dataclass(frozen=True)
class Arrival:
    """`visitor` is a state, "" until the page has said who it is; `then` connects what follows from that."""

    visitor: gr.State
    then: Callable[..., Dependency]


def wire_arrival(sidebar: Sidebar, blocks: gr.Blocks) -> Arrival:
    """Connect the opening of the page, and let the browser keep the form whenever it changes."""
    visitor = gr.State("")
    form: list[Any] = sidebar.form
    # The picture last: a new picture asks for a fitting question, and by then one's own is there.
    order = sorted(range(len(form)), key=lambda place: form[place] is sidebar.picture)

    def arrived(said: Any) -> list[Any]:
        found = said if isinstance(said, dict) else {}
        values = restored(found.get("form"))
        return [visitor_of(found.get("visitor")), *(values[place] for place in order)]

    gr.on(
        [component.change for component in form], None, form, js="(...values) => window.qdashKeep(values)", api_visibility="private",
        trigger_mode="always_last",
    )  # fmt: skip
    # The theme switch only carries what the script says, as in `dark_first`.
    arrival = blocks.load(arrived, sidebar.theme, [visitor, *(form[place] for place in order)], js="() => [window.qdashArrive()]", **QUICK)
    return Arrival(visitor, arrival.then)


def visitor_of(said: Any) -> str:
    """The visitor's number; "" for anything else."""
    return said if isinstance(said, str) and _VISITOR.fullmatch(said) else ""


def restored(said: Any) -> list[Any]:
    """Updates for the components of a `Form`: the values that a browser has kept; no change where there is none or it does not exist
    here.
    """
    values = said if isinstance(said, list) and len(said) == len(_RESTORED) else [None] * len(_RESTORED)
    return [value if fits(value, values) else gr.skip() for value, fits in zip(values, _RESTORED.values(), strict=True)]


def _valid(check: Callable[..., Any], *values: Any) -> bool:
    try:
        check(*values)
    except QdashError:
        return False
    return True


def _is_text(value: Any, _: list[Any]) -> bool:
    return isinstance(value, str) and len(value) <= MOST_CHARS


def _is_number(value: Any, _: list[Any]) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_RESTORED: dict[str, Callable[[Any, list[Any]], bool]] = {
    "model": lambda value, _: _valid(check_model, value),
    "schemes": lambda value, values: _valid(check_model, values[0]) and _valid(check_variants, values[0], value),
    "picture": lambda value, _: _valid(picture_path, value),
    "question": _is_text,
    "runs": _is_number,
    "warmup": _is_number,
    "tokens": _is_number,
    "baseline_dtype": lambda value, _: value in [dtype for _, dtype in DTYPES],
    "device": lambda value, _: value in this_machine().choices,
    "reference_text": _is_text,
}
"""The fields of a `Form` in their order → whether a value of them may be filled in; the values of all are given too."""

assert list(_RESTORED) == list(Form.__dataclass_fields__)
