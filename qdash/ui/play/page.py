"""The Play tab: a model that is broken and healed by hand, and answers at every move."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from qdash.catalog.format_series import SERIES, WIDEST
from qdash.present.language import _, ngettext
from qdash.records import EVERYTHING
from qdash.ui.components.elements import html
from qdash.ui.components.visibility import phase_html
from qdash.ui.play.moves import COUNTS
from qdash.ui.play.view import empty_html, noise_label, place_choices, series_choices


@dataclass(frozen=True)
class PlayPage:
    """Its components."""

    phase: gr.HTML
    banner: gr.HTML
    verdict: gr.HTML
    answers: gr.HTML
    series: gr.Radio
    where: gr.Dropdown
    start: gr.Button
    stop: gr.Button
    bits: gr.Slider
    facts: gr.HTML
    histogram: gr.HTML
    count: gr.Radio
    largest: gr.Button
    random: gr.Button
    noise: gr.Button
    restore: gr.Button
    undo: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Everything that a game may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_play_page() -> PlayPage:
    """Create the components inside the current tab."""
    phase = html(phase_html("play", running=False, results=False), elem_classes=["phases"])
    banner = html(elem_id="play-banner")
    with gr.Row(elem_id="play-top"):
        verdict = html(empty_html(), elem_id="play-verdict")
        start = gr.Button(_("Play"), variant="primary", elem_id="play-start", min_width=0)
        stop = gr.Button(_("Stop"), elem_id="play-stop", min_width=0)
    answers = html(elem_id="play-answers")
    with gr.Column(elem_id="play-game"):
        bits = gr.Slider(1, WIDEST, WIDEST, step=1, label=_("Bits per weight"), elem_id="play-bits", buttons=[])
        with gr.Row(elem_id="play-bar"):
            series = _pills(series_choices(), next(iter(SERIES)), _("Format"), "play-series")
            where = gr.Dropdown(place_choices(()), value=EVERYTHING, label=_("Where"), elem_id="play-where", min_width=0, filterable=False)
        facts = html(elem_id="play-facts")
        with gr.Row(elem_id="play-hurt"):
            counts = [(ngettext("{number} weight", "{number} weights", count), count) for count in COUNTS]
            count = _pills(counts, COUNTS[1], _("Remove"), "play-count")
            buttons = [
                gr.Button(words, elem_id=f"play-{name}", min_width=0)
                for name, words in (
                    ("largest", _("The largest")), ("random", _("Random ones")), ("noise", noise_label()), ("restore", _("Restore")),
                    ("undo", _("Undo")),
                )
            ]  # fmt: skip
        histogram = html(elem_id="play-histogram")
    return PlayPage(phase, banner, verdict, answers, series, where, start, stop, bits, facts, histogram, count, *buttons)


def _pills(choices: list[Any], value: Any, label: str, elem_id: str) -> gr.Radio:
    return gr.Radio(choices, value=value, label=label, elem_id=elem_id, elem_classes=["pills"], min_width=0)
