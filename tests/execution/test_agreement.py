"""A whole comparison by real workers: who is scored, who cannot be, and that the original is itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qdash.execution.inline import InlineExecutor
from qdash.records import Comparison, ComparisonDone, Measurement, Request, Variant
from qdash.report import to_json
from qdash.runs.compare import compare
from qdash.verdict import Grade, judge

QUICK = Measurement(runs=2, warmup=0, max_new_tokens=2, max_answer_tokens=6)


def compared(prompt: str, png: bytes | None, *variants: tuple[Path, str]) -> Comparison:
    asked = tuple(Variant(model=str(folder), scheme=scheme) for folder, scheme in variants)
    *_, last = compare(Request(variants=asked, prompt=prompt, measurement=QUICK, device="cpu"), png, InlineExecutor())
    assert isinstance(last, ComparisonDone)
    return last.comparison


@pytest.fixture(scope="module")
def comparison(checkpoint: Callable[[str], Path]) -> Comparison:
    """Variants of one model, the original once more, and a model with other words."""
    qwen, bloom = checkpoint("qwen3"), checkpoint("bloom")
    return compared("What is it?", None, (qwen, "original"), (qwen, "fp32"), (qwen, "int2-g64"), (bloom, "original"))


def test_who_can_be_scored_is(comparison: Comparison) -> None:
    original, again, two_bits, stranger = comparison.variants
    assert (original.agreement, original.agreement_problem) == (None, None)
    assert again.agreement is not None and (again.agreement.kl_mean_nats, again.agreement.top1) == (0.0, 1.0)
    assert two_bits.agreement is not None and (two_bits.agreement.kl_mean_nats or 0) > 0.01
    assert stranger.agreement is None and "another vocabulary" in (stranger.agreement_problem or "") and stranger.status == "ok"
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats == 0.0


def test_the_original_in_the_same_type_is_the_same_and_another_model_is_not_judged_by_words(comparison: Comparison) -> None:
    original, again, _, stranger = comparison.variants
    same, other = (judge(result, original, comparison) for result in (again, stranger))
    assert same is not None and same.grade in (Grade.SAME, Grade.GOOD_TRADE) and same.what in ("", "same answer")
    assert other is not None and other.grade is Grade.DIFFERENT


def test_it_is_saved_and_opened_again(comparison: Comparison) -> None:
    assert Comparison.model_validate_json(to_json(comparison)) == comparison


def test_a_model_that_sees_is_scored_with_its_picture(checkpoint: Callable[[str], Path], png: bytes) -> None:
    folder = checkpoint("qwen3-vl")
    variant = compared("What is it?", png, (folder, "original"), (folder, "bnb-nf4")).variants[1]
    assert variant.agreement is not None and variant.agreement.tokens == 6 and (variant.agreement.kl_mean_nats or 0) > 0
