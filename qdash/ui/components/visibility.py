"""Which buttons and results are visible, as attributes in the page that the style sheet uses.

Gradio can show and hide components itself, but removes them from the page and adds them again, and in a stream of updates the last one can
get lost; then Stop stays for good. An attribute cannot get lost, and figures keep their place and size.
"""

from typing import Any

from markupsafe import Markup

from qdash.markup import Macros

_draw = Macros(__name__)


def phase_html(of: str, *, running: bool, results: bool, partial: bool = False) -> Markup:
    """The phase of the page called `of`, `partial` with results that are still coming in; see qdash/ui/static/css/2-page.css and
    6-weights.css.
    """
    states = [f"{of}-running"] * running + [f"{of}-results"] * results + [f"{of}-partial"] * partial
    return _draw.phase(states)


def is_running(phase: Any) -> bool:
    """Whether something runs, from what `phase_html` made, as a browser sends it back."""
    return isinstance(phase, str) and "-running" in phase


def is_partial(phase: Any) -> bool:
    """Whether only some results are there, from what `phase_html` made, as a browser sends it back."""
    return isinstance(phase, str) and "-partial" in phase
