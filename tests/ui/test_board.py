"""The state of the cards follows the events."""

import pytest

from qdash.records import AnswerText, ComparisonDone, Progress, Request, Variant, VariantDone
from qdash.ui.board import advance, finished_board, queued_board
from tests.ui.scripted import CANCELLED, OUT_OF_MEMORY, comparison_of, failed_result, variant_result

REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8")), prompt="What?")


def test_a_variant_goes_through_its_states() -> None:
    board = queued_board(REQUEST)
    seen = [board.cards[1].state]
    for event in (
        Progress(index=1, stage="downloading", fraction=0.1),
        Progress(index=1, stage="loading"),
        Progress(index=1, stage="answering"),
        AnswerText(index=1, text="A bl"),
        Progress(index=1, stage="timing", fraction=0.5, detail="run 3 of 5"),
        VariantDone(index=1, result=variant_result("bnb-int8", "A black square.")),
    ):
        board = advance(board, event)
        seen.append(board.cards[1].state)
    assert seen == ["queued", "downloading", "loading", "answering", "answering", "measuring", "done"]
    assert board.cards[1].text == "A black square."
    assert board.cards[0].state == "queued"


@pytest.mark.parametrize(
    ("error", "status", "state"),
    [(OUT_OF_MEMORY, "failed", "failed"), (CANCELLED, "skipped", "stopped"), (OUT_OF_MEMORY, "skipped", "skipped")],
)
def test_what_did_not_finish_says_how(error, status, state) -> None:
    board = advance(queued_board(REQUEST), VariantDone(index=1, result=failed_result("bnb-int8", error, status)))
    assert board.cards[1].state == state


def test_the_reference_is_the_baselines_answer_once_it_is_there() -> None:
    board = queued_board(REQUEST)
    assert board.reference is None
    board = advance(board, VariantDone(index=0, result=variant_result("original", "A square.")))
    assert board.reference == "A square."


def test_a_finished_comparison_alone_makes_the_same_board() -> None:
    comparison = comparison_of(REQUEST, variant_result("original", "A."), variant_result("bnb-int8", "B."))
    board = advance(queued_board(REQUEST), ComparisonDone(comparison=comparison))
    assert board == finished_board(comparison)
    assert [card.text for card in board.cards] == ["A.", "B."]
