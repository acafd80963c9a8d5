"""The sentences on top say what the results say, and nothing they do not."""

import pytest

from qdash.records import Request, Variant, VariantResult
from qdash.verdict.changes import change_of
from qdash.ui.verdict import verdict_html
from qdash.verdict import verdict
from tests.ui.scripted import CANCELLED, OUT_OF_MEMORY, comparison_of, failed_result, variant_result

ANSWER = "A black square on a white background."


def _said(*results: VariantResult, noise: float | None = 0.04):
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=result.scheme) for result in results), prompt="What?")
    return verdict(comparison_of(request, *results, noise=noise))


def test_one_keeps_the_answer_one_changes_a_word() -> None:
    said = _said(
        variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), variant_result("bnb-nf4", ANSWER.replace("square", "star"))
    )
    assert said.plain == "8 bits gives the same answer at half the size. 4 bits is 71 % smaller, but changes a word. "
    assert ("same answer", True) in said.headline
    assert said.why.startswith("Neither is faster on this")


def test_everybody_agrees() -> None:
    said = _said(*(variant_result(key, ANSWER) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")))
    assert said.plain == "All 3 give the same answer; 4 bits does it and is 71 % smaller. "


def test_a_difference_inside_the_noise_is_no_difference() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=1.03))
    assert said.why == "No difference in speed is larger than the noise here (±4 %)."


def test_on_a_busy_machine_speeds_are_not_judged() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=3.0), noise=0.6)
    assert "busy" in said.why and "slower" not in said.why


def test_faster_is_said_with_its_factor() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=0.5))
    assert said.why.startswith("8 bits is 2.0× faster")


def test_simulated_formats_say_nothing_of_speed() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("fp6-e2m3", ANSWER, slowdown=3.0))
    assert "slower" not in said.why and "faster" not in said.why
    assert "(projected)" in said.plain


def test_ambiguous_bits_are_named_by_label() -> None:
    said = _said(*(variant_result(key, ANSWER) for key in ("original", "bnb-nf4", "bnb-fp4")))
    assert "4 bits" not in said.plain


def test_failures_and_stops_are_mentioned() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), failed_result("bnb-nf4", OUT_OF_MEMORY))
    assert "NF4 4-bit could not run" in said.why
    said = _said(
        variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), failed_result("bnb-nf4", CANCELLED, "skipped"), noise=None
    )
    assert "Stopped" in said.why


def test_without_a_baseline_there_is_nothing_to_say() -> None:
    assert "nothing to compare with" in _said(failed_result("original", OUT_OF_MEMORY), variant_result("bnb-int8", ANSWER)).plain
    assert _said(failed_result("original", CANCELLED, "skipped")).plain == "Stopped."
    assert "Choose more schemes" in _said(variant_result("original", ANSWER)).why
    assert "Only Original ran." in _said(variant_result("original", ANSWER), failed_result("bnb-nf4", OUT_OF_MEMORY)).plain


def test_labels_are_escaped() -> None:
    evil = failed_result("original", OUT_OF_MEMORY).model_copy(update={"label": "<script>x</script>"})
    assert "<script" not in verdict_html(_said(evil))


@pytest.mark.parametrize(
    ("original", "answer", "on_card"),
    [
        ("A cat.", "A cat. ", "Same answer"),
        ("A black square.", "A black star.", "One word changed"),
        ("白色背景上有一个黑色的正方形。", "白色背景上有一个黑色的星形。", "One word changed"),
        ("one two three four five six seven", "one 2 three four five 6 seven", "2 places changed"),
        ("A black square on white.", "A black square.", "Shorter answer"),
        ("A cat.", "Three red hearts on a green field.", "Different answer"),
        ("A cat.", "", "No answer"),
    ],
)
def test_how_much_changed(original: str, answer: str, on_card: str) -> None:
    assert change_of(original, answer).on_card == on_card


def test_without_answers_sizes_are_told() -> None:
    hidden = [variant_result(key, "x").model_copy(update={"answer": None}) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")]
    said = _said(*hidden)
    assert said.plain == "4 bits is 71 % smaller. FP6 E2M3 is 62 % smaller (projected). "
    assert said.why.endswith("Random weights: answers hidden.") and "answer" not in said.plain


def test_mixes_and_other_checkpoints_have_their_names() -> None:
    mix = variant_result("vision=bnb-int8,language=bnb-nf4", ANSWER)
    other = variant_result("bnb-int8", ANSWER, slowdown=0.5).model_copy(update={"model": "b", "label": "b: INT8 (LLM.int8)"})
    said = _said(variant_result("original", ANSWER), mix, other)
    assert "b: INT8" in said.plain + said.why and "vision INT8 · language NF4" in said.plain + said.why
