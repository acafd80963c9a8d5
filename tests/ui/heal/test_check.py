"""Counting right answers on the Heal tab: on what, what is shown while and after, and what it makes of values that no page sends."""

from dataclasses import replace
from threading import Event
from typing import Any

import gradio as gr
import pytest

from qdash.settings import settings
from qdash.ui.heal.check_panel import shown, with_scheme
from qdash.ui.heal.check_stream import CheckForm, CheckView, check_tasks, checked
from qdash.ui.heal.handlers import drawn
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend
from tests.ui.heal.test_stream import FORM as TRAINED
from tests.ui.heal.test_stream import plan_of, training, upload

__all__ = ["upload"]

FORM = CheckForm("tiny-lm", "auto", "qat-int2", "cloze", None, 40)


def checking(form: CheckForm, backend: ScriptedBackend, stop: Event | None = None) -> list[CheckView]:
    return [*checked(form, backend, Line(longest=4), stop or Event())]


@pytest.fixture
def healed() -> ScriptedBackend:
    """Tiny-lm is healed for qat-int2."""
    backend = ScriptedBackend(pause_s=0)
    training_views = training(TRAINED, backend)
    assert training_views[-1].report is not None
    return backend


def test_the_right_answers_are_counted_and_kept(healed: ScriptedBackend) -> None:
    *before, last = checking(FORM, healed)
    assert "INT2, healed: answering · question 8 of 40 · version 3 of 3 · about 1 s to go" in [view.status for view in before]
    assert before[-1].scheme == "qat-int2" and last.report is not None and last.error is None
    assert "kept with the healed version" in shown(last)
    check = last.report.check
    assert check is not None and [result.scheme for result in check.variants] == ["original", "int2-g64", "qat-int2"]
    verdict, _curve, _scores, table = drawn(plan_of(healed), None, "tiny-lm", "qat-int2", dark=False)
    original, unhealed, tuned = (result.accuracy for result in check.variants)
    assert original and unhealed and tuned
    right = f"healed {100 * tuned.value:.1f}%, unhealed {100 * unhealed.value:.1f}%, original {100 * original.value:.1f}%"
    assert right in verdict and "40 questions (Last words of stories), on which no version was trained." in verdict
    assert f"{tuned.successes} of 40" in table and '<th scope="row">healed</th>' in table
    assert drawn(plan_of(healed, "qat-int3"), None, "tiny-lm", "qat-int3", dark=False)[3] == ""


def test_own_questions_are_asked(healed: ScriptedBackend, upload: Any) -> None:
    file = upload("mine.csv", "prompt,answer\n" + "".join(f"{number}+1=?,{number + 1}\n" for number in range(30)))
    last = checking(replace(FORM, task="own", file=file), healed)[-1]
    assert last.report is not None and last.report.check is not None
    assert last.report.check.request.source == "mine.csv" and len(last.report.check.questions) == 30


def test_what_can_be_asked() -> None:
    backend = ScriptedBackend(pause_s=0)
    assert [task.key for task in check_tasks("tiny-lm", backend)] == ["cloze", "own"]
    assert [task.key for task in check_tasks("tiny-vlm", backend)] == ["drawings", "own"]
    assert [task.key for task in check_tasks("random:qwen3-4b", backend)] == ["own"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "No model is chosen"),
        ({"scheme": "int2-g64"}, "No scheme to heal is chosen"),
        ({"scheme": "qat-int3"}, "This model is not healed for this scheme yet"),
        ({"task": "drawings"}, "What to ask is not chosen"),
        ({"task": ["cloze"]}, "What to ask is not chosen"),
        ({"task": "own"}, "There is no file of questions yet"),
        ({"limit": 0}, "0 questions cannot be asked"),
        ({"limit": True}, "True questions cannot be asked"),
        ({"limit": float("nan")}, "nan questions cannot be asked"),
        ({"limit": 1e9}, "questions cannot be asked"),
    ],
)
def test_values_that_no_page_sends(changes: dict[str, Any], words: str, healed: ScriptedBackend) -> None:
    last = checking(replace(FORM, **changes), healed)[-1]
    assert last.error is not None and words in str(last.error) and words in shown(last)


def test_a_public_server_checks_nothing(healed: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    public = settings().model_copy(update={"public": True})
    monkeypatch.setattr("qdash.offer.settings", lambda: public)
    last = checking(FORM, LimitedBackend(healed, 60))[-1]  # type: ignore[arg-type]
    assert last.error is not None and "does not train models" in last.error.message


def test_a_reloaded_page_gets_its_scheme_back_once(event_loops_closed: None) -> None:
    with gr.Blocks():
        scheme, line = gr.Radio(["a", "b"]), gr.HTML()
    updates = [*with_scheme(scheme, iter([{line: ""}, {line: "1", scheme: "a"}, {line: "2", scheme: "a"}]))]
    assert updates == [{line: ""}, {line: "1", scheme: "a"}, {line: "2"}]
