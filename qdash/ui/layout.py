"""Puts the page together: sidebar, tabs, and what connects them."""

import os
from collections.abc import Callable
from typing import Any

import gradio as gr

from qdash.present.language import _
from qdash.settings import settings
from qdash.ui.components.foot import build_foot
from qdash.ui.controls.arrival import wire_arrival
from qdash.ui.controls.page import Page, Shared
from qdash.ui.controls.sidebar import build_sidebar, estimate_on, wire_sidebar
from qdash.ui.pages import PAGES, RUNNING
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.sparse_updates import SparseBlocks
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.tabs import Tabs
from qdash.ui.server.waiting import let_one_wait
from qdash.zerogpu import active as on_zerogpu

KEPT_S = {False: (3600, 24 * 3600), True: (300, 3600)}
"""In public mode or not → how often files are looked through, and how old they may get."""


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
    with SparseBlocks(title="qdash", analytics_enabled=False, delete_cache=KEPT_S[limits.public], fill_width=True) as blocks:
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="sidebar"):
                sidebar = build_sidebar()
            with gr.Column(elem_id="main"):
                with gr.Tabs(elem_id="tabs") as tabs:
                    built = {page.key: _built(page) for page in PAGES}
                build_foot()
        wire_sidebar(sidebar, blocks, backend)
        shared = Shared(blocks, tabs, sidebar, wire_arrival(sidebar, blocks), backend, line, runs, sessions, built)
        for page in PAGES:
            page.wire(shared.of(page), shared)
        estimate_on([shared.of(page).phase.change for page in RUNNING], sidebar, backend)
        blocks.unload(_closing(runs, sessions))
        let_one_wait(blocks)
    return blocks


def _built(page: Page[Any]) -> tuple[gr.Tab, Any]:
    with gr.Tab(_(page.title), id=page.key) as tab:
        return tab, page.build()


def _closing(runs: Runs, sessions: Sessions) -> Callable[[gr.Request], None]:
    def closed(request: gr.Request) -> None:
        runs.leave(str(request.session_hash))
        sessions.close(str(request.session_hash))

    return closed
