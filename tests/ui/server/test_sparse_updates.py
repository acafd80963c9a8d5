"""What a handler leaves alone is not processed, and the browser is told what Gradio itself would tell it.

But for one thing: Gradio takes the mark of an update for a property of an HTML component, and sends it as one.
"""

import asyncio
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from qdash.ui.server.sparse_updates import SparseBlocks


def _page(kind: type[gr.Blocks]) -> tuple[gr.Blocks, list[Any]]:
    with kind() as blocks:
        components = [gr.Number(1), gr.Textbox("a"), gr.State("kept"), gr.HTML("<p>"), gr.State("other")]
        gr.Button().click(lambda: None, None, components)
        gr.Button().click(lambda: None, None, components[1])
    return blocks, components


def _sent(kind: type[gr.Blocks], predictions: Any, handler: int = 0) -> tuple[list[Any], bool, list[Any]]:
    """What the browser is told, whether the number is still the one that was made first, and the states after it."""
    blocks, components = _page(kind)
    state = SessionState(blocks)
    sent = asyncio.run(blocks.postprocess_data(blocks.fns[handler], predictions(components), state))
    return sent, state[components[0]._id] is components[0], [state[components[place]._id] for place in (2, 4)]


def _without_mark(sent: list[Any]) -> list[Any]:
    """The same without the property that only marks an update."""
    mark = {"props": {"__type__": "update"}}
    return [{name: part for name, part in each.items() if {name: part} != mark} if isinstance(each, dict) else each for each in sent]


@pytest.mark.parametrize(
    "predictions",
    [
        lambda components: {components[1]: "b"},
        lambda components: {components[1]: "b", components[2]: "new"},
        lambda components: {components[3]: gr.update(value="<b>", elem_classes=["x"]), components[1]: None},
        lambda components: {components[2]: {"__type__": "update"}},
        lambda components: [gr.skip(), "b", "new", gr.skip(), gr.skip()],
        lambda components: gr.skip(),
        lambda components: [2, "b", "new", "<i>", gr.skip()],
    ],
)
def test_the_browser_is_told_the_same(predictions: Any, event_loops_closed: None) -> None:
    ours, theirs = _sent(SparseBlocks, predictions), _sent(gr.Blocks, predictions)
    assert _without_mark(ours[0]) == _without_mark(theirs[0]) and ours[2] == theirs[2]
    assert ours[1], "a component that is left alone is not made again"


def test_a_handler_of_one_output_is_left_to_gradio(event_loops_closed: None) -> None:
    # Made anew for each: Gradio takes the value out of an update.
    for predictions in (lambda _: "b", lambda _: gr.update(value="c"), lambda _: gr.skip()):
        assert _sent(SparseBlocks, predictions, 1)[0] == _sent(gr.Blocks, predictions, 1)[0]


def test_too_few_values_are_still_a_fault(event_loops_closed: None) -> None:
    with pytest.raises(ValueError, match="didn't return enough"):
        _sent(SparseBlocks, lambda components: [1, "b"])
