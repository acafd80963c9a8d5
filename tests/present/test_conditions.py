"""The conditions of times: page, terminal and report tell them alike."""

import pytest

from qdash.cli.display.blocks import Paragraph
from qdash.cli.shown.comparison import comparison_blocks
from qdash.present.conditions import timing_conditions
from qdash.records import Comparison, Ratio, Relative, Rounds
from qdash.report import html
from qdash.ui.results.conditions import conditions_html
from tests.report.examples import COMPARISON


def _told(comparison: Comparison) -> str:
    return " · ".join(condition.words for condition in timing_conditions(comparison))


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        (None, "× 5 runs after"),
        (Rounds(taken=3, busy=0.02), "× 3 of at most 5 rounds after"),
        (Rounds(taken=5, repeated=2, busy=0.75), "× 5 rounds after 1 warm-up run · 2 rounds repeated"),
        (Rounds(taken=5, repeated=1, busy=0.75), "1 round repeated · other programs used 75% of the processor"),
        (Rounds(taken=14, busy=0.2), "× 14 rounds after"),
    ],
)
def test_rounds_and_how_busy_the_machine_was(rounds: Rounds | None, words: str) -> None:
    told = _told(COMPARISON.model_copy(update={"rounds": rounds}))
    assert words in told and ("other programs" in told) == (rounds is not None)


def test_variants_may_have_been_timed_in_different_numbers_of_rounds() -> None:
    original, *others = COMPARISON.variants
    timed = [
        result.model_copy(
            update={"relative": Relative(latency=1, memory=1, tokens_per_s=1, total=Ratio(value=1, low=1, high=1, rounds=count))}
        )
        for count, result in zip((3, 12), others, strict=False)
    ]
    comparison = COMPARISON.model_copy(update={"rounds": Rounds(taken=3), "variants": (original, *timed)})
    assert "× 3 to 12 rounds after" in _told(comparison)


def test_a_comparison_without_times_says_so() -> None:
    untimed = tuple(result.model_copy(update={"latency": None}) for result in COMPARISON.variants)
    assert _told(COMPARISON.model_copy(update={"variants": untimed})) == "not timed"
    assert "median, p10–p90" in _told(COMPARISON)


def test_no_place_tells_of_medians_that_were_not_taken() -> None:
    untimed = tuple(result.model_copy(update={"latency": None}) for result in COMPARISON.variants)
    comparison = COMPARISON.model_copy(update={"variants": untimed})
    *_, conditions = comparison_blocks(comparison)
    assert isinstance(conditions, Paragraph)
    for said in (conditions_html(comparison), conditions.text, " ".join(html._conditions(comparison))):
        assert "not timed" in said and "median" not in said
