"""Each piece of evidence is needed: where one alone is missing, the praise that rested on it is gone. Bounds are in `test_bounds`."""

from collections.abc import Callable
from math import inf, isnan, nan
from typing import Any

import pytest

from qdash.records import CacheCoverage, Comparison, Coverage, VariantResult
from qdash.verdict import Grade, judge, verdict
from qdash.verdict.evidence import doubt_of, evidence_of, has_finite_original, pace_of, quantized_reason, quantized_share, told_time
from qdash.verdict.pace import Pace
from tests.support.scripted import CANCELLED
from tests.verdict.examples import QUIET, agreement, scored
from tests.verdict.praised import PRAISED, SAID_WITH, above, below, compared, praised, scores, without_times


def test_all_evidence_together_is_praised() -> None:
    found = compared(*praised())
    judged = judge(found.variants[1], found.variants[0], found)
    assert judged is not None and judged.grade is Grade.GOOD_TRADE and judged.icon == "✓"
    assert pace_of(found.variants[1], found).told == "faster" and told_time(found.variants[1], found) == "0.50×"
    assert "same answer" in verdict(found).plain and "faster" in verdict(found).plain


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
    assert quantized_reason("bnb-nf4", Coverage(quantized=0, total=62)).one == "it quantized nothing"
    little = Coverage(quantized=1, total=62, quantized_parameters=9, parameters=1000)
    assert quantized_reason("bnb-nf4", little).one == "it quantized only 0.9% of the weights"


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
    cache = CacheCoverage(bits=4, group_size=64, float_tokens=128, backend=None, token_bytes=960, float_token_bytes=6144)
    assert quantized_share("kv=int4", Coverage(quantized=0, total=3, quantized_parameters=0, parameters=9, cache=cache)) == inf
    assert quantized_share("of another version", None) != quantized_share("of another version", None)


@pytest.mark.parametrize(("finite", "known"), [(True, True), (None, True), (False, False)])
def test_scores_that_nobody_looked_at_are_not_held_against_an_original(finite: bool | None, known: bool) -> None:
    original, variant = praised()
    assert has_finite_original(variant, original.model_copy(update={"scores_finite": finite}), None) is known


# ── right answers ────────────────────────────────────────────────────────────────────────────────────────────────
