"""Puts the page together: sidebar, tabs, and what connects them."""

import os
from collections.abc import Callable

import gradio as gr

from qdash.catalog.models import MODELS
from qdash.machine import this_machine
from qdash.settings import settings
from qdash.ui.compare.page import build_compare_page, wire_compare_page
from qdash.ui.components.foot import build_foot
from qdash.ui.controls.arrival import wire_arrival
from qdash.ui.controls.scheme_picker import STARTER, preset_keys
from qdash.ui.controls.sidebar import build_sidebar, wire_sidebar
from qdash.ui.history.handlers import wire_history_page
from qdash.ui.history.page import build_history_page
from qdash.ui.learn.page import build_learn_page, wire_learn_page
from qdash.ui.quality.handlers import wire_quality_page
from qdash.ui.quality.page import build_quality_page
from qdash.ui.run_again_events import wire_again
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.tabs import Tabs
from qdash.ui.server.waiting import let_one_wait
from qdash.ui.weights.handlers import wire_weights_page
from qdash.ui.weights.page import build_weights_page
from qdash.zerogpu import active as on_zerogpu

KEPT_S = {False: (3600, 24 * 3600), True: (300, 3600)}
"""In public mode or not → how often files are looked through, and how old they may get."""

STARTER_MODEL = next(iter(MODELS))


def build(backend: Backend, browser_tabs: Tabs | None = None) -> gr.Blocks:
    """The whole page over `backend`. A run without a listening tab in `browser_tabs` ends after a while; without `browser_tabs` all
    listen.
    """
    limits = settings()
    # Uploads lie where `form` looks for them, and nowhere else. Gradio reads this when components are created.
    os.environ["GRADIO_TEMP_DIR"] = str(limits.uploads)
    # Where a GPU is lent to one run after another, answers cannot go before another run's timing.
    line = Line(
        limits.max_queue, 1 if on_zerogpu() else limits.max_running, each=limits.public_jobs, each_address=limits.public_jobs_per_address
    )
    is_here = browser_tabs.is_here if browser_tabs is not None else lambda tab: True
    runs, sessions = Runs(is_here=is_here), Sessions(is_here, limits.public_disk_bytes if limits.public else None)
    if browser_tabs is not None:
        browser_tabs.when_gone.append(sessions.close)
    starter = preset_keys(STARTER, this_machine())
    with gr.Blocks(title="qdash", analytics_enabled=False, delete_cache=KEPT_S[limits.public], fill_width=True) as blocks:
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="sidebar"):
                sidebar = build_sidebar()
            with gr.Column(elem_id="main"):
                with gr.Tabs(elem_id="tabs") as tabs:
                    with gr.Tab("Compare", id="compare"):
                        compare_page = build_compare_page(STARTER_MODEL, starter)
                    with gr.Tab("Weights", id="weights"):
                        weights_page = build_weights_page()
                    with gr.Tab("Quality", id="quality"):
                        quality_page = build_quality_page(STARTER_MODEL)
                    with gr.Tab("History", id="history") as history_tab:
                        history_page = build_history_page()
                    with gr.Tab("Learn", id="learn"):
                        learn_page = build_learn_page(STARTER_MODEL)
                build_foot()
        wire_sidebar(sidebar, blocks, backend)
        arrival = wire_arrival(sidebar, blocks)
        finished = wire_compare_page(compare_page, sidebar, tabs, arrival, backend, line, runs, sessions)
        wire_weights_page(weights_page, sidebar, compare_page.look_inside, tabs, arrival, backend, line, runs, sessions)
        wire_quality_page(quality_page, sidebar, arrival, backend, line, runs, sessions)
        wire_history_page(history_page, history_tab, sidebar, tabs, blocks, sessions, finished)
        wire_again(history_page, sidebar, quality_page, tabs, blocks, backend)
        wire_learn_page(learn_page, sidebar)
        blocks.unload(_closing(runs, sessions))
        let_one_wait(blocks)
    return blocks


def _closing(runs: Runs, sessions: Sessions) -> Callable[[gr.Request], None]:
    def closed(request: gr.Request) -> None:
        runs.leave(str(request.session_hash))
        sessions.close(str(request.session_hash))

    return closed
