"""Lets at most one handler of an event wait while it is at work.

A handler in Gradio's mode “always_last”, the usual one for `change`, waits when its event comes again while it is at work; once it is done,
Gradio repeats the whole event, with all handlers. Two that wait for one event repeat each other for ever, and the page never stops asking
the server. The others run every time; the one that waits ensures that the last run of all has the last values.
"""

import gradio as gr


def let_one_wait(blocks: gr.Blocks) -> None:
    """Let the first waiting handler of every event wait, and the others run every time."""
    taken: set[tuple[int | None, str]] = set()
    for handler in blocks.fns.values():
        if handler.trigger_mode == "always_last":
            if taken & set(handler.targets):
                handler.trigger_mode = "multiple"
            else:
                taken |= set(handler.targets)
