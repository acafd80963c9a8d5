"""Drift along a text on the Weights page: what is drawn and said, and the stream that measures it."""

from threading import Event
from typing import Any

import pytest

from qdash.records import WeightReport
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from qdash.ui.weights.drift_stream import DriftView, drift_measured
from qdash.ui.weights.drift_view import drift_html, with_drift
from tests.support.scripted import ScriptedBackend
from tests.support.scripted_weights import files_report, report_of

FILES = files_report("/data/ann/<m>.gguf", "/data/bob/<m>.gguf")


def views(report: WeightReport | None = FILES, text: Any = "", device: Any = "auto", stop: Event | None = None) -> list[DriftView]:
    return list(drift_measured(report, text, device, LimitedBackend(ScriptedBackend(), 10), Line(longest=2), stop or Event()))


def test_from_an_offer_to_figures() -> None:
    assert drift_html(None, None) == drift_html(report_of("bnb-nf4"), None) == ""
    assert "“Measure drift” loads both models" in drift_html(FILES, None)
    *before, last = views()
    assert [view.status for view in before] == ["Loading the model.", "loading weights"]
    html = drift_html(FILES, last.report)
    assert "bob/&lt;m&gt;.gguf" in html and "<td>0.0020</td><td>0.0010</td><td>100.0%</td><td>1.10 → 1.20</td><td>12</td>" in html


def test_what_was_measured_of_other_files_is_not_shown() -> None:
    drifted = views()[-1].report
    later = files_report("/data/ann/<m>.gguf", "/data/eve/<m>.gguf")
    assert drift_html(later, drifted) == drift_html(later, None) and with_drift(later, drifted) is later
    assert with_drift(FILES, drifted).schemes[0].drift is not None, "which is what is exported"


def test_a_model_that_cannot_follow_says_why() -> None:
    html = drift_html(FILES, views(text="in another vocabulary")[-1].report)
    assert "bob/&lt;m&gt;.gguf: Its tokens are others." in html and "<table" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"report": None}, "Press Compare files first."),
        ({"report": report_of("bnb-nf4")}, "Press Compare files first."),
        ({"text": "word " * 200_000}, "reference text"),
        ({"device": "toaster"}, "device"),
    ],
)
def test_what_cannot_be_measured_is_an_error(changes: dict[str, Any], words: str) -> None:
    *_, last = views(**changes)
    assert last.error is not None and words in f"{last.error.message} {last.error.remedy}"


def test_a_stop_names_the_button() -> None:
    stop = Event()
    stop.set()
    *_, last = views(stop=stop)
    assert last.error is not None and last.error.remedy == "Press Measure drift to start again."
