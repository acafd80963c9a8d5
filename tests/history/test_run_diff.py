"""What changed between two runs: only what is larger than the noise of both, and only where the two can be compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import QdashError
from qdash.history.run_diff import Difference, difference
from qdash.records import Agreement, Comparison, Rounds, Timing, VariantResult
from qdash.stats.binomial import proportion
from tests.history.examples import comparison, evaluation, slowed

RUN = comparison(1)


def _steady(record: Comparison) -> Comparison:
    """Every timed run takes as long as the median, so that the noise floor is all the noise there is."""
    variants = []
    for result in record.variants:
        if result.latency is not None:
            timings = {
                name: Timing.of([getattr(result.latency, name).median] * 3)
                for name in ("preprocess_s", "ttft_s", "tpot_s", "total_s", "tokens_per_s")
            }
            result = result.model_copy(update={"latency": result.latency.model_copy(update=timings)})
        variants.append(result)
    return record.model_copy(update={"variants": tuple(variants)})


STEADY = _steady(RUN)


def _words(found: Difference, label: str) -> dict[str, str]:
    variant = next(variant for variant in found.variants if variant.label == label)
    return {change.name: change.words for change in variant.changes}


def _differing(found: Difference) -> set[str]:
    return {change.name for variant in found.variants for change in variant.changes if change.differs}


def test_a_run_does_not_differ_from_itself() -> None:
    for run in (RUN, evaluation()):
        found = difference(run, run)
        assert not _differing(found) and found.conditions == ()
        assert found.headline == "No figure differs by more than measurement noise."


@given(
    first=st.floats(0, 0.29), second=st.floats(0, 0.29), factor=st.floats(0.2, 5),
)  # fmt: skip
def test_a_time_differs_if_it_does_by_more_than_both_floors_together(first: float, second: float, factor: float) -> None:
    """Against the rule in plain words: the longer is more than (1 + both floors) times as long as the shorter."""
    before = comparison(1, noise=first).model_copy(update={"variants": STEADY.variants})
    after = slowed(comparison(2, noise=second).model_copy(update={"variants": STEADY.variants}), factor)
    allowed = max(first, 0.005) + max(second, 0.005)
    longer = max(factor, 1 / factor) - 1
    if abs(longer - allowed) < 1e-9:
        return
    found = difference(before, after)
    assert _differing(found) == ({"total", "first token", "per token"} if longer > allowed else set())
    back = difference(after, before)
    assert _differing(back) == _differing(found), "the order of the two makes no difference"
    if longer > allowed:
        assert _words(found, "INT8")["per token"] == (f"{factor:.2f}× slower" if factor > 1 else f"{1 / factor:.2f}× faster")


def test_without_a_noise_floor_nothing_is_claimed() -> None:
    before = comparison(1, noise=None).model_copy(update={"variants": STEADY.variants})
    found = difference(before, slowed(before, 2))
    assert _words(found, "INT8")["per token"] == "not compared: how much timings vary is not known"
    assert not _differing(found) and "cannot be compared" in found.headline


def test_speeds_of_a_busy_machine_or_of_too_few_runs_are_not_compared() -> None:
    few = RUN.model_copy(update={"variants": tuple(_with_runs(result, 2) for result in STEADY.variants)})
    busy = STEADY.model_copy(update={"rounds": Rounds(taken=5, busy=0.4)})
    loud = comparison(2, noise=0.5).model_copy(update={"variants": STEADY.variants})
    for before, why in ((few, "at least three timed runs"), (busy, "busy"), (loud, "busy")):
        found = difference(before, slowed(before, 3))
        assert why in _words(found, "INT8")["total"] and not _differing(found)


def _with_runs(result: VariantResult, count: int) -> VariantResult:
    if result.latency is None:
        return result
    names = ("preprocess_s", "ttft_s", "tpot_s", "total_s", "tokens_per_s")
    timings = {name: Timing.of(getattr(result.latency, name).runs[:count]) for name in names}
    return result.model_copy(update={"latency": result.latency.model_copy(update=timings)})


def test_simulated_speed_is_never_compared() -> None:
    found = difference(STEADY, slowed(STEADY, 3))
    assert set(_words(found, "FP6 E2M3")) == {"answer", "weights, projected", "on disk"}


def test_answers_to_another_question_are_not_compared() -> None:
    found = difference(comparison(1, prompt="one"), slowed(comparison(2, prompt="two"), 2))
    words = _words(found, "INT8")
    assert words["answer"] == words["total"] == words["first token"] == "different question"
    assert words["per token"] == "2.00× slower" and words["weights"] == "≈ same"
    assert [change.name for change in found.conditions] == ["question"]
    assert "under different conditions" in found.why


def test_other_tokens_and_another_machine() -> None:
    measurement = RUN.request.measurement.model_copy(update={"max_new_tokens": 100})
    request = RUN.request.model_copy(update={"measurement": measurement})
    host = RUN.host.model_copy(update={"threads": 8, "versions": {**RUN.host.versions, "torch": "2.12.0"}})
    found = difference(RUN, RUN.model_copy(update={"request": request, "host": host}))
    assert {change.name: (change.before, change.after) for change in found.conditions} == {
        "number of tokens": ("50", "100"), "threads": ("2", "8"), "torch": ("2.11.0", "2.12.0"),
    }  # fmt: skip
    assert _words(found, "INT8")["total"] == "different number of tokens" and _words(found, "INT8")["per token"] == "≈ same"


def test_a_variant_of_one_run_only_is_said() -> None:
    fewer = RUN.model_copy(update={"variants": RUN.variants[:2]})
    found = difference(RUN, fewer)
    assert {variant.label: variant.only for variant in found.variants}["NF4 4-bit"] == "before"
    assert {variant.label: variant.only for variant in difference(fewer, RUN).variants}["NF4 4-bit"] == "after"


def test_a_changed_answer_is_changed() -> None:
    first, second, *rest = RUN.variants
    found = difference(RUN, RUN.model_copy(update={"variants": (first, second.model_copy(update={"answer": "else"}), *rest)}))
    assert _differing(found) == {"answer"} and found.headline.startswith("One figure differs")


def _agreeing(mean: float, se: float) -> Comparison:
    agreement = Agreement(kl_mean_nats=mean, kl_se=se, top1=0.9, ppl_original=2.0, ppl=2.1, first_divergence=3, tokens=10)
    first, second, *rest = RUN.variants
    return RUN.model_copy(update={"variants": (first, second.model_copy(update={"agreement": agreement}), *rest)})


@pytest.mark.parametrize(("mean", "differs"), [(0.10, False), (0.12, False), (0.16, True), (0.02, True)])
def test_divergences_within_their_standard_errors_are_the_same(mean: float, differs: bool) -> None:
    """0.1 ± 0.01 against others ± 0.01: 1.96 · √2 · 0.01 = 0.0277 apart is chance."""
    assert ("KL" in _differing(difference(_agreeing(0.10, 0.01), _agreeing(mean, 0.01)))) is differs


@pytest.mark.parametrize(("right", "differs"), [(90, False), (85, False), (78, True), (60, True)])
def test_accuracies_are_compared_by_newcombes_interval(right: int, differs: bool) -> None:
    """90 of 100 against others: the hybrid score interval of the difference, written out here."""
    one, two = proportion(90, 100), proportion(right, 100)
    gap = one.value - two.value
    low = gap - ((one.value - one.low) ** 2 + (two.high - two.value) ** 2) ** 0.5
    high = gap + ((one.high - one.value) ** 2 + (two.value - two.low) ** 2) ** 0.5
    assert (not low <= 0 <= high) is differs
    found = difference(evaluation(90), evaluation(right))
    assert ("accuracy" in _differing(found)) is differs
    if differs:
        assert _words(found, "NF4 4-bit")["accuracy"] == f"−{90 - right:.1f} points"


def test_other_questions_have_no_accuracy_to_compare() -> None:
    other = evaluation(50).model_copy(update={"questions": evaluation().questions[:50]})
    found = difference(evaluation(), other)
    assert _words(found, "NF4 4-bit")["accuracy"] == "different set of questions"


def test_two_kinds_have_nothing_in_common() -> None:
    with pytest.raises(QdashError, match="no figures in common"):
        difference(RUN, evaluation())
