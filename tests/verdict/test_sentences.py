"""The sentences on top say what the results say, and nothing they do not."""

import pytest

from qdash.records import Comparison, NoiseFloor, Request, Variant, VariantResult
from qdash.ui.components.verdict_header import verdict_html
from qdash.verdict import verdict
from qdash.verdict.changes import change_of
from tests.support.scripted import CANCELLED, OUT_OF_MEMORY, comparison_of, failed_result, variant_result
from tests.verdict.examples import QUIET, scored

ANSWER = "A black square on a white background."


def _said(*results: VariantResult, noise: float | None = 0.04):
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=result.scheme) for result in results), prompt="What?")
    return verdict(comparison_of(request, *results, noise=noise))


def comparison_with(*results: VariantResult, floor: NoiseFloor | None) -> Comparison:
    """A finished comparison of `results` and a noise floor of the test's own."""
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=result.scheme) for result in results), prompt="What?")
    return comparison_of(request, *results).model_copy(update={"noise_floor": floor})


def test_one_keeps_the_answer_one_changes_a_word() -> None:
    said = _said(
        variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), variant_result("bnb-nf4", ANSWER.replace("square", "star"))
    )
    assert said.plain == (
        "The 8-bit version gives the same answer and is half the size, 1.5× slower here. "
        "The 4-bit version is 71% smaller, 1.5× slower here, but changes one word. "
    )
    assert ("same answer", True) in said.headline
    assert said.why.startswith("Neither is faster on this")


def test_everybody_agrees() -> None:
    said = _said(*(variant_result(key, ANSWER) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")))
    assert said.plain == "All 3 give the same answer. The 4-bit version is 71% smaller, 1.5× slower here. "


def test_a_difference_inside_the_noise_is_no_difference() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=1.03))
    assert said.why.startswith("Differences in speed are within measurement noise.")


def test_on_a_busy_machine_speeds_are_not_judged() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=3.0), noise=0.6)
    assert "busy" in said.why and "slower" not in said.why


def test_faster_is_said_with_its_factor() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER, slowdown=0.5))
    assert said.why.startswith("The 8-bit version is 2.0× faster")


def test_simulated_formats_say_nothing_of_speed() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("fp6-e2m3", ANSWER, slowdown=3.0))
    assert "slower" not in said.why and "faster" not in said.why
    assert "(projected)" in said.plain


def test_ambiguous_bits_are_named_by_label() -> None:
    said = _said(*(variant_result(key, ANSWER) for key in ("original", "bnb-nf4", "bnb-fp4")))
    assert "4-bit version" not in said.plain


def test_failures_and_stops_are_mentioned() -> None:
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), failed_result("bnb-nf4", OUT_OF_MEMORY))
    assert "NF4 4-bit could not run: its card says why." in said.why
    three = (failed_result(key, OUT_OF_MEMORY) for key in ("bnb-nf4", "bnb-fp4", "int3-g64"))
    said = _said(variant_result("original", ANSWER), variant_result("bnb-int8", ANSWER), *three)
    assert "NF4 4-bit, FP4 4-bit and INT3 could not run: their cards say why." in said.why
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
    ("original", "answer", "on_chip"),
    [
        ("A cat.", "A cat. ", "same answer"),
        ("A black square.", "A black star.", "one word changed"),
        ("白色背景上有一个黑色的正方形。", "白色背景上有一个黑色的星形。", "one word changed"),
        ("one two three four five six seven", "one 2 three four five 6 seven", "2 places changed"),
        ("A black square on white.", "A black square.", "shorter answer"),
        ("A cat.", "Three red hearts on a green field.", "most words changed"),
        ("A cat.", "", "no answer"),
    ],
)
def test_how_much_changed(original: str, answer: str, on_chip: str) -> None:
    assert change_of(original, answer).on_chip == on_chip


def test_without_answers_sizes_are_told() -> None:
    hidden = [variant_result(key, "x").model_copy(update={"answer": None}) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")]
    said = _said(*hidden)
    assert said.plain == "The 4-bit version is 71% smaller. FP6 E2M3 is 62% smaller (projected). "
    assert said.why.endswith("Random weights: answers hidden.") and "answer" not in said.plain


def test_mixes_and_other_checkpoints_have_their_names() -> None:
    mix = variant_result("vision=bnb-int8,language=bnb-nf4", ANSWER)
    other = variant_result("bnb-int8", ANSWER, slowdown=0.5).model_copy(update={"model": "b", "label": "b: INT8 (LLM.int8)"})
    said = _said(variant_result("original", ANSWER), mix, other)
    assert "b: INT8" in said.plain + said.why and "vision INT8 · language NF4" in said.plain + said.why


# ── with agreement ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_headline_is_answer_size_speed_and_the_why_has_the_evidence() -> None:
    said = verdict(comparison_with(scored("original"), scored("bnb-nf4", slowdown=1.3), floor=QUIET))
    assert said.plain == "The 4-bit version gives the same answer and is 71% smaller, 1.3× slower here. "
    assert said.why.startswith("It is not faster on this")
    assert said.why.endswith("Distance from the original over 12 tokens of its answer: the 4-bit version KL 0.0020 ± 0.0020 nats.")


def test_less_sure_of_the_same_answer() -> None:
    said = verdict(comparison_with(scored("original"), scored("bnb-nf4", kl=0.4, slowdown=1.0), floor=QUIET))
    assert said.plain == "The 4-bit version is 71% smaller, ≈ same speed, but is less sure of the same answer. "


def test_broken_is_said_outright() -> None:
    said = verdict(comparison_with(scored("original"), scored("bnb-nf4", "Three red hearts, probably.", kl=3.0), floor=QUIET))
    assert said.plain == "The 4-bit version is 71% smaller, 1.5× slower here, but is broken: it gives a different answer. "
    said = verdict(comparison_with(scored("original"), scored("bnb-nf4", kl=None, se=None), floor=QUIET))
    assert said.plain.endswith("but is broken: it predicts other words throughout. ") and "KL is not finite" in said.why


def test_too_little_to_tell() -> None:
    said = verdict(comparison_with(scored("original"), scored("bnb-nf4", kl=0.08, se=0.04, slowdown=1.0), floor=QUIET))
    assert said.plain == "The 4-bit version is 71% smaller, ≈ same speed; its answer is too short to judge. "


def test_a_good_trade_is_told_before_a_fine_one() -> None:
    results = (scored("original"), scored("bnb-int8", slowdown=1.0), scored("bnb-nf4", slowdown=2.0))
    assert (
        verdict(comparison_with(*results, floor=QUIET)).plain
        == "Both give the same answer. The 8-bit version is half the size, ≈ same speed. "
    )


def test_other_words_inside_the_noise_are_the_same() -> None:
    floor = QUIET.model_copy(update={"kl_nats": 0.01})
    said = verdict(comparison_with(scored("original"), scored("fp32", "A dark square.", kl=0.005, slowdown=1.0), floor=floor))
    assert said.plain == "The 32-bit version is within noise of the original and is the same size, ≈ same speed. "


def test_schemes_of_another_version_are_told_of_too() -> None:
    strange = scored("bnb-nf4", slowdown=1.5).model_copy(update={"scheme": "fp1-of-tomorrow", "label": "FP1"})
    said = verdict(comparison_with(scored("original"), strange, floor=QUIET))
    assert said.plain.startswith("FP1 gives the same answer")
