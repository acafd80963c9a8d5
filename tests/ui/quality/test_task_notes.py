"""What the Quality page says about a task before it is asked."""

from qdash.tasks import find_task
from qdash.ui.quality.task_notes import about_html, limit_hint


def test_a_task_says_what_is_asked_and_when_an_answer_is_right() -> None:
    assert "exactly the expected" in about_html(find_task("drawings")) and limit_hint(find_task("cloze")) == "Questions, of 1,000"
    assert "prompt" in about_html(find_task("own")) and "Random weights" in about_html(None)
