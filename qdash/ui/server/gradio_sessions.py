"""What Gradio keeps for each tab: it bounds neither the messages that a tab does not read nor the time it keeps them and its state.

It has no setting for these, so this reads its own tables; a test puts a message into a real queue. What it keeps for nobody, statistics of
all events, is turned off.
"""

import os

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


def forget_state(blocks: gr.Blocks, number: str) -> None:
    """Let go of the values of the components in a tab that has gone."""
    blocks.state_holder.session_data.pop(number, None)
    blocks.state_holder.time_last_used.pop(number, None)


def keep_no_statistics() -> None:
    """Let the queues that are made from now on keep no statistics.

    They are for a page that qdash does not serve. Gradio keeps 10,000 events for them, and after each event computes them anew in pandas.
    That takes 10 to 20 ms, in which nobody is served.
    """
    os.environ.update(GRADIO_ANALYTICS_MAX_EVENTS="1", GRADIO_ANALYTICS_CACHE_FREQUENCY=str(10**12))
