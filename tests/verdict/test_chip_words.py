"""What a card's chip and the figures behind it say: no more than the grade, and right or wrong only where that is known."""

from math import nan
from typing import Any

import pytest

from qdash.records import Coverage, NoiseFloor, VariantResult
from qdash.verdict import Grade, judge
from qdash.verdict.judging import reference_words
from tests.verdict.examples import ANSWER, QUIET
from tests.verdict.praised import compared, praised, scores, without_times
from tests.verdict.test_truth import BICYCLE, BUS, asked


def test_an_original_is_called_right_only_where_that_is_known() -> None:
    (right, *_), (wrong, *_) = (found.variants for found in (asked(BICYCLE, BUS), asked(BUS, BUS)))
    assert reference_words(right, asked(BICYCLE, BUS)) == ("", "Reference · right answer")
    assert reference_words(wrong, asked(BUS, BUS)) == ("warn", "Reference · wrong answer")
    assert reference_words(right) == ("", "Reference")
    assert reference_words(right, compared(*praised())) == ("", "Reference")
    assert reference_words(right.model_copy(update={"scores_finite": False}), asked(BICYCLE, BUS))[0] == "bad"
    assert reference_words(right.model_copy(update={"answer": None}), asked(BICYCLE, BUS)) == ("", "Reference")


@pytest.mark.parametrize(("answer", "tone"), [(ANSWER, "good"), (ANSWER.replace("on a", "on the"), "warn"), ("", "bad")])
def test_only_praise_is_green(answer: str, tone: str) -> None:
    original, variant = praised()
    found = compared(original, variant.model_copy(update={"answer": answer}))
    judged = judge(found.variants[1], found.variants[0], found)
    assert judged is not None and judged.tone == tone


@pytest.mark.parametrize(
    ("original", "changes", "words"),
    [
        ({}, {}, "Good trade · same answer"),
        ({}, scores({"kl_mean_nats": 0.4}), "Careful · same answer, less sure"),
        ({}, scores({"kl_mean_nats": 3.0}), "Broken · other words predicted"),
        ({}, scores({"kl_mean_nats": nan}), "Broken · its scores are NaN or infinite"),
        ({}, scores({"kl_mean_nats": 0.05, "kl_se": 0.1}), "Too short to judge"),
        ({}, scores({"kl_mean_nats": 0.0}), "Good trade · same answer"),
        ({}, {"answer": ANSWER.replace("on a", "on the")}, "Careful · one word changed"),
        ({}, {"answer": "Three hearts."}, "Different answer · most words changed"),
        ({}, {"answer": "Three hearts."} | scores({"kl_mean_nats": 3.0}), "Broken · most words changed"),
        ({}, {"answer": "Three hearts."} | scores({"kl_mean_nats": 0.0}), "Good trade · within noise"),
        ({}, {"answer": None}, "Not judged · no answer"),
        ({"answer": None}, {}, "Not judged · original silent"),
        ({"answer": None}, {"answer": None}, "Not judged · answers hidden"),
        ({"answer": None}, {"answer": None, "coverage": None}, "Not judged · answers hidden"),
        ({"answer": None}, {"answer": None, "coverage": Coverage(quantized=0, total=62)}, "Not judged · quantized nothing"),
        ({}, {"coverage": None}, "Not judged · coverage not known"),
        ({}, {"agreement": None}, "Not judged · not compared"),
        ({"scores_finite": False}, {}, "Not judged · original broken"),
    ],
)
def test_the_chip_says_no_more_than_its_grade(original: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    first, variant = praised()
    found = compared(first.model_copy(update=original), variant.model_copy(update=changes))
    judged = judge(found.variants[1], found.variants[0], found)
    assert judged is not None and judged.words == words


def test_right_is_said_only_where_it_is_known() -> None:
    def said(*answers: str) -> str:
        found = asked(*answers)
        judged = judge(found.variants[1], found.variants[0], found)
        assert judged is not None
        return judged.words

    assert said(BICYCLE, BICYCLE) == "Same as the original · right"
    assert said(BUS, BUS) == "Same as the original · both wrong"
    assert said(BUS, BICYCLE) == "Careful · right, unlike the original"
    assert said(BICYCLE, BUS).startswith("Wrong answer · ") and "right" not in said(BICYCLE, BUS)
    found = asked(BUS, BICYCLE)
    broken = judge(found.variants[1].model_copy(update=scores({"kl_mean_nats": 3.0})), found.variants[0], found)
    assert broken is not None and broken.grade is Grade.BROKEN and "right, " not in broken.words


def test_the_figures_behind_a_grade() -> None:
    def figures(original: VariantResult, variant: VariantResult, floor: NoiseFloor = QUIET) -> str:
        found = compared(original, variant, floor)
        judged = judge(found.variants[1], found.variants[0], found)
        assert judged is not None
        return judged.evidence

    original, variant = praised()
    agreed = "KL 0.0020 ± 0.0020 nats · same likeliest word at 100% of 12 tokens · weights −71%"
    assert figures(original, variant) == f"{agreed} · time 2.0× faster"
    busy = figures(original, variant, QUIET.model_copy(update={"relative": 0.6}))
    assert busy == f"{agreed} · speed not compared: the machine seems busy"
    assert figures(original, without_times(variant)) == agreed
    unscored = variant.model_copy(update={"agreement": None, "agreement_problem": "It cannot be scored."})
    assert figures(original, without_times(unscored)) == "It cannot be scored. · weights −71%"
