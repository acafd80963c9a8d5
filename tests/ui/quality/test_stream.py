"""From what a person filled in to a stream of views: tasks that fit, values that do not, files, stops and queues."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from zipfile import ZipFile

import pytest

from qdash.catalog.models import MODELS
from qdash.errors import QdashError
from qdash.records import EvaluationRequest
from qdash.settings import settings
from qdash.tasks import find_task
from qdash.ui.controls.preflight import reads
from qdash.ui.quality.form import QualityForm, requested, tasks_for
from qdash.ui.quality.page import task_shown
from qdash.ui.quality.question_file import file_note, items_of
from qdash.ui.quality.stream import QualityView, evaluated
from qdash.ui.results.evaluation_progress import doing
from qdash.ui.results.quality_state import QualityState, VariantProgress
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend

GOOD: dict[str, Any] = {
    "model": "tiny-vlm", "schemes": ["bnb-nf4", "original"], "baseline_dtype": "", "device": "auto", "task": "drawings", "limit": 40,
    "file": None,
}  # fmt: skip
ROWS = "".join(json.dumps({"prompt": f"{n} + 1 = ?", "answer": str(n + 1)}) + "\n" for n in range(5))


def form(**changes: Any) -> QualityForm:
    return QualityForm(**{**GOOD, **changes})


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path))
    settings.cache_clear()
    folder = tmp_path / "uploads"
    folder.mkdir()
    yield folder
    settings.cache_clear()


def run(**changes: Any) -> list[QualityView]:
    return list(evaluated(form(**changes), ScriptedBackend(pause_s=0), Line(4), Event()))


def test_tasks_that_fit_are_offered() -> None:
    def keys(model: str, kind: Any) -> list[str]:
        return [task.key for task in tasks_for(model, kind)]

    assert keys("tiny-vlm", "image-text-to-text") == ["drawings", "own"]
    assert keys("Qwen/Qwen3-4B", "text-generation") == ["cloze", "lambada", "own"]
    assert keys("Qwen/Qwen3-VL-2B-Instruct", "image-text-to-text") == ["cloze", "drawings", "lambada", "own"]
    assert keys("random:qwen3-4b", "text-generation") == []
    assert all(reads(key, ScriptedBackend()) == model.task for key, model in MODELS.items())
    assert "Random weights" in task_shown(None)[0]


def test_a_request_is_what_was_chosen() -> None:
    request, task, content = requested(form())
    assert [variant.scheme for variant in request.variants] == ["original", "bnb-nf4"]
    assert (request.task, request.limit, request.source, task.key, content) == ("drawings", 40, None, "drawings", None)
    assert requested(form(limit=None))[0].limit is None
    assert items_of(task, None, None) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "riddles"}, "no task “riddles”"),
        ({"task": None}, "no task for this model"),
        ({"task": ["cloze"]}, "no task"),
        ({"limit": 0}, "0 questions"),
        ({"limit": 2.5}, "2.5 questions"),
        ({"limit": 10**9}, "1000000000 questions"),
        ({"limit": "many"}, "many questions"),
        ({"limit": True}, "True questions"),
        ({"device": "tpu"}, "“device”"),
        ({"model": ""}, "No model"),
        ({"schemes": "all"}, "choice of schemes"),
        ({"task": "own"}, "no file of questions"),
        ({"task": "own", "file": [{"upload": "/etc/passwd", "name": "x.csv"}]}, "no longer here"),
        ({"task": "own", "file": [{"upload": "a\0b"}]}, "no longer here"),
        ({"task": "own", "file": "/etc/passwd"}, "no file of questions"),
        ({"task": "own", "file": ["/etc/passwd", 7]}, "no file of questions"),
        ({"task": "own", "file": [{"name": "x.csv"}]}, "no longer here"),
        ({"task": "own", "file": [{"upload": "x"}] * 501}, "501 files are too many"),
    ],
)
def test_what_cannot_be_asked_says_so_and_what_to_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(QdashError, match=message) as caught:
        requested(form(**changes))
    assert caught.value.remedy
    last = run(**changes)[-1]
    assert last.over and last.error is not None and last.error.message == caught.value.message


def test_a_file_of_ones_own(uploads: Path) -> None:
    (uploads / "mine.jsonl").write_text(ROWS)
    views = run(task="own", limit=None, file=[{"upload": str(uploads / "mine.jsonl"), "name": "mine.jsonl"}])
    state = views[-1].state
    assert state is not None and state.evaluation is not None and views[-1].over
    assert [question.prompt for question in state.evaluation.questions] == [f"{n} + 1 = ?" for n in range(5)]
    assert state.evaluation.request.source == "mine.jsonl" and len(views[-1].items) == 5


def test_a_file_with_a_fault_names_its_line(uploads: Path) -> None:
    (uploads / "bad.csv").write_text("prompt,answer\n2 + 2 = ?,4\n3 + 3 = ?,\n")
    (view,) = (view for view in run(task="own", file=[{"upload": str(uploads / "bad.csv"), "name": "bad.csv"}]) if view.error)
    assert view.error is not None and "bad.csv, line 3" in view.error.message and view.over


def test_a_path_in_a_file_leads_nowhere(uploads: Path) -> None:
    (uploads / "other.png").write_bytes(b"someone else's")
    (uploads / "sly.csv").write_text("prompt,answer,image\nwhat?,this,other.png\n")
    error = run(task="own", file=[{"upload": str(uploads / "sly.csv"), "name": "sly.csv"}])[-1].error
    assert error is not None and "“other.png” is missing, because only this file was chosen" in error.message


def test_pictures_come_beside_the_questions_or_in_a_zip(uploads: Path, png: bytes) -> None:
    (uploads / "1").write_bytes(png)
    (uploads / "2").write_text("prompt,answer,image\nwhat?,square,square.png\n")
    with ZipFile(uploads / "3", "w") as archive:
        archive.writestr("q.csv", "prompt,answer,image\nwhat?,square,in/square.png\n")
        archive.writestr("in/square.png", png)
    several = [{"upload": str(uploads / "1"), "name": "square.png"}, {"upload": str(uploads / "2"), "name": "mine.csv"}]
    for files, source in ((several, "mine.csv"), ([{"upload": str(uploads / "3"), "name": "own.zip"}], "own.zip")):
        assert "1 question, 1 with a picture" in file_note("own", files)
        last = run(task="own", limit=None, file=files)[-1]
        assert last.error is None and last.items[0].png is not None
        assert last.state is not None and last.state.evaluation is not None and last.state.evaluation.request.source == source


def test_what_is_wrong_with_files_is_said_as_soon_as_they_are_here(uploads: Path) -> None:
    (uploads / "1").write_text("prompt,answer,image\nwhat?,square,<b>.png\n")
    said = file_note("own", [{"upload": str(uploads / "1"), "name": "<i>.csv"}])
    assert "✕ &lt;i&gt;.csv, line 2: the picture “&lt;b&gt;.png” is missing" in said
    assert file_note("drawings", [{"upload": str(uploads / "1"), "name": "a.csv"}]) == file_note("own", None) == ""
    assert "Several files" in file_note("lambada", [{"upload": str(uploads / "1"), "name": name} for name in ("a.csv", "b.png")])


def test_views_go_from_waiting_to_an_evaluation() -> None:
    views = run()
    state = views[-1].state
    assert state is not None and state.evaluation is not None
    assert len(state.evaluation.questions) == 40 and all(row.state == "done" for row in state.rows)
    assert any("question" in view.status and "Original: answering" in view.status for view in views)
    assert find_task("drawings").label == state.evaluation.task_label


def test_stopping_keeps_partial_results() -> None:
    stop = Event()
    last = QualityView()
    for last in evaluated(form(limit=None), ScriptedBackend(pause_s=0.02), Line(4), stop):
        if last.state is not None and last.state.rows[0].done:
            stop.set()
    assert last.over and last.state is not None and last.state.evaluation is not None
    first, second = last.state.evaluation.variants
    assert first.status == "skipped" and first.accuracy is not None and 0 < first.accuracy.total < 400
    assert second.accuracy is None


def test_stop_does_not_wait_for_a_hub_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, stop = Event(), Event()
    monkeypatch.setattr("qdash.ui.quality.stream.items_of", lambda task, source, content: silent.wait(60))
    views = evaluated(form(task="lambada", model="Qwen/Qwen3-4B"), ScriptedBackend(pause_s=0), Line(4), stop)
    assert [next(views).status, next(views).status] == ["Reading the questions.", "Fetching the passages from the hub."]
    stop.set()
    (last,) = views
    silent.set()
    assert last.over and last.error is not None and (last.error.kind, last.error.remedy) == ("cancelled", "Press Evaluate to start again.")


def test_a_failure_costs_one_variant_only(uploads: Path) -> None:
    (uploads / "fail.jsonl").write_text(ROWS)
    state = run(
        task="own", schemes=["original", "bnb-nf4", "bnb-int8"], file=[{"upload": str(uploads / "fail.jsonl"), "name": "fail.jsonl"}]
    )[-1].state
    assert state is not None
    assert [row.state for row in state.rows] == ["done", "failed", "done"]


def test_whoever_waits_is_told_and_can_leave() -> None:
    line, stop = Line(4), Event()
    with line.join():
        views = evaluated(form(), ScriptedBackend(), line, stop)
        assert next(views).status == "Reading the questions."
        assert "You're 2nd in line" in next(views).status
        stop.set()
        last = list(views)[-1]
    assert last.over and last.error is not None and last.error.kind == "cancelled"


@pytest.mark.parametrize("state", ["answering", "measuring"])
def test_that_answers_of_a_comparison_come_first_is_said(state: Any) -> None:
    row = VariantProgress(
        "Original", None, "real", state=state, done=4, total=20, eta_s=30.0, detail="waiting for another measurement to finish"
    )
    assert doing(QualityState((row,))).removesuffix(".").endswith(" · waiting for another measurement to finish")
    assert "waiting" not in doing(QualityState((replace(row, detail="4 of 20"),)))


def test_comparisons_are_served_while_an_evaluation_is() -> None:
    line = Line(4, at_once=2)
    views: Any = evaluated(form(), ScriptedBackend(pause_s=0), line, Event())
    while not (view := next(views)).state or view.state.current is None:
        pass
    with line.join(alone=False) as comparison:
        assert comparison.served
    views.close()


def test_what_breaks_is_an_internal_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(ScriptedBackend):
        def evaluate(self, request: EvaluationRequest, stop: Event, items: Any = None) -> Any:
            raise ValueError("a secret")

    last = list(evaluated(form(), Broken(), Line(4), Event()))[-1]
    assert last.error is not None and last.error.kind == "internal" and "secret" not in last.error.message
    assert "a secret" in capsys.readouterr().err
