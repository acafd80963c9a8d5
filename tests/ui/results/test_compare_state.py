"""The state of the cards follows the events."""

import pytest

from qdash.records import AnswerText, ComparisonDone, Progress, Request, Variant, VariantAnswered, VariantDone
from qdash.ui.results.compare_state import finished_state, queued_state, reduce
from tests.support.scripted import CANCELLED, OUT_OF_MEMORY, answered_result, comparison_of, failed_result, variant_result

REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8")), prompt="What?")


def test_a_variant_goes_through_its_states() -> None:
    state = queued_state(REQUEST)
    seen = [state.cards[1].state]
    for event in (
        Progress(index=1, stage="downloading", fraction=0.1),
        Progress(index=1, stage="loading"),
        Progress(index=1, stage="answering"),
        AnswerText(index=1, text="A bl"),
        Progress(index=1, stage="scoring"),
        VariantAnswered(index=1, result=answered_result("bnb-int8", "A black square.")),
        Progress(index=1, stage="warming up"),
        Progress(index=1, stage="timing", fraction=0.5, detail="round 3 of 5"),
        VariantDone(index=1, result=variant_result("bnb-int8", "A black square.")),
    ):
        state = reduce(state, event)
        seen.append(state.cards[1].state)
    states = ["queued", "downloading", "loading", "answering", "answering", "scoring", "answered", "measuring", "measuring", "timed"]
    assert seen == states
    assert state.cards[1].text == "A black square."
    assert state.cards[0].state == "queued"


@pytest.mark.parametrize(
    ("error", "status", "ended"),
    [(OUT_OF_MEMORY, "failed", "failed"), (CANCELLED, "skipped", "stopped"), (OUT_OF_MEMORY, "skipped", "skipped")],
)
def test_what_did_not_finish_says_how(error, status, ended) -> None:
    state = reduce(queued_state(REQUEST), VariantDone(index=1, result=failed_result("bnb-int8", error, status)))
    assert state.cards[1].state == ended


def test_the_reference_is_the_baselines_answer_once_it_is_there() -> None:
    state = queued_state(REQUEST)
    assert state.reference is None
    state = reduce(state, VariantAnswered(index=0, result=answered_result("original", "A square.")))
    assert state.reference == "A square."


def test_a_run_that_is_stopped_in_its_rounds_ends_with_answers() -> None:
    results = [answered_result("original", "A."), answered_result("bnb-int8", "A.")]
    state = queued_state(REQUEST)
    for index, result in enumerate(results):
        state = reduce(state, VariantAnswered(index=index, result=result))
    state = reduce(state, Progress(index=0, stage="timing", fraction=0.2, detail="round 2 of 5"))
    for index, result in enumerate(results):
        state = reduce(state, VariantDone(index=index, result=result))
    assert state.states == ("untimed", "untimed")
    state = reduce(state, ComparisonDone(comparison=comparison_of(REQUEST, *results, noise=None)))
    assert state.states == ("done", "done") and [card.text for card in state.cards] == ["A.", "A."]


def test_no_times_are_on_the_board_before_the_comparison_is_over() -> None:
    results = [variant_result("original", "A."), variant_result("bnb-int8", "A.", slowdown=0.08)]
    state = queued_state(REQUEST)
    for index, result in enumerate(comparison_of(REQUEST, *results).variants):
        state = reduce(state, VariantDone(index=index, result=result))
        assert result.relative is not None
    assert all(card.result is not None and card.result.latency is None and card.result.relative is None for card in state.cards)
    over = reduce(state, ComparisonDone(comparison=comparison_of(REQUEST, *results)))
    assert all(card.result is not None and card.result.latency is not None for card in over.cards)


def test_how_far_the_rounds_are_counts_all_that_are_timed() -> None:
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8", "bnb-nf4")), prompt="?")
    state = queued_state(request)
    state = reduce(state, VariantAnswered(index=0, result=answered_result("original", "A.")))
    state = reduce(state, VariantAnswered(index=1, result=failed_result("bnb-int8", OUT_OF_MEMORY)))
    assert not state.answered and state.rounds_done is None
    state = reduce(state, VariantAnswered(index=2, result=answered_result("bnb-nf4", "A.")))
    assert state.answered and not state.timing
    state = reduce(state, Progress(index=0, stage="timing", fraction=0.5, detail="round 3 of 5"))
    assert state.timing and state.rounds_done == 0.25
    state = reduce(state, Progress(index=2, stage="timing", fraction=0.6, detail="round 3 of 5"))
    assert state.rounds_done == 0.6
    state = reduce(state, VariantDone(index=2, result=variant_result("bnb-nf4", "A.")))
    assert state.rounds_done == 0.75


def test_a_finished_comparison_alone_makes_the_same_board() -> None:
    comparison = comparison_of(REQUEST, variant_result("original", "A."), variant_result("bnb-int8", "B."))
    state = reduce(queued_state(REQUEST), ComparisonDone(comparison=comparison))
    assert state == finished_state(comparison)
    assert [card.text for card in state.cards] == ["A.", "B."]
