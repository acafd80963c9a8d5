"""The Mix page's panel that quantizes a model step by step: its components, and what they show of a report."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.catalog.schemes import find_scheme
from qdash.charts.progressive import accuracy_over_size, divergence_over_size
from qdash.charts.style import saved_as
from qdash.markup import Macros
from qdash.present.language import N_, _, recorded
from qdash.present.progressive import is_graded, progressive_facts, progressive_headings, progressive_rows, progressive_verdict
from qdash.records import ProgressiveReport, SensitivityReport
from qdash.ui.components.elements import chart, html
from qdash.ui.server.page_runs import Updates

HOW = N_("Each marker is a step, with its 95% interval; the original is on the right. Hover for what a step quantizes.")

EMPTY = N_(
    "Quantizes the model under one scheme step by step, the layers of least damage first, beside part by part and a random order, and "
    "measures every step on the questions that are held out. About 25 models are loaded one after the other."
)

_draw = Macros("qdash.ui.mix.page")


@dataclass(frozen=True)
class ProgressivePanel:
    """Its components; `report` is what was measured last, a gr.State."""

    scheme: gr.Radio
    start: gr.Button
    told: gr.HTML
    divergence: gr.Plot
    accuracy: gr.Plot
    steps: gr.HTML
    report: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Everything that a run may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_progressive() -> ProgressivePanel:
    """Create the components inside the current column; what a run gives is seen once `told` says so to the style sheet."""
    with gr.Column(elem_classes=["sheet"]):
        told = html(told_html(None), elem_id="mix-progressive-told")
        with gr.Row(elem_id="mix-progressive-bar"):
            scheme = gr.Radio([], label=_("Scheme"), elem_id="mix-progressive-scheme", elem_classes=["pills"], min_width=0)
            start = gr.Button(_("Quantize step by step"), elem_id="mix-progress", min_width=0)
    with gr.Column(elem_id="mix-progressive-results"):
        with gr.Row(elem_classes=["sheets"]):
            divergence = chart(_("Divergence step by step"), _(HOW), "mix-divergence")
            accuracy = chart(_("Right answers step by step"), _(HOW), "mix-accuracy")
        with gr.Column(elem_classes=["sheet"]):
            steps = html(elem_id="mix-steps")
    return ProgressivePanel(scheme, start, told, divergence, accuracy, steps, gr.State(None))


def told_html(report: ProgressiveReport | None) -> str:
    """The verdict with its facts; before anything is measured, what the panel is for."""
    if report is None:
        return _draw.progressive(_("One step after another"), [_(EMPTY)], known=False)
    return _draw.progressive(progressive_verdict(report), list(progressive_facts(report)), known=True)


def progressive_shown(panel: ProgressivePanel, report: ProgressiveReport, *, dark: bool) -> Updates:
    """The updates that show a report, which may still grow."""
    return {
        panel.report: report,
        panel.told: told_html(report),
        panel.steps: _draw.steps(progressive_headings(report), list(progressive_rows(report))),
        **figures(panel, report, dark=dark),
    }


def figures(panel: ProgressivePanel, report: ProgressiveReport, *, dark: bool) -> Updates:
    """The charts of a report."""
    right = accuracy_over_size(report, dark=dark) if is_graded(report) else None
    return {
        panel.divergence: saved_as(
            divergence_over_size(report, dark=dark), "progressive divergence", _("Divergence step by step"), report.model
        ),
        panel.accuracy: right and saved_as(right, "progressive answers", _("Right answers step by step"), report.model),
    }


def offered(panel: ProgressivePanel, report: SensitivityReport) -> Updates:
    """The updates after layers were measured: the schemes to choose from, that of the smallest layers first, and nothing known."""
    sizes: dict[str, int] = {}
    for layer in report.layers:
        sizes[layer.scheme] = sizes.get(layer.scheme, 0) + layer.bytes
    keys = sorted(sizes, key=lambda key: sizes[key])
    choices = [(recorded(find_scheme(key).label), key) for key in keys]
    return {panel.scheme: gr.update(choices=choices, value=keys[0]), panel.report: None, panel.told: told_html(None)}
