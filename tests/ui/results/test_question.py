"""The question and the picture stand beside the answers."""

from qdash.history.pictures import small_picture
from qdash.ui.controls.form import Form, checked
from qdash.ui.results.question import asked_html
from tests.support.scripted import comparison_of, variant_result

FORM = Form(
    model="tiny-vlm", schemes=["original", "bnb-int8"], picture={"sample": "t1-square.png"}, question="What is <b>it</b>?", runs=5,
    warmup=1, tokens=50, baseline_dtype="", device="auto", reference_text="",
)  # fmt: skip


def test_the_question_and_the_picture_are_shown_as_text_and_small() -> None:
    request, png = checked(FORM, "image-text-to-text")
    done = comparison_of(request, variant_result("original", "A."), variant_result("bnb-int8", "A."))
    assert png is not None
    shown = asked_html(done, small_picture(png))
    assert "What is &lt;b&gt;it&lt;/b&gt;?" in shown and 'src="data:image/webp;base64,' in shown
    assert "<img" not in asked_html(done, None)
