"""The list of the History tab: what every run was about, escaped."""

from datetime import UTC, datetime

from qdash.history import Listing
from qdash.history.kinds import KINDS
from qdash.records.history import Entry
from qdash.ui.history.view import list_html
from tests.history.examples import evaluation


def entry(key: str, **changes: object) -> Entry:
    known = {"kind": "comparison", "created_at": datetime(2025, 11, 3, tzinfo=UTC), "model": "tiny-vlm", "labels": ("Original",)}
    return Entry.model_validate({"key": key, "headline": "Half the memory.", **known, **changes})


def test_a_run_shows_its_picture_and_its_question() -> None:
    shown = list_html(Listing((entry("a", asked="<b>How</b> many…"), entry("b")), 2, {"a": b"RIFF"}))
    first, second = shown.split("</li>")[:2]
    assert '<img class="run-picture" src="data:image/webp;base64,UklGRg==" alt="">' in first
    assert '<p class="run-asked" dir="auto" title="“&lt;b&gt;How&lt;/b&gt; many…”">“&lt;b&gt;How&lt;/b&gt; many…”</p>' in first
    assert "<img" not in second and "run-asked" not in second


def test_an_evaluation_says_what_it_asked() -> None:
    summaries = [KINDS["evaluation"].summary(record).asked for record in (evaluation(), evaluation(task="own"))]
    assert summaries == ["100 questions", "100 questions from mine.csv"]
    shown = list_html(Listing((entry("a", kind="evaluation", asked=summaries[1]),), 1))
    assert ">100 questions from mine.csv</p>" in shown and ">Evaluation</span>" in shown
