"""Gradio's page, for handlers that change a few of many components.

After each update Gradio builds anew every component that the handler might have changed, with its configuration, also those it left alone.
Where many visitors follow their runs, that takes more of the server's time than anything else. Here only the changed ones are processed.
"""

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list
from gradio.state_holder import SessionState

UNCHANGED = gr.skip()


class SparseBlocks(gr.Blocks):
    """`gr.Blocks` that leaves unchanged outputs alone, and tells the browser so."""

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """What to send to the browser for each output of `block_fn`, which has returned `predictions`."""
        outputs = list(block_fn.outputs)
        values: Any = predictions
        if isinstance(values, dict) and values == UNCHANGED:
            values = [values] * len(outputs)
        elif isinstance(values, dict) and values:
            values = convert_component_dict_to_list(outputs, values)
        if len(outputs) < 2 or not isinstance(values, list | tuple) or len(values) != len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        changed = [place for place, value in enumerate(values) if not (isinstance(value, dict) and value == UNCHANGED)]
        sent: list[Any] = [None if output.stateful else dict(UNCHANGED) for output in outputs]
        if not changed:
            return sent
        few = copy(block_fn)
        few.outputs = [outputs[place] for place in changed]
        given = [values[place] for place in changed]
        # For a single output, Gradio expects its value alone.
        processed = await super().postprocess_data(few, given if len(given) > 1 else given[0], state)
        for place, value in zip(changed, processed, strict=True):
            sent[place] = value
        return sent
