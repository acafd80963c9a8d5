"""The headline of an evaluation: never a blame that chance explains, against scipy's tests and plain arithmetic."""

import random
from math import hypot
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qdash.records import ErrorRecord, EvaluatedVariant, Evaluation, EvaluationNoise, EvaluationRequest, ItemResult, TaskItem, Variant
from qdash.tasks import beside, counted
from qdash.verdict.evaluations import costs, evaluation_verdict
from tests.ui.scripted_evaluation import evaluation_of

KEYS = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3", "nvfp4", "fp8-e4m3")


def evaluation(*rights: list[bool], noise: float | None = 0.02, **changes: Any) -> Evaluation:
    """An evaluation in which the variants get these questions right; all answer everything."""
    count = len(rights[0])
    questions = [TaskItem(prompt=f"question {place}", answer="yes") for place in range(count)]
    request = EvaluationRequest(variants=tuple(Variant(model="m", scheme=key) for key in KEYS[: len(rights)]), task="cloze")
    results: list[EvaluatedVariant] = []
    for place, (key, right) in enumerate(zip(KEYS, rights, strict=False)):
        items = [ItemResult(index=at, answer="yes" if good else "no", correct=good) for at, good in enumerate(right)]
        figures: dict[str, Any] = counted(items, questions)
        kind = "simulated" if key.startswith("fp") else "real"
        result = EvaluatedVariant(scheme=key, label=key.upper(), kind=kind, status="ok", model="m", total_s=10.0 + place, **figures)
        results.append(beside(result, results[0], count) if results else result)
    floor = None if noise is None else EvaluationNoise(relative=noise, first_s=1, again_s=1, items=count)
    known = {"request": request, "variants": tuple(results), "questions": tuple(questions), "noise_floor": floor}
    return evaluation_of(request, questions).model_copy(update={**known, **changes})


def wrong(count: int, total: int = 200) -> list[bool]:
    return [place >= count for place in range(total)]


@given(st.integers(1, 150), st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=60)
def test_the_same_answers_are_never_called_worse(total: int, seed: int, variants: int) -> None:
    right = [random.Random(seed + place).random() < 0.8 for place in range(total)]
    found = evaluation(right, *([right] * variants))
    assert all(cost.judged == "same" and cost.drop == 0 for cost in costs(found))
    said = evaluation_verdict(found)
    assert "as well as the original" in said.plain and "costs" not in said.plain


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5))
@settings(max_examples=60)
def test_blame_is_what_scipy_and_holm_say(splits: list[tuple[int, int]]) -> None:
    base = [True] * 100 + [False] * 100
    rights = [[place >= lost for place in range(100)] + [place < won for place in range(100)] for lost, won in splits]
    found = costs(evaluation(base, *rights))
    p_values = [1.0 if lost + won == 0 else float(binomtest(lost, lost + won, 0.5).pvalue) for lost, won in splits]
    # Holm by its definition: a hypothesis falls if its p, and every smaller one, is below its own bound.
    order = sorted(p_values)
    for (lost, won), cost, p_value in zip(splits, found, p_values, strict=True):
        rank = order.index(p_value)
        falls = all(order[step] <= 0.05 / (len(order) - step) for step in range(rank + 1))
        assert cost.judged == ("same" if not falls else "worse" if lost > won else "better")
        assert cost.low <= cost.drop <= cost.high and cost.drop == pytest.approx((lost - won) / 200)


def test_twenty_chances_are_no_blame() -> None:
    base = [True] * 200
    rights = [base] * 4 + [wrong(6)]  # p = 0.031 alone: below 0.05, not below 0.05 / 5
    assert {cost.judged for cost in costs(evaluation(base, *rights))} == {"same"}
    assert costs(evaluation(base, wrong(6)))[0].judged == "worse"


def test_the_sentence_names_the_cost_and_who_is_as_good() -> None:
    said = evaluation_verdict(evaluation(wrong(10), wrong(10), wrong(40), wrong(60)))
    assert said.plain == "BNB-INT8 answers as well as the original; FP6-E2M3 costs 25.0 points, BNB-NF4 15.0 points."
    assert "The original has 95.0 % of 200 right (95 % sure: 91.0–97.3 %)." in said.why
    lost, won = (binomtest(count, 200).proportion_ci(method="wilson") for count in (50, 0))
    low, high = 0.25 - hypot(0.25 - lost.low, won.high), 0.25 + hypot(lost.high - 0.25, 0 - won.low)
    between = f"{low * 100:.1f} to {high * 100:.1f} points"
    assert f"FP6-E2M3 lost 50 that the original has and won 0: a cost of {between}, McNemar p < 0.001." in said.why
    assert "None is faster here." in said.why


def test_what_could_go_unseen_is_said() -> None:
    said = evaluation_verdict(evaluation(wrong(10), wrong(10)))
    assert said.plain == "BNB-INT8 answers as well as the original, as far as 200 questions can tell."
    assert "A cost of up to 1.9 points could go unseen with so many questions." in said.why
    few = evaluation_verdict(evaluation(wrong(1, 10), wrong(3, 10)))
    assert "as well as the original" in few.plain and "unseen" in few.why


def test_gains_speed_and_gaps_are_said() -> None:
    found = evaluation(wrong(40), wrong(10))
    assert costs(found)[0].judged == "better"
    assert evaluation_verdict(found).plain == "BNB-INT8 gains 15.0 points."
    assert "a gain of" in evaluation_verdict(found).why
    for speedup, words in ((1.6, "1.6× faster"), (1.0, "about as fast"), (0.5, "2.0× slower")):
        timed = found.variants[1].model_copy(update={"speedup": speedup})
        assert f"BNB-INT8 is {words} here." in evaluation_verdict(found.model_copy(update={"variants": (found.variants[0], timed)})).why
    assert "faster" not in evaluation_verdict(found.model_copy(update={"noise_floor": None})).why
    busy = evaluation_verdict(evaluation(wrong(10), wrong(10), noise=0.4)).why
    assert "vary too much" in busy and "faster" not in busy


def test_without_an_original_or_alone() -> None:
    alone = evaluation_verdict(evaluation(wrong(10)))
    assert alone.plain == "The original answers 95.0 % right." and "200" in alone.why
    found = evaluation(wrong(10), wrong(10))
    missing = found.variants[0].model_copy(update={"accuracy": None, "items": (), "status": "failed"})
    said = evaluation_verdict(found.model_copy(update={"variants": (missing, found.variants[1])}))
    assert said.plain.startswith("There is nothing to compare with") and "Without figures: ORIGINAL." in said.why


def test_partial_answers_are_marked() -> None:
    found = evaluation(wrong(10), wrong(10))
    part = found.variants[1].model_copy(update={"items": found.variants[1].items[:40], "status": "skipped"})
    said = evaluation_verdict(found.model_copy(update={"variants": (found.variants[0], part)}))
    unreached = found.variants[1].model_copy(
        update={"items": (), "accuracy": None, "status": "skipped", "paired": None, "drop": None,
                "error": ErrorRecord(kind="cancelled", message="Stopped.", remedy="")}
    )  # fmt: skip
    two = evaluation_verdict(found.model_copy(update={"variants": (found.variants[0], unreached)}))
    assert "Stopped before their turn: BNB-INT8." in two.why and "Without figures" not in two.why
    assert "Stopped early: BNB-INT8." in said.why and "40 questions can tell" in said.plain
