"""What Gradio keeps for tabs that do not read it: it bounds neither the messages of a tab nor the time it keeps them.

It has no setting for either, so this reads the queue's own tables; a test puts a message into a real queue.
"""

import gradio as gr


def unread_messages(blocks: gr.Blocks, number: str) -> int:
    """How many messages wait for the tab `number`."""
    waiting = blocks._queue.pending_messages_per_session.get(number)
    return 0 if waiting is None else waiting.qsize()


def forget_messages(blocks: gr.Blocks, number: str) -> None:
    """Let go of the messages for a tab that has gone, and of the events they answer."""
    queue = blocks._queue
    for name in queue.pending_event_ids_session.pop(number, ()):
        event = queue.event_ids_to_events.pop(name, None)
        if event is not None:
            event.alive = False  # what it still says goes nowhere
    queue.pending_messages_per_session.pop(number, None)
