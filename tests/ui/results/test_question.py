"""What was asked stands with the answers, and it is said when the form asks something else."""

from dataclasses import replace

import pytest

from qdash.ui.compare.earlier import earlier_html
from qdash.ui.controls.form import Form, checked
from qdash.ui.results.question import asked_html, asked_just_now
from tests.support.scripted import ScriptedBackend, comparison_of, variant_result

FORM = Form(
    model="tiny-vlm", schemes=["original", "bnb-int8"], picture={"sample": "t1-square.png"}, question="What is <b>it</b>?", runs=5,
    warmup=1, tokens=50, baseline_dtype="", device="auto", reference_text="",
)  # fmt: skip


def test_the_question_and_the_picture_are_shown_as_text_and_small() -> None:
    request, png = checked(FORM, "image-text-to-text")
    done = comparison_of(request, variant_result("original", "A."), variant_result("bnb-int8", "A."))
    shown = asked_just_now(done, png)
    assert "What is &lt;b&gt;it&lt;/b&gt;?" in shown and 'src="data:image/webp;base64,' in shown
    assert "<img" not in asked_html(done, None)


@pytest.mark.parametrize(
    "change", [{"question": "Why?"}, {"picture": {"sample": "pizza.png"}}, {"schemes": ["original"]}, {"tokens": 20}, {"question": ""}]
)
def test_results_are_from_before_when_the_form_asks_something_else(change: dict[str, object]) -> None:
    request, _ = checked(FORM, "image-text-to-text")
    done = comparison_of(request, variant_result("original", "A."), variant_result("bnb-int8", "A."))
    backend = ScriptedBackend()
    assert earlier_html(done, FORM, backend) == earlier_html(None, replace(FORM, **change), backend) == ""
    assert "from before" in earlier_html(done, replace(FORM, **change), backend)
