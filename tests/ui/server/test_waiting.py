"""Of the handlers of one event at most one waits: two would repeat each other for ever."""

from collections import Counter

import gradio as gr
import pytest

from qdash.ui.layout import build
from qdash.ui.server.waiting import let_one_wait
from tests.support.scripted import ScriptedBackend


def waiting(blocks: gr.Blocks) -> Counter[tuple[int | None, str]]:
    """How many handlers wait for each event, as the browser is told."""
    told = blocks.get_config_file().get("dependencies", [])
    return Counter(tuple(target) for handler in told if handler["trigger_mode"] == "always_last" for target in handler["targets"])


@pytest.mark.usefixtures("event_loops_closed")
def test_two_handlers_of_a_change_do_not_both_wait() -> None:
    with gr.Blocks() as blocks:
        text, other = gr.Textbox(), gr.Textbox()
        text.change(lambda value: value, text, other)
        text.change(lambda value: value, text, other)
        other.change(lambda value: value, other)
        assert waiting(blocks)[text._id, "change"] == 2
        let_one_wait(blocks)
    assert set(waiting(blocks).values()) == {1} and (other._id, "change") in waiting(blocks)


@pytest.mark.usefixtures("event_loops_closed")
def test_on_the_page_nobody_waits_beside_another() -> None:
    assert set(waiting(build(ScriptedBackend())).values()) == {1}
