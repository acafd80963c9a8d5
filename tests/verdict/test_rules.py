"""The rule table: every variant gets a grade, better evidence never a worse one, and the original is never another model."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.comparison import noise_of, relative_to
from qdash.records import Latency, NoiseFloor, Timing, VariantResult
from qdash.records.agreement import SAME_NATS
from qdash.ui.facts import facts_html
from qdash.verdict import Grade, judge, verdict
from qdash.verdict.rules import DOUBT_ERRORS, RULES, Evidence, rule_for, rules_markdown
from tests.ui.scripted import variant_result
from tests.verdict.examples import ANSWER, agreement
from tests.verdict.test_sentences import comparison_with

ROOT = Path(__file__).parents[2]

NATS = st.one_of(st.just(0.0), st.floats(1e-9, 20), st.just(math.inf))
SHARES = st.floats(0, 3)
UNKNOWN = st.just(math.nan)

KNOWN = st.builds(
    Evidence,
    kl_nats=NATS,
    kl_doubt_nats=st.floats(0, 5) | st.just(math.inf),
    kl_noise_nats=st.floats(0, 0.1),
    changed=st.sampled_from([0.0, 1.0]),
    silent=st.just(0.0),
    size=st.floats(0.05, 2),
    time=st.floats(0.1, 10),
    time_noise=SHARES,
)
ANYTHING = st.builds(
    Evidence,
    kl_nats=NATS | UNKNOWN,
    kl_doubt_nats=SHARES | st.just(math.inf),
    kl_noise_nats=SHARES,
    changed=st.sampled_from([0.0, 1.0, math.nan]),
    silent=st.sampled_from([0.0, 1.0, math.nan]),
    size=SHARES | UNKNOWN,
    time=SHARES | UNKNOWN,
    time_noise=SHARES,
)


@given(ANYTHING)
def test_every_evidence_has_a_grade(evidence: Evidence) -> None:
    assert rule_for(evidence) in RULES


def test_every_rule_and_every_grade_can_be_reached() -> None:
    fine = Evidence(kl_nats=0.01, changed=0, silent=0, size=0.9, time=1.5, time_noise=0.02)
    reached = [
        replace(fine, kl_nats=2.0, kl_doubt_nats=0.5),
        replace(fine, changed=1, silent=1),
        replace(fine, changed=1),
        replace(fine, kl_nats=0.3, kl_doubt_nats=0.1),
        replace(fine, kl_nats=0.05, kl_doubt_nats=0.1),
        Evidence(size=0.5, time=1.0),
        replace(fine, size=0.3, time=1.1),
        replace(fine, size=1.0, time=0.5),
        fine,
    ]
    assert [rule_for(evidence) for evidence in reached] == list(RULES)
    assert {rule.grade for rule in RULES} == set(Grade)


@pytest.mark.parametrize("worse", ["kl_nats", "changed", "silent", "size", "time", "time_noise"])
@given(KNOWN, st.floats(0, 5))
def test_worse_evidence_never_has_a_better_grade(worse: str, evidence: Evidence, more: float) -> None:
    value = 1.0 if worse in ("changed", "silent") else getattr(evidence, worse) + more
    assert rule_for(replace(evidence, **{worse: value})).grade.rank >= rule_for(evidence).grade.rank


@given(KNOWN, st.floats(0, 5))
def test_more_doubt_never_praises_or_blames(evidence: Evidence, more: float) -> None:
    before, after = (rule_for(found).grade for found in (evidence, replace(evidence, kl_doubt_nats=evidence.kl_doubt_nats + more)))
    if before in (Grade.CAREFUL, Grade.BROKEN):
        assert after.rank <= before.rank
    else:
        assert after.rank >= before.rank and after not in (Grade.CAREFUL, Grade.BROKEN)


def test_scores_that_are_no_numbers_are_broken() -> None:
    assert rule_for(Evidence(kl_nats=math.inf, changed=0, silent=0, size=0.3, time=0.5)).grade is Grade.BROKEN


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
    judged = judge(again, original, floor)
    assert judged is not None and judged.grade is Grade.FINE and judged.what == "same answer"
    said = verdict(comparison_with(original, again, floor=floor))
    words = said.plain + said.why + judged.evidence + facts_html(again, original, floor)
    assert not any(word in words for word in ("slower", "faster", "% smaller", "% larger", "changes", "broken", "less sure", "cannot"))
    assert "same answer" in said.plain


@given(st.text(min_size=1, max_size=20), st.floats(0, 1e-6))
def test_where_even_the_original_wanders_another_answer_is_chance(answer: str, kl: float) -> None:
    """On a device that adds in another order each time, one of two equally likely words may win."""
    first = latency([1.0], [0.5], [0.1])
    original, again, floor = twice(first, first, kl, 0.0)
    judged = judge(again.model_copy(update={"answer": answer}), original, floor)
    assert judged is not None and judged.grade is Grade.FINE and kl <= SAME_NATS


# ── what is written about it ─────────────────────────────────────────────────────────────────────────────────────


def test_the_document_shows_the_rules() -> None:
    text = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    assert rules_markdown() in text, "stale: put the output of qdash.verdict.rules.rules_markdown() there"
    assert f"{DOUBT_ERRORS} standard errors" in text.replace("two", "2") and "1e-6" in text
