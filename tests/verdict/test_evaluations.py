"""The headline of an evaluation: never a blame that chance explains, against scipy's tests and plain arithmetic."""

import random
import re
from contextlib import redirect_stdout
from io import StringIO
from math import hypot
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qdash.charts import evaluation_trades
from qdash.cli.display import display
from qdash.cli.shown.evaluation import evaluation_blocks
from qdash.records import (
    Coverage,
    ErrorRecord,
    EvaluatedVariant,
    Evaluation,
    EvaluationNoise,
    EvaluationRequest,
    ItemResult,
    TaskItem,
    Variant,
)
from qdash.report import evaluation_to_html
from qdash.tasks import compare_to_baseline, summarize
from qdash.ui.results.evaluation_view import rows_html
from qdash.verdict.evaluations import AS_WELL, costs, evaluation_judges_nothing, evaluation_verdict
from tests.support.scripted_evaluation import evaluation_of

COVERED = Coverage(quantized=40, total=42)
KEYS = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3", "nvfp4", "fp8-e4m3")


def evaluation(*rights: list[bool], noise: float | None = 0.02, **changes: Any) -> Evaluation:
    """An evaluation in which the variants get these questions right; all answer everything."""
    count = len(rights[0])
    questions = [TaskItem(prompt=f"question {place}", answer="yes") for place in range(count)]
    request = EvaluationRequest(variants=tuple(Variant(model="m", scheme=key) for key in KEYS[: len(rights)]), task="cloze")
    results: list[EvaluatedVariant] = []
    for place, (key, right) in enumerate(zip(KEYS, rights, strict=False)):
        items = [ItemResult(index=at, answer="yes" if good else "no", correct=good) for at, good in enumerate(right)]
        figures: dict[str, Any] = summarize(items, questions)
        kind = "simulated" if key.startswith("fp") else "real"
        result = EvaluatedVariant(
            scheme=key, label=key.upper(), kind=kind, status="ok", model="m", total_s=10.0 + place, coverage=COVERED, **figures
        )
        results.append(compare_to_baseline(result, results[0], count) if results else result)
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
    said = evaluation_verdict(found)
    if not any(right):
        assert {cost.judged for cost in costs(found)} == {"not judged"} and "Nothing can be judged" in said.plain
        return
    assert all(cost.judged in ("same", "open") and cost.drop == 0 for cost in costs(found))
    assert "costs" not in said.plain and ("as well as the original" in said.plain) == (costs(found)[0].high <= AS_WELL)


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
        calm = ("same", "open")
        assert cost.judged in (calm if not falls else ("worse",) if lost > won else ("better",))
        assert cost.judged not in calm or (cost.judged == "same") == (cost.high <= AS_WELL)
        assert cost.low <= cost.drop <= cost.high and cost.drop == pytest.approx((lost - won) / 200)


def test_twenty_chances_are_no_blame() -> None:
    base = [True] * 200
    rights = [base] * 4 + [wrong(6)]  # p = 0.031 alone: below 0.05, not below 0.05 / 5
    assert {cost.judged for cost in costs(evaluation(base, *rights))} == {"same", "open"}
    assert costs(evaluation(base, wrong(6)))[0].judged == "worse"


def test_the_sentence_names_the_cost_and_who_is_as_good() -> None:
    said = evaluation_verdict(evaluation(wrong(10), wrong(10), wrong(40), wrong(60)))
    assert said.plain == "BNB-INT8 answers as well as the original, to within 2.0 points; FP6-E2M3 costs 25.0 points, BNB-NF4 15.0 points."
    assert "The original answers 95.0% of 200 questions right (95% confidence: 91.0–97.3%)." in said.why
    lost, won = (binomtest(count, 200).proportion_ci(method="wilson") for count in (50, 0))
    low, high = 0.25 - hypot(0.25 - lost.low, won.high), 0.25 + hypot(lost.high - 0.25, 0 - won.low)
    between = f"{low * 100:.1f} to {high * 100:.1f} points"
    assert (
        "FP6-E2M3 got 50 questions wrong that the original got right, and none the other way round: "
        f"a loss of {between} (McNemar p < 0.001)." in said.why
    )
    assert "None is faster here." in said.why


def test_what_could_go_unseen_is_said() -> None:
    said = evaluation_verdict(evaluation(wrong(10), wrong(10)))
    assert said.plain == "BNB-INT8 answers as well as the original, to within 2.0 points."
    assert "A loss of up to 1.9 points could go unnoticed." in said.why
    few = evaluation_verdict(evaluation(wrong(1, 10), wrong(3, 10)))
    assert few.plain == "Too few questions to tell: BNB-INT8 7 of 10, original 9 of 10."
    more = evaluation_verdict(evaluation(wrong(10), wrong(14)))
    assert re.fullmatch(r"No difference found for BNB-INT8 \(a loss of up to \d+\.\d points could go unnoticed\)\.", more.plain)
    assert "as well" not in few.plain + few.why + more.plain + more.why


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
    assert "Speeds are not compared: the machine seems busy." in busy and "faster" not in busy
    once = EvaluationNoise(relative=0.01, first_s=1, again_s=1, items=32)
    timed = found.variants[1].model_copy(update={"speedup": 1.6})
    thin = found.model_copy(update={"variants": (found.variants[0], timed), "noise_floor": once})
    assert "too few batches" in evaluation_verdict(thin).why and "faster" not in evaluation_verdict(thin).why


def test_without_an_original_or_alone() -> None:
    alone = evaluation_verdict(evaluation(wrong(10)))
    assert alone.plain == "The original answers 95.0% right." and "200" in alone.why
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
    assert "Stopped early: BNB-INT8." in said.why and "BNB-INT8" in said.plain


def test_an_original_without_a_right_answer_is_no_basis() -> None:
    nothing = evaluation([False] * 50, [False] * 50, [True] * 50)
    assert evaluation_judges_nothing(nothing) and {cost.judged for cost in costs(nothing)} == {"not judged"}
    assert evaluation_verdict(nothing).plain == "Nothing can be judged: the original has no right answer."
    broken = evaluation(wrong(10), wrong(10))
    original = broken.variants[0].model_copy(update={"scores_finite": False})
    broken = broken.model_copy(update={"variants": (original, *broken.variants[1:])})
    said = evaluation_verdict(broken)
    assert evaluation_judges_nothing(broken) and "own scores are NaN or infinite" in said.plain
    assert "as well" not in said.plain and "fast" not in said.why


@pytest.mark.parametrize(
    ("coverage", "why"),
    [
        (Coverage(quantized=0, total=9), "it quantized nothing"),
        (Coverage(quantized=1, total=9, quantized_parameters=4, parameters=1000), "it quantized only 0.4% of the weights"),
        (None, "how much it quantized is not known"),
    ],
)
def test_a_scheme_that_quantized_nothing_is_not_judged(coverage: Coverage | None, why: str) -> None:
    found = evaluation(wrong(10), wrong(10))
    idle = found.variants[1].model_copy(update={"coverage": coverage, "speedup": 2.0})
    found = found.model_copy(update={"variants": (found.variants[0], idle)})
    said = evaluation_verdict(found)
    assert said.plain == f"Nothing can be judged: BNB-INT8 ({why})." and evaluation_judges_nothing(found)
    assert "faster" not in said.why and "unnoticed" not in said.why


def test_a_sure_loss_is_told_although_coverage_is_unknown() -> None:
    found = evaluation(wrong(10), wrong(60))
    old = found.variants[1].model_copy(update={"coverage": None})
    assert evaluation_verdict(found.model_copy(update={"variants": (found.variants[0], old)})).plain == "BNB-INT8 costs 25.0 points."


def test_four_questions_tell_nothing_and_say_their_counts() -> None:
    said = evaluation_verdict(evaluation(wrong(1, 4), wrong(1, 4), wrong(2, 4), wrong(3, 4)))
    assert said.plain == "Too few questions to tell: FP6-E2M3 1 of 4, BNB-NF4 2 of 4, BNB-INT8 3 of 4, original 3 of 4."
    assert "as well" not in said.plain + said.why


def test_what_is_clearly_worse_is_no_best_trade() -> None:
    found = evaluation(wrong(10), wrong(10), wrong(90))
    smaller = tuple(
        result.model_copy(update={"weights_bytes": size, "projected_bytes": size})
        for result, size in zip(found.variants, (3000, 2000, 1000), strict=True)
    )
    found = found.model_copy(update={"variants": smaller})
    assert [cost.judged for cost in costs(found)] == ["same", "worse"]
    assert {point.place for point in evaluation_trades(found, "size").front} == {1}
    rows = rows_html(found).split("<tr")[2:]
    assert "clearly worse" in rows[2] and "size" not in rows[2].split("</td>")[-2] and "size" in rows[1].split("</td>")[-2]


def test_a_loss_has_one_sign_wherever_it_is_shown() -> None:
    found, printed = evaluation(wrong(10), wrong(60)), StringIO()
    with redirect_stdout(printed):
        display().show(*evaluation_blocks(found))
    for shown in (rows_html(found), printed.getvalue(), evaluation_to_html(found)):
        assert "−25.0" in shown and "+25.0" not in shown
    assert "costs 25.0 points" in evaluation_verdict(found).plain
