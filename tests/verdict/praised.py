"""An original and a variant that deserves its praise, from which a test takes one piece of evidence away."""

from math import inf, nextafter
from typing import Any

from qdash.records import Comparison, Coverage, NoiseFloor, VariantResult
from qdash.verdict import Grade
from tests.verdict.examples import QUIET, agreement, scored
from tests.verdict.test_sentences import comparison_with

PRAISED = (Grade.GOOD_TRADE, Grade.SAME)


def below(value: float) -> float:
    return nextafter(value, -inf)


def above(value: float) -> float:
    return nextafter(value, inf)


SAID_WITH = Coverage(quantized=60, total=62, quantized_parameters=900, parameters=1000)


def praised() -> tuple[VariantResult, VariantResult]:
    """An original, and a variant that is smaller, faster and close to it."""
    variant = scored("bnb-nf4", slowdown=0.5).model_copy(update={"coverage": SAID_WITH})
    return scored("original"), variant


def compared(original: VariantResult, variant: VariantResult, floor: NoiseFloor | None = QUIET) -> Comparison:
    return comparison_with(original, variant, floor=floor)


def scores(changes: dict[str, Any]) -> dict[str, Any]:
    return {"agreement": agreement(0.002).model_copy(update=changes)}


def without_times(of: VariantResult) -> VariantResult:
    return of.model_copy(update={"latency": None})
