"""Each piece of evidence is needed: where one alone is missing, or just beyond its bound, the praise that rested on it is gone.

The bounds are those that docs/verdict.md shows, written down once more.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf, isnan, nan, nextafter
from typing import Any

import pytest

from qdash.records import Comparison, Coverage, NoiseFloor, VariantResult
from qdash.verdict import Grade, judge, verdict
from qdash.verdict.evidence import doubt_of, evidence_of, has_finite_original, pace_of, quantized_share, quantized_words, told_time
from qdash.verdict.judging import reference_words
from qdash.verdict.pace import Pace
from qdash.verdict.rules import Evidence, rule_for
from tests.support.scripted import CANCELLED
from tests.verdict.examples import ANSWER, QUIET, agreement, scored
from tests.verdict.test_sentences import comparison_with
from tests.verdict.test_truth import BICYCLE, BUS, asked

PRAISED = (Grade.GOOD_TRADE, Grade.SAME)
KNOWN = Evidence(
    original_ran=True, original_finite=True, original_spoke=True, quantized=0.9, answered=True, compared=True, kl_nats=0.01, changed=0,
    silent=0, size=2.0,
)  # fmt: skip
SAID_WITH = Coverage(quantized=60, total=62, quantized_parameters=900, parameters=1000)


def below(value: float) -> float:
    return nextafter(value, -inf)


def above(value: float) -> float:
    return nextafter(value, inf)


def taking(most: float) -> Pace:
    return Pace("untold", most, most, most)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({"quantized": 0.01}, Grade.SAME),
        ({"quantized": below(0.01)}, Grade.NOT_JUDGED),
        ({"quantized": inf}, Grade.SAME),
        ({"kl_nats": 1.0}, Grade.BROKEN),
        ({"kl_nats": below(1.0)}, Grade.CAREFUL),
        ({"kl_nats": 0.1}, Grade.CAREFUL),
        ({"kl_nats": below(0.1)}, Grade.SAME),
        ({"kl_nats": 0.0625, "kl_doubt_nats": below(0.0375)}, Grade.SAME),
        ({"kl_nats": 0.0625, "kl_doubt_nats": above(0.0375)}, Grade.CANT_TELL),
        ({"kl_nats": 0.5, "kl_doubt_nats": 0.39}, Grade.CAREFUL),
        ({"kl_nats": 0.5, "kl_doubt_nats": 0.41}, Grade.CANT_TELL),
        ({"kl_nats": 1.5, "kl_doubt_nats": 0.5}, Grade.BROKEN),
        ({"kl_nats": 1.5, "kl_doubt_nats": 0.51}, Grade.CAREFUL),
        ({"kl_nats": inf, "kl_doubt_nats": inf}, Grade.BROKEN),
        ({"kl_nats": nan}, Grade.NOT_JUDGED),
        ({"kl_nats": 2e-6, "kl_doubt_nats": inf}, Grade.CANT_TELL),
        ({"kl_nats": 1e-6, "kl_doubt_nats": inf}, Grade.SAME),
        ({"kl_nats": 0.3, "kl_noise_nats": 0.3, "kl_doubt_nats": inf}, Grade.SAME),
        ({"kl_nats": 0.31, "kl_noise_nats": 0.3}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.2}, Grade.DIFFERENT),
        ({"changed": 1, "content": below(0.2)}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.0, "top1_most": 0.8}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.0, "top1_most": below(0.8)}, Grade.DIFFERENT),
        ({"changed": 1, "content": 1.0, "right": 1, "original_right": 1}, Grade.CAREFUL),
        ({"changed": 1, "content": 1.0, "right": 0, "original_right": 1}, Grade.WRONG),
        ({"changed": 1, "content": 1.0, "right": 0, "original_right": 0}, Grade.DIFFERENT),
        ({"changed": 1, "content": 1.0, "right": nan, "original_right": nan}, Grade.DIFFERENT),
        ({"changed": 0, "right": 0, "original_right": nan}, Grade.SAME),
        ({"size": 0.75, "pace": taking(1.25)}, Grade.GOOD_TRADE),
        ({"size": above(0.75), "pace": taking(1.25)}, Grade.SAME),
        ({"size": 0.75, "pace": taking(above(1.25))}, Grade.SAME),
        ({"size": 0.75, "pace": Pace()}, Grade.SAME),
        ({"size": nan, "pace": taking(0.5)}, Grade.SAME),
        ({"size": 1.02, "pace": taking(0.9)}, Grade.GOOD_TRADE),
        ({"size": above(1.02), "pace": taking(0.9)}, Grade.SAME),
        ({"size": 1.02, "pace": taking(above(0.9))}, Grade.SAME),
    ],
)
def test_a_bound_is_where_the_document_has_it(changes: dict[str, Any], grade: Grade) -> None:
    assert rule_for(replace(KNOWN, **changes)).grade is grade


@pytest.mark.parametrize("missing", ["original_ran", "original_finite", "original_spoke", "answered", "compared"])
@pytest.mark.parametrize("kl", [0.0, 0.01])
def test_nobody_is_judged_where_one_thing_is_missing(missing: str, kl: float) -> None:
    """Not even where the variant is as close to the original as that is to itself."""
    assert rule_for(replace(KNOWN, kl_nats=kl)).grade is Grade.SAME
    assert rule_for(replace(KNOWN, kl_nats=kl, **{missing: False})).grade is Grade.NOT_JUDGED


@pytest.mark.parametrize("quantized", [0.0, below(0.01), nan])
def test_nobody_is_praised_where_nothing_is_known_to_be_quantized(quantized: float) -> None:
    assert rule_for(replace(KNOWN, kl_nats=0.0, quantized=quantized)).grade is Grade.NOT_JUDGED


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────


def praised() -> tuple[VariantResult, VariantResult]:
    """An original, and a variant that is smaller, faster and close to it."""
    variant = scored("bnb-nf4", slowdown=0.5).model_copy(update={"coverage": SAID_WITH})
    return scored("original"), variant


def compared(original: VariantResult, variant: VariantResult, floor: NoiseFloor | None = QUIET) -> Comparison:
    return comparison_with(original, variant, floor=floor)


def test_all_evidence_together_is_praised() -> None:
    found = compared(*praised())
    judged = judge(found.variants[1], found.variants[0], found)
    assert judged is not None and judged.grade is Grade.GOOD_TRADE and judged.icon == "✓"
    assert pace_of(found.variants[1], found).told == "faster" and told_time(found.variants[1], found) == "0.50×"
    assert "same answer" in verdict(found).plain and "faster" in verdict(found).plain


def scores(changes: dict[str, Any]) -> dict[str, Any]:
    return {"agreement": agreement(0.002).model_copy(update=changes)}


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": None},
        {"agreement": None},
        {"agreement": None, "agreement_text": agreement(0.002)},
        {"agreement_problem": "It cannot be scored."},
        *(scores({"kl_mean_nats": kl}) for kl in (None, nan, inf)),
        *(scores({"kl_se": error}) for error in (None, nan, inf, -1.0)),
        *(scores({"ppl_original": perplexity}) for perplexity in (None, nan, inf)),
        scores({"tokens": 0}),
        *({"agreement_text": agreement(kl)} for kl in (None, nan, inf)),
        {"agreement_text": agreement(0.002).model_copy(update={"ppl_original": None})},
        {"agreement_text": agreement(0.002).model_copy(update={"kl_se": -1.0})},
        {"coverage": None},
        {"coverage": Coverage(quantized=0, total=62)},
        {"coverage": Coverage(quantized=0, total=0)},
        {"coverage": Coverage(quantized=0, total=62, quantized_parameters=900, parameters=1000)},
        {"coverage": Coverage(quantized=1, total=62, quantized_parameters=9, parameters=1000)},
    ],
)
def test_without_any_one_piece_about_a_variant_it_is_not_praised(changes: dict[str, Any]) -> None:
    original, variant = praised()
    not_praised(compared(original, variant.model_copy(update=changes)))


@pytest.mark.parametrize("changes", [{"answer": None}, {"answer": " "}, {"scores_finite": False}])
def test_without_any_one_piece_about_the_original_nobody_is_praised(changes: dict[str, Any]) -> None:
    original, variant = praised()
    not_praised(compared(original.model_copy(update=changes), variant))


@pytest.mark.parametrize("own", [nan, inf])
def test_an_original_that_is_no_number_from_itself_is_no_measure(own: float) -> None:
    found = compared(*praised(), QUIET.model_copy(update={"kl_nats": own}))
    not_praised(found)
    assert pace_of(found.variants[1], found) == Pace()


def not_praised(found: Comparison) -> None:
    original, variant = found.variants
    judged = judge(variant, original, found)
    assert judged is not None and judged.grade not in PRAISED and judged.icon != "✓"
    said = verdict(found)
    assert "same answer" not in said.plain and "within noise of" not in said.plain


def without_times(of: VariantResult) -> VariantResult:
    return of.model_copy(update={"latency": None})


def failed(of: VariantResult) -> VariantResult:
    return of.model_copy(update={"status": "failed", "error": CANCELLED})


@pytest.mark.parametrize(
    "changed",
    [
        lambda original, variant: (without_times(original), variant),
        lambda original, variant: (original, without_times(variant)),
        lambda original, variant: (failed(original), variant),
        lambda original, variant: (original, failed(variant)),
        lambda original, variant: (original.model_copy(update={"scores_finite": False}), variant),
        lambda original, variant: (original, variant.model_copy(update={"coverage": None})),
        lambda original, variant: (original, variant.model_copy(update={"coverage": Coverage(quantized=0, total=62)})),
        lambda original, variant: (original, variant.model_copy(update=scores({"ppl_original": nan}))),
        lambda original, variant: (original, variant.model_copy(update={"kind": "simulated"})),
    ],
)
def test_without_any_one_piece_nothing_is_said_of_a_speed(changed: Callable[..., tuple[VariantResult, VariantResult]]) -> None:
    found = compared(*changed(*praised()))
    variant = found.variants[1]
    assert pace_of(variant, found) == Pace() and told_time(variant, found) == ""
    assert "faster" not in verdict(found).plain


def test_before_a_comparison_is_over_nothing_is_said_of_a_speed() -> None:
    original, variant = compared(*praised()).variants
    assert pace_of(variant, None) == Pace() and evidence_of(variant, original, None).pace == Pace()


def test_the_least_share_is_enough_for_a_speed() -> None:
    original, variant = praised()
    covers = Coverage(quantized=1, total=62, quantized_parameters=10, parameters=1000)
    found = compared(original, variant.model_copy(update={"coverage": covers}))
    assert pace_of(found.variants[1], found).told == "faster"


@pytest.mark.parametrize(("error", "doubt"), [(0.0, 0.0), (0.25, 0.5), (None, inf), (nan, inf), (inf, inf), (-1.0, inf), (-1e-300, inf)])
def test_an_error_that_is_none_is_no_small_doubt(error: float | None, doubt: float) -> None:
    assert doubt_of(agreement(0.1, error)) == doubt


@pytest.mark.parametrize("mean", [None, nan, inf])
def test_a_mean_that_is_none_has_no_doubt(mean: float | None) -> None:
    assert doubt_of(agreement(0.1).model_copy(update={"kl_mean_nats": mean})) == 0.0


@pytest.mark.parametrize(("top1", "known"), [(0.0, True), (1.0, True), (below(0.0), False), (above(1.0), False), (nan, False)])
def test_a_share_that_is_none_is_not_known(top1: float, known: bool) -> None:
    original, variant = praised()
    found = evidence_of(variant.model_copy(update=scores({"top1": top1})), original, None).top1_most
    assert (0 < found <= 1) if known else isnan(found)


def test_a_table_says_of_a_time_what_may_be_said() -> None:
    original, variant = praised()
    found = compared(original, variant)
    assert [told_time(found.variants[1], found, inverse=inverse) for inverse in (False, True)] == ["0.50×", "2.00×"]
    assert told_time(found.variants[0], found) == "1.00×"
    untimed = compared(without_times(original), variant)
    assert told_time(untimed.variants[0], untimed) == ""
    busy = compared(original, variant, QUIET.model_copy(update={"relative": 0.6}))
    assert told_time(busy.variants[1], busy) == "not compared"
    equal = compared(original, scored("bnb-nf4", slowdown=1.0).model_copy(update={"coverage": SAID_WITH}))
    assert told_time(equal.variants[1], equal) == "≈ same"


def test_why_nothing_is_said_of_a_scheme_that_did_little() -> None:
    assert quantized_words("bnb-nf4", Coverage(quantized=0, total=62)) == "it quantized nothing"
    little = Coverage(quantized=1, total=62, quantized_parameters=9, parameters=1000)
    assert quantized_words("bnb-nf4", little) == "it quantized only 0.9% of the weights"


@pytest.mark.parametrize(("answer", "grade"), [("", Grade.BROKEN), (" ", Grade.BROKEN), ("Three hearts.", Grade.DIFFERENT)])
def test_another_answer_is_another(answer: str, grade: Grade) -> None:
    original, variant = praised()
    judged = judge(variant.model_copy(update={"answer": answer}), original, None)
    assert judged is not None and judged.grade is grade


def test_several_texts_count_by_their_tokens() -> None:
    original, variant = praised()
    along, text = agreement(0.1, 0.01, tokens=30), agreement(0.5, 0.02, tokens=10)
    found = evidence_of(variant.model_copy(update={"agreement": along, "agreement_text": text}), original, None)
    assert found.kl_nats == pytest.approx((0.1 * 30 + 0.5 * 10) / 40)
    assert found.kl_doubt_nats == pytest.approx(((0.02 * 30) ** 2 + (0.04 * 10) ** 2) ** 0.5 / 40)


def test_what_a_scheme_quantized() -> None:
    assert quantized_share("original", None) == inf == quantized_share("fp32", Coverage(quantized=0, total=3))
    assert quantized_share("bnb-nf4", Coverage(quantized=1, total=3)) == 1.0
    assert quantized_share("bnb-nf4", SAID_WITH) == 0.9
    assert quantized_share("bnb-nf4", Coverage(quantized=0, total=3, quantized_parameters=5, parameters=9)) == 0.0
    assert quantized_share("of another version", None) != quantized_share("of another version", None)


@pytest.mark.parametrize(("finite", "known"), [(True, True), (None, True), (False, False)])
def test_scores_that_nobody_looked_at_are_not_held_against_an_original(finite: bool | None, known: bool) -> None:
    original, variant = praised()
    assert has_finite_original(variant, original.model_copy(update={"scores_finite": finite}), None) is known


# ── right answers ────────────────────────────────────────────────────────────────────────────────────────────────


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
