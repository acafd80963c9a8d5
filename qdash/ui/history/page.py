"""The History tab: the list of finished runs, one of them opened again, or what changed between two. All three lie in the page; an
attribute says which is seen (see `visibility`).
"""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.present.language import _
from qdash.ui.components import text
from qdash.ui.components.elements import html
from qdash.ui.components.static import script
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.history.view import STEP, history_phase_html, tools_html
from qdash.ui.results.comparison import Results, build_charts, build_drawer_buttons, build_drawers
from qdash.ui.results.evaluation import QualityResults, build_quality_results


@dataclass(frozen=True)
class OpenedRun:
    """The components that show one run."""

    head: gr.HTML
    share: gr.HTML
    asked: gr.HTML
    verdict: gr.HTML
    cards: gr.HTML
    results: Results
    quality: QualityResults
    """What an evaluation has in place of cards and results."""

    @property
    def outputs(self) -> list[Any]:
        """All of them."""
        single = [getattr(self, field.name) for field in fields(self) if field.name not in ("results", "quality")]
        return [*single, *self.results.outputs, *self.quality.outputs]


@dataclass(frozen=True)
class HistoryPage:
    """Its components. States, the tab's own: `run` is what is opened, `rows` how many the list shows, `deleted` what Undo brings back."""

    phase: gr.HTML
    banner: gr.HTML
    head: gr.HTML
    search: gr.Textbox
    tools: gr.HTML
    runs: gr.HTML
    back: gr.Button
    again: gr.Button
    delete: gr.Button
    opened: OpenedRun
    difference: gr.HTML
    file: gr.DownloadButton
    run: gr.State
    rows: gr.State
    deleted: gr.State

    @property
    def listed(self) -> list[Any]:
        """What a new list changes."""
        return [self.phase, self.banner, self.head, self.runs, self.rows, self.deleted]

    @property
    def refreshed(self) -> list[Any]:
        """What a new run changes, in every view."""
        return [self.head, self.runs]

    @property
    def outputs(self) -> list[Any]:
        """Everything."""
        return [*self.listed, *self.opened.outputs, self.difference, self.run, self.file]


def build_history_page() -> HistoryPage:
    """Create the components inside the current tab."""
    phase = html(history_phase_html("list"), elem_classes=["phases"])
    banner = _acting("", "history-banner")
    with gr.Column(elem_id="history-all"):
        with gr.Row(elem_id="history-bar"):
            head = html(sentence_html(_(text.HISTORY_EMPTY), _(text.HISTORY_EMPTY_WHY)), elem_id="history-head")
            search = gr.Textbox(
                label=_("Search"), show_label=False, placeholder=_("Search: model, scheme, words"), elem_id="history-search", min_width=0,
                max_lines=1,
            )  # fmt: skip
            tools = _acting(tools_html(), "history-tools")
        runs = _acting("", "history-list")
    with gr.Row(elem_id="history-back-bar"):
        back = gr.Button(_("← All runs"), elem_id="history-back", elem_classes=["link"], min_width=0)
        again = gr.Button(_("Run again with these settings"), elem_id="history-again", min_width=0)
        delete = gr.Button(_("Delete"), elem_id="history-delete", elem_classes=["link"], min_width=0)
    opened = _build_run()
    with gr.Column(elem_id="history-difference"):
        difference = _acting("", "difference")
    file = gr.DownloadButton(visible="hidden")
    return HistoryPage(
        phase=phase, banner=banner, head=head, search=search, tools=tools, runs=runs, back=back, again=again, delete=delete,
        opened=opened, difference=difference, file=file, run=gr.State(None), rows=gr.State(STEP), deleted=gr.State([]),
    )  # fmt: skip


def _build_run() -> OpenedRun:
    with gr.Column(elem_id="history-run"):
        head = _acting("", "history-run-head")
        verdict = html(elem_id="history-verdict")
        asked = html(elem_id="history-asked")
        cards = html(elem_id="history-cards")
        with gr.Column(elem_id="history-results"):
            charts = build_charts("history-")
            with gr.Row(elem_classes=["below"]):
                conditions = html(elem_id="history-conditions")
                build_drawer_buttons(("table", "export", "code"), "history-")
            drawers = build_drawers("history-")
        with gr.Column(elem_id="history-quality"):
            quality = build_quality_results("history-quality-")
        share = _acting("", "history-share")
    return OpenedRun(head, share, asked, verdict, cards, Results(charts, conditions, drawers), quality)


def _acting(value: str, elem_id: str) -> gr.HTML:
    """Markup whose buttons (data-do) trigger `select` with what is to be done, and to which runs."""
    return gr.HTML(value, js_on_load=script("history"), elem_id=elem_id, apply_default_css=False)
