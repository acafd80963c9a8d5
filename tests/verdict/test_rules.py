"""The rule table: every variant gets a grade, better evidence never a worse one, and the original is never another model."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import Latency, NoiseFloor, Timing, VariantResult
from qdash.records.agreement import SAME_NATS
from qdash.runs.rounds.figures import noise_of, relative_to
from qdash.ui.results.card_metrics import facts_html
from qdash.verdict import Grade, judge, verdict
from qdash.verdict.pace import Pace, Times, pace_for
from qdash.verdict.rules import DOUBT_ERRORS, LEAST_SHARE, VERDICT_RULES, Evidence, rule_for, rules_markdown, time_bounds
from tests.support.scripted import variant_result
from tests.verdict.examples import ANSWER, agreement
from tests.verdict.test_sentences import comparison_with

ROOT = Path(__file__).parents[2]

NATS = st.one_of(st.just(0.0), st.floats(1e-9, 20), st.just(math.inf))
SHARES = st.floats(0, 3)
UNKNOWN = st.just(math.nan)


def pace(time: float, noise: float) -> Pace:
    """What three quiet, exact rounds say of a time when the original's own lie so far apart."""
    return pace_for(Times(time, time, time, rounds=3, noise=noise, paired=True))


PACES = st.builds(pace, st.floats(0.1, 10), SHARES)
KNOWN = st.builds(
    Evidence,
    original_ran=st.just(True),
    original_finite=st.just(True),
    original_spoke=st.just(True),
    quantized=st.floats(LEAST_SHARE, 1) | st.just(math.inf),
    answered=st.just(True),
    compared=st.just(True),
    kl_nats=NATS,
    kl_doubt_nats=st.floats(0, 5) | st.just(math.inf),
    kl_noise_nats=st.floats(0, 0.1),
    kl_tail_nats=NATS,
    changed=st.sampled_from([0.0, 1.0]),
    silent=st.just(0.0),
    content=st.floats(0, 1),
    top1_most=st.floats(0, 1),
    right=st.sampled_from([0.0, 1.0, math.nan]),
    original_right=st.sampled_from([0.0, 1.0, math.nan]),
    size=st.floats(0.05, 2),
    pace=PACES,
)
ANYTHING = st.builds(
    Evidence,
    original_ran=st.booleans(),
    original_finite=st.booleans(),
    original_spoke=st.booleans(),
    quantized=SHARES | UNKNOWN | st.just(math.inf),
    answered=st.booleans(),
    compared=st.booleans(),
    kl_nats=NATS | UNKNOWN,
    kl_doubt_nats=SHARES | st.just(math.inf),
    kl_noise_nats=SHARES,
    kl_tail_nats=NATS | UNKNOWN,
    changed=st.sampled_from([0.0, 1.0, math.nan]),
    silent=st.sampled_from([0.0, 1.0, math.nan]),
    content=SHARES | UNKNOWN,
    top1_most=SHARES | UNKNOWN,
    right=st.sampled_from([0.0, 1.0, math.nan]),
    original_right=st.sampled_from([0.0, 1.0, math.nan]),
    size=SHARES | UNKNOWN,
    pace=PACES | st.just(Pace()),
)
SOUND = Evidence(
    original_ran=True, original_finite=True, original_spoke=True, quantized=0.9, answered=True, compared=True,
    kl_nats=0.01, changed=0, silent=0, size=0.9, pace=pace(1.5, 0.02),
)  # fmt: skip


@given(ANYTHING)
def test_every_evidence_has_a_grade(evidence: Evidence) -> None:
    assert rule_for(evidence) in VERDICT_RULES


@given(ANYTHING)
def test_praise_needs_every_piece_of_evidence(evidence: Evidence) -> None:
    if rule_for(evidence).grade in (Grade.GOOD_TRADE, Grade.SAME):
        assert evidence.original_ran and evidence.original_finite and evidence.original_spoke
        assert evidence.quantized >= LEAST_SHARE and evidence.answered and evidence.compared and math.isfinite(evidence.kl_nats)


def test_every_rule_and_every_grade_can_be_reached() -> None:
    reached = [
        Evidence(),
        replace(SOUND, original_finite=False, kl_nats=math.inf),
        replace(SOUND, kl_nats=2.0, kl_doubt_nats=0.5, quantized=0.0),
        replace(SOUND, changed=1, silent=1),
        replace(SOUND, quantized=0.005, changed=1),
        replace(SOUND, original_spoke=False, changed=math.nan),
        replace(SOUND, answered=False, changed=math.nan),
        replace(SOUND, changed=1, content=1, right=0, original_right=1),
        replace(SOUND, changed=1, content=1, right=1, original_right=1),
        replace(SOUND, changed=1, content=0.25),
        replace(SOUND, changed=1, content=0.1, top1_most=0.7),
        replace(SOUND, changed=1, content=0.1, kl_nats=math.nan, compared=False),
        replace(SOUND, quantized=math.nan),
        replace(SOUND, kl_nats=math.nan),
        replace(SOUND, kl_nats=0.3, kl_doubt_nats=0.1),
        replace(SOUND, kl_nats=0.05, kl_doubt_nats=0.01, kl_tail_nats=1.2, size=0.3, pace=pace(1.1, 0.02)),
        replace(SOUND, kl_nats=0.05, kl_doubt_nats=0.1),
        replace(SOUND, size=0.3, pace=pace(1.1, 0.02)),
        replace(SOUND, size=1.0, pace=pace(0.5, 0.02)),
        SOUND,
    ]
    assert [rule_for(evidence) for evidence in reached] == list(VERDICT_RULES)
    assert {rule.grade for rule in VERDICT_RULES} == set(Grade)


@pytest.mark.parametrize("grade", [Grade.GOOD_TRADE, Grade.SAME])
def test_a_speed_that_is_not_told_makes_no_trade(grade: Grade) -> None:
    found = replace(SOUND, size=0.3, pace=pace(1.0, 0.02) if grade is Grade.GOOD_TRADE else Pace())
    assert rule_for(found).grade is grade


@pytest.mark.parametrize("worse", ["kl_nats", "kl_tail_nats", "changed", "silent", "content", "size"])
@given(KNOWN, st.floats(0, 5))
def test_worse_evidence_never_has_a_better_grade(worse: str, evidence: Evidence, more: float) -> None:
    value = 1.0 if worse in ("changed", "silent") else getattr(evidence, worse) + more
    assert rule_for(replace(evidence, **{worse: value})).grade.rank >= rule_for(evidence).grade.rank


@given(KNOWN, st.floats(0.1, 10), st.floats(1, 5), SHARES, SHARES)
def test_a_longer_time_or_more_noise_never_has_a_better_grade(
    evidence: Evidence, time: float, longer: float, noise: float, more: float
) -> None:
    grades = [rule_for(replace(evidence, pace=found)).grade.rank for found in (pace(time, noise), pace(time * longer, noise + more))]
    assert grades[1] >= grades[0]


@given(KNOWN, st.floats(0, 5))
def test_more_doubt_never_praises_or_blames(evidence: Evidence, more: float) -> None:
    before, after = (rule_for(found).grade for found in (evidence, replace(evidence, kl_doubt_nats=evidence.kl_doubt_nats + more)))
    if before in (Grade.CAREFUL, Grade.BROKEN):
        assert after.rank <= before.rank
    else:
        assert after.rank >= before.rank and after not in (Grade.CAREFUL, Grade.BROKEN)


@given(KNOWN)
def test_a_wrong_answer_never_has_a_better_grade_than_a_right_one(evidence: Evidence) -> None:
    known = replace(evidence, original_right=1.0)
    right, wrong = (rule_for(replace(known, right=right)).grade for right in (1.0, 0.0))
    assert wrong.rank >= right.rank and (wrong.lost or known.same)


@given(KNOWN, st.floats(0, 1))
def test_less_agreement_never_has_a_better_grade(evidence: Evidence, less: float) -> None:
    worse = replace(evidence, top1_most=evidence.top1_most - less)
    assert rule_for(worse).grade.rank >= rule_for(evidence).grade.rank


@given(KNOWN, st.floats(1, 20))
def test_a_far_tail_is_never_praised_whatever_the_mean(evidence: Evidence, tail: float) -> None:
    grade = rule_for(replace(evidence, kl_tail_nats=tail)).grade
    assert grade not in (Grade.GOOD_TRADE, Grade.SAME, Grade.CANT_TELL) or evidence.same


def test_scores_that_are_no_numbers_are_broken() -> None:
    assert rule_for(replace(SOUND, kl_nats=math.inf, size=0.3)).grade is Grade.BROKEN


# ── the original twice ───────────────────────────────────────────────────────────────────────────────────────────

RUNS = st.lists(st.floats(0.01, 100), min_size=1, max_size=7)


def latency(total: list[float], ttft: list[float], tpot: list[float]) -> Latency:
    parts = {"preprocess_s": ttft, "ttft_s": ttft, "tpot_s": tpot, "total_s": total, "tokens_per_s": [1 / value for value in tpot]}
    return Latency(load_s=1.0, **{name: Timing.of(runs) for name, runs in parts.items()})


def twice(first: Latency, again: Latency, kl: float, own_kl: float) -> tuple[VariantResult, VariantResult, NoiseFloor]:
    """The original, the original as if it were a variant, and the noise floor that comparing the two has given."""
    original = variant_result("original", ANSWER).model_copy(update={"latency": first})
    other = original.model_copy(update={"scheme": "fp32", "label": "FP32", "latency": again, "agreement": agreement(kl, 0.0)})
    parts = {part: noise_of(getattr(first, f"{part}_s"), getattr(again, f"{part}_s")).relative for part in ("ttft", "tpot")}
    floor = noise_of(first.total_s, again.total_s).model_copy(update={**parts, "kl_nats": own_kl})
    return original, relative_to(other, original), floor


@given(RUNS, RUNS, RUNS, RUNS, RUNS, RUNS, st.floats(0, 10), st.floats(0, 1))
def test_the_original_run_twice_is_never_called_another(
    total: list[float], ttft: list[float], tpot: list[float], total_again: list[float], ttft_again: list[float], tpot_again: list[float],
    own_kl: float, share: float,
) -> None:  # fmt: skip
    original, again, floor = twice(latency(total, ttft, tpot), latency(total_again, ttft_again, tpot_again), own_kl * share, own_kl)
    comparison = comparison_with(original, again, floor=floor)
    judged = judge(again, original, comparison)
    assert judged is not None and judged.grade is Grade.SAME and judged.what == ""
    said = verdict(comparison)
    words = said.plain + said.why + judged.evidence + facts_html(again, original, comparison)
    assert not any(word in words for word in ("slower", "faster", "% smaller", "% larger", "changes", "broken", "less sure", "cannot"))
    assert "same answer" in said.plain


@given(st.text(min_size=1, max_size=20), st.floats(0, 1e-6))
def test_where_even_the_original_wanders_another_answer_is_chance(answer: str, kl: float) -> None:
    """On a device that adds in another order each time, one of two equally likely words may win."""
    first = latency([1.0], [0.5], [0.1])
    original, again, floor = twice(first, first, kl, 0.0)
    again = again.model_copy(update={"answer": answer})
    judged = judge(again, original, comparison_with(original, again, floor=floor))
    assert judged is not None and judged.grade is Grade.SAME and kl <= SAME_NATS


# ── what is written about it ─────────────────────────────────────────────────────────────────────────────────────


def test_the_document_shows_the_rules() -> None:
    text = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    assert rules_markdown() in text, "stale: put the output of qdash.verdict.rules.rules_markdown() there"
    assert f"{DOUBT_ERRORS} standard errors" in text.replace("two", "2") and "1e-6" in text


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [({"size": 0.5}, (1.25,)), ({"size": 1.0}, (0.9,)), ({"size": 2.0}, ()), ({"changed": 1.0}, ()), ({"answered": False}, ())],
)
def test_time_matters_only_where_it_changes_the_grade(changes: dict[str, Any], bounds: tuple[float, ...]) -> None:
    assert time_bounds(replace(SOUND, **changes)) == bounds
