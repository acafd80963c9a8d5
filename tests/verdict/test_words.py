"""The small words: divergences as numbers, strips as cells, noise as a share."""

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.present.formatting import nats
from qdash.records import TokenAgreement
from qdash.verdict.judging import divergence_words
from qdash.verdict.pace import time_noise
from qdash.verdict.token_divergence import cells, summary
from tests.support.scripted import variant_result
from tests.verdict.examples import QUIET, agreement
from tests.verdict.test_sentences import comparison_with


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not finite"), (0.0, "0"), (3e-5, "< 0.0001"), (1e-4, "0.00010"), (0.00312, "0.0031"), (0.1, "0.10"), (0.214, "0.21"),
        (0.994, "0.99"), (0.996, "1.0"), (1.26, "1.3"), (12.34, "12.3"),
    ],
)  # fmt: skip
def test_two_digits_that_count(value: float | None, words: str) -> None:
    assert nats(value) == words


@given(st.floats(0, 1e6))
def test_a_divergence_is_rounded_by_less_than_a_tenth(value: float) -> None:
    words = nats(value)
    assert words == "< 0.0001" if 0 < value < 1e-4 else float(words) == pytest.approx(value, rel=0.06)


def test_doubt_is_two_standard_errors() -> None:
    assert divergence_words(agreement(0.2, 0.05)) == "KL 0.20 ± 0.10 nats"
    assert divergence_words(agreement(0.2, None)) == "KL 0.20 nats"
    assert divergence_words(agreement(3e-5, 2e-5)) == "KL < 0.0001 nats"
    assert divergence_words(agreement(None, None)) == "KL is not finite"


def test_a_strip_is_stronger_the_further_away() -> None:
    tokens = [
        TokenAgreement(piece=piece, kl_nats=value) for piece, value in (("A", 0.0), (" bit", 1e-3), ("", 0.05), ("!", 2.0), ("", None))
    ]
    found = cells(agreement(0.5, 0.1, per_token=tuple(tokens)))
    strengths = [cell.strength for cell in found]
    assert strengths == sorted(strengths) and strengths[:2] == [0.0, 0.0] and strengths[3:] == [1.0, 1.0] and 0.4 < strengths[2] < 0.6
    assert [cell.words for cell in found] == [
        "“A”: 0 nats", "“bit”: 0.0010 nats", "part of a word: 0.050 nats", "“!”: 2.0 nats", "end: not finite",
    ]  # fmt: skip
    assert summary(agreement(0.5, per_token=tuple(tokens[:4]))) == "Distance from the original at each of 4 tokens. Largest: “!”: 2.0 nats."
    assert summary(agreement(0.0, per_token=tuple(tokens[:1]))).endswith("none.")


def test_what_it_would_say_instead_is_told() -> None:
    token = TokenAgreement(piece=" square", kl_nats=2.34, instead=" star")
    (cell,) = cells(agreement(2.34, None, per_token=(token,)))
    assert cell.diverges and cell.words == "“square”: 2.3 nats, would say “star”"


def test_each_part_of_the_time_has_its_noise() -> None:
    comparison = comparison_with(variant_result("original", "A."), variant_result("bnb-nf4", "A."), floor=QUIET)
    variant = comparison.variants[1]
    assert [time_noise(variant, comparison, part) for part in ("total", "ttft", "tpot")] == pytest.approx([0.04, 0.05, 0.03])
    older = QUIET.model_copy(update={"ttft": None, "tpot": None})
    assert time_noise(variant, comparison.model_copy(update={"noise_floor": older}), "ttft") == pytest.approx(0.04)
    assert isnan(time_noise(variant, comparison.model_copy(update={"noise_floor": None}))), "the original was timed once: nobody knows"
