"""How a comparison compares variants with the original's answer and with a reference text."""

from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.records import (
    Comparison,
)
from qdash.runs.compare import compare
from tests.runs.scripted_workers import Script, scoring
from tests.runs.test_compare import final, folder, outcome, quiet, request_for

__all__ = ["folder", "quiet"]


def test_variants_are_scored_against_the_originals_answer_before_they_are_timed(folder: Path) -> None:
    script = scoring()
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, script))
    assert script.calls == [
        ("original", "load"), ("original", "answer"), ("original", "record_reference"),
        ("bnb-nf4", "load"), ("bnb-nf4", "answer"), ("bnb-nf4", "compare_to_reference"),
        ("original", "load"), ("original", "compare_to_reference"),
        ("original", "load"), ("original", "warm_up"), ("bnb-nf4", "load"), ("bnb-nf4", "warm_up"),
    ]  # fmt: skip
    comparison = final(events)
    original, variant = comparison.variants
    assert (original.agreement, original.agreement_problem, original.scores_finite) == (None, None, True)
    assert variant.agreement is not None and (variant.agreement.kl_mean_nats, variant.agreement.tokens) == (0.25, 3)
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats == 0.0
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_the_noise_of_each_part_of_the_time_is_that_of_the_originals_rounds(folder: Path) -> None:
    noise = outcome(folder, Script(lambda scheme, number: 1.0 + 0.1 * number), "original", "bnb-nf4").noise_floor
    assert noise is not None and noise.kl_nats is None
    assert (noise.first_median_s, noise.again_median_s, noise.relative) == (1.0, pytest.approx(1.2), pytest.approx(0.2))
    assert (noise.ttft, noise.tpot) == (pytest.approx(0.2), pytest.approx(0.2))


def test_a_reference_text_is_scored_beside_the_answer(folder: Path) -> None:
    request = request_for(folder, "original", "bnb-nf4").model_copy(update={"reference_text": "Once upon a time"})
    variant = final(list(compare(request, None, scoring()))).variants[1]
    assert variant.agreement is not None and variant.agreement.tokens == 3
    assert variant.agreement_text is not None and variant.agreement_text.tokens == 1


def test_a_failed_scoring_costs_the_agreement_only(folder: Path) -> None:
    other = QdashError("It has other words.", "Compare one family.")
    variant = outcome(folder, scoring({("bnb-nf4", "compare_to_reference"): other}), "original", "bnb-nf4").variants[1]
    assert (variant.status, variant.agreement, variant.agreement_problem) == ("ok", None, "It has other words.")
    assert variant.latency is not None and variant.answer == "a cat"


def test_without_a_reference_nobody_is_scored_and_everybody_knows_why(folder: Path) -> None:
    nan = QdashError("No numbers.", "Another type.", "not_finite")
    script = scoring({("original", "record_reference"): nan})
    comparison = outcome(folder, script, "original", "bnb-nf4")
    assert [variant.agreement_problem for variant in comparison.variants] == ["No numbers. Another type.", "No numbers."]
    assert [variant.scores_finite for variant in comparison.variants] == [False, None]
    assert "compare_to_reference" not in {method for _, method in script.calls}
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats is None
    died = QdashError("It died.", "Try again.", "worker_died")
    variant = outcome(folder, scoring({("original", "load"): died}), "original", "bnb-nf4").variants[1]
    assert variant.agreement_problem is not None and "did not run" in variant.agreement_problem


def test_a_floor_that_cannot_be_scored_is_unknown(folder: Path) -> None:
    full = QdashError("Out of memory.", "Choose fewer.", "out_of_memory")
    noise = outcome(folder, scoring({("original", "compare_to_reference"): full}), "original", "bnb-nf4").noise_floor
    assert noise is not None and noise.kl_nats is None
