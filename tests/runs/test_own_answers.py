"""What a model answers itself, as something to learn from: asked once, and no longer than there is time for."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from qdash import checkpoints
from qdash import settings as qdash_settings
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import Step
from qdash.runs import heal as heal_module
from qdash.runs import healing_passages, own_answers
from qdash.runs.heal import estimate_heal, heal
from qdash.runs.plan import worker_spec
from qdash.tasks import bundled_items
from qdash.tasks.generators import drawing
from qdash.tasks.generators.chat import chat_questions


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InlineExecutor]:
    """Runs here, with a cache of its own, few questions and short answers."""
    monkeypatch.setattr(heal_module, "estimate_heal", partial(estimate_heal, wait_s=0))
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    qdash_settings.settings.cache_clear()
    for name, value in (("NUMBER", 36), ("ANSWER_TOKENS", 6), ("BATCH", 4)):
        monkeypatch.setattr(own_answers, name, value)
    executor = InlineExecutor()
    yield executor
    executor.close()
    qdash_settings.settings.cache_clear()


def test_questions_are_many_and_always_the_same() -> None:
    questions = chat_questions(400)
    assert len(set(questions)) == 400 and questions == chat_questions(400)
    assert not any("{" in question for question in questions)
    prompts = {item.question.prompt for item in bundled_items("cloze") or ()}
    assert not prompts & set(questions)


def test_a_model_learns_from_what_it_answers(checkpoint: Callable[[str], Path], executor: InlineExecutor) -> None:
    model, seen = str(checkpoint("qwen3")), list[object]()
    report = result_of(heal(model, "qat-int2", None, 0.01, executor, device="cpu"), seen.append)
    assert report.source == "its own answers" and report.passages + report.held_out <= 36 and report.held_out == 4
    assert report.best.held_out_kl < report.unhealed_kl and report.learned == ()
    asked = [event for event in seen if isinstance(event, Step) and event.detail == "answering questions to learn from"]
    assert asked[0].fraction == 0 and asked[-1].fraction == 1
    located = checkpoints.locate(model)
    again = [*own_answers.own_answers(located, worker_spec(located, "original", "cpu", "float32"), 0, executor, None)]
    assert again == []


def test_a_slow_model_answers_some_of_them(
    checkpoint: Callable[[str], Path], executor: InlineExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_answers, "MOST_S", 1e-6)
    monkeypatch.setattr(own_answers, "ENOUGH", 12)
    located = checkpoints.locate(str(checkpoint("qwen3")))
    spec = worker_spec(located, "original", "cpu", "float32")
    lessons = result_of(own_answers.own_answers(located, spec, 0, executor, None))
    assert 10 <= len(lessons.passages) + len(lessons.held_out) <= 12
    assert not {passage.question.prompt for passage in lessons.held_out} & {passage.question.prompt for passage in lessons.passages}


def test_a_model_that_sees_is_asked_about_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_answers, "NUMBER", 2 * healing_passages.QUESTIONS)
    if drawing.has_emoji():
        assert len({question.png for question in own_answers.questions_for("image-text-to-text")}) == 2
    monkeypatch.setattr(drawing, "EMOJI_FONT", "/nowhere.ttf")
    with pytest.raises(QdashError, match="Noto Color Emoji"):
        own_answers.questions_for("image-text-to-text")
