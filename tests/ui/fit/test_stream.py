"""What the Fit tab shows while it estimates and measures, and what it makes of values that no page sends."""

from dataclasses import astuple, replace
from threading import Event
from typing import Any

import gradio as gr
import pytest

from qdash.charts.fit import fit_bars
from qdash.errors import QdashError
from qdash.records import FitReport
from qdash.settings import settings
from qdash.ui.fit.handlers import form_of, usual
from qdash.ui.fit.page import stands_at
from qdash.ui.fit.stream import FitForm, estimated, measured
from qdash.ui.fit.view import headline_html, limits_of, measured_html, notes_html, table_html
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend

FORM = FitForm("tiny-vlm", ["original", "bnb-nf4"], "", "auto", 8192, 1)


def report(**changes: Any) -> FitReport:
    found = estimated(replace(FORM, **changes), ScriptedBackend())
    assert isinstance(found, FitReport)
    return found


def test_an_estimate_in_words_and_figures() -> None:
    said = headline_html(report(), on_card=True)
    assert "Original fits a card of 8 GB: 5,065 MiB" in said and "NF4 4-bit fits a card of 8 GB: 2,204 MiB" in said
    assert "8,192 tokens" in said
    assert "8 GB" in table_html(report(), on_card=True) and "yes" in table_html(report(), on_card=False)
    assert "A picture of 1024 × 768 pixels takes 256 tokens" in notes_html(report())


def test_a_scheme_that_rounds_activations_is_not_said_to_fit() -> None:
    """What rounding takes is left out of its estimate."""
    shown = report(schemes=["original", "bnb-int8", "bnb-nf4"])
    assert "at least 8 GB" in table_html(shown, on_card=True) and "not known" in table_html(shown, on_card=False)
    smaller = report(schemes=["original", "bnb-int8"])
    assert "INT8" not in headline_html(smaller, on_card=True) and "rounding activations" in notes_html(smaller)


def test_more_context_than_the_model_was_made_for_is_flagged() -> None:
    said = headline_html(report(context=65536), on_card=True)
    assert "⚠ The model was made for 32,768 tokens. At 65,536 it may still run, but its answers get worse." in said
    assert "⚠" not in headline_html(report(), on_card=True)


def test_the_slider_stands_at_the_usual_context_until_somebody_moves_it() -> None:
    unmoved = form_of([*astuple(FORM)[:4], stands_at(8192), 1])
    assert usual(unmoved, ScriptedBackend()) == stands_at(8192)
    moved = form_of([*astuple(FORM)[:4], {"tokens": 4096, "chosen": True}, 1])
    assert moved.context == 4096 and usual(moved, ScriptedBackend()) == gr.skip()
    nobody = report(context=None)
    assert "so it is the usual one of 8,192 tokens." in notes_html(nobody)
    short = nobody.model_copy(update={"context": 2048, "longest_context": 2048})
    assert "so it is the longest that the model was made for: 2,048 tokens." in notes_html(short)
    assert "No context was chosen" not in notes_html(report())


def test_a_limit_that_would_make_the_bars_too_short_is_named_beside_the_chart() -> None:
    shown = report(context=512)
    limits = {"this machine": 40 * max(scheme.here.total_bytes for scheme in shown.schemes)}
    figure: Any = fit_bars(shown, limits, on_card=False)
    assert "this machine: far to the right" in {note.text for note in figure.layout.annotations}
    assert figure.layout.xaxis.range[1] * 2**30 < limits["this machine"] / 8


def test_bars_end_where_the_total_is_and_the_next_card_is_marked() -> None:
    shown = report(context=65536)
    figure: Any = fit_bars(shown, limits_of(shown, on_card=True), on_card=True)
    ends = {bar.y[0]: bar.base + bar.x[0] for bar in figure.data}
    assert ends["Original"] == pytest.approx(shown.schemes[0].on_card.total_bytes / 2**30)
    assert "16 GB" in {note.text for note in figure.layout.annotations}
    assert figure.layout.xaxis.range[1] > max(shape.x0 for shape in figure.layout.shapes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"context": 0}, "context is not a whole number"),
        ({"context": float("nan")}, "context is not a whole number"),
        ({"conversations": "many"}, "number of conversations is not a whole number"),
        ({"baseline_dtype": "float8"}, "“baseline_dtype” has a value"),
        ({"model": ""}, "No model is chosen"),
        ({"schemes": None}, "choice of schemes could not be read"),
        ({"schemes": [{"model": "tiny-lm", "scheme": "bnb-nf4"}]}, None),
    ],
)
def test_values_that_no_page_sends(changes: dict[str, Any], words: str | None) -> None:
    found = estimated(replace(FORM, **changes), ScriptedBackend())
    if words is None:
        assert isinstance(found, FitReport)
    else:
        assert isinstance(found, QdashError) and words in str(found)


def test_measuring_ends_with_a_report() -> None:
    *before, last = measured(FORM, ScriptedBackend(), Line(longest=4), Event())
    assert [view.status for view in before] == ["Loading the model.", "loading weights"]
    assert last.report is not None and len(last.report.measured) == 6
    assert "−3.8%" in measured_html(last.report)


def test_a_stop_names_the_button() -> None:
    stop = Event()
    stop.set()
    *_, last = measured(replace(FORM, conversations=666), ScriptedBackend(), Line(longest=4), stop)
    assert last.error is not None and last.error.remedy == "Press Measure to start again."


def test_a_public_server_measures_short_contexts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    public = settings().model_copy(update={"public": True})
    monkeypatch.setattr("qdash.offer.settings", lambda: public)
    (refused,) = measured(FORM, ScriptedBackend(), Line(longest=4), Event())
    assert refused.error is not None and "this server allows 2,048" in str(refused.error)
    (usual,) = measured(replace(FORM, context=None), ScriptedBackend(), Line(longest=4), Event())
    assert usual.error is not None and "8,192 tokens are too many to measure" in str(usual.error)
    assert [*measured(replace(FORM, context=1024), ScriptedBackend(), Line(longest=4), Event())][-1].report is not None
