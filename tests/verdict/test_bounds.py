"""The bounds of the verdict are those that docs/verdict.md shows, written down once more; just beyond one, the grade is another."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from qdash.verdict import Grade
from qdash.verdict.pace import Pace
from qdash.verdict.rules import Evidence, rule_for
from tests.verdict.praised import above, below

KNOWN = Evidence(
    original_ran=True, original_finite=True, original_spoke=True, quantized=0.9, answered=True, compared=True, kl_nats=0.01, changed=0,
    silent=0, size=2.0,
)  # fmt: skip


def taking(most: float) -> Pace:
    return Pace("untold", most, most, most)


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({"quantized": 0.01}, Grade.SAME),
        ({"quantized": below(0.01)}, Grade.NOT_JUDGED),
        ({"quantized": inf}, Grade.SAME),
        ({"kl_nats": 1.0}, Grade.BROKEN),
        ({"kl_nats": below(1.0)}, Grade.CAREFUL),
        ({"kl_nats": 0.1}, Grade.CAREFUL),
        ({"kl_nats": below(0.1)}, Grade.SAME),
        ({"kl_nats": 0.0625, "kl_doubt_nats": below(0.0375)}, Grade.SAME),
        ({"kl_nats": 0.0625, "kl_doubt_nats": above(0.0375)}, Grade.CANT_TELL),
        ({"kl_nats": 0.5, "kl_doubt_nats": 0.39}, Grade.CAREFUL),
        ({"kl_nats": 0.5, "kl_doubt_nats": 0.41}, Grade.CANT_TELL),
        ({"kl_nats": 1.5, "kl_doubt_nats": 0.5}, Grade.BROKEN),
        ({"kl_nats": 1.5, "kl_doubt_nats": 0.51}, Grade.CAREFUL),
        ({"kl_nats": inf, "kl_doubt_nats": inf}, Grade.BROKEN),
        ({"kl_nats": nan}, Grade.NOT_JUDGED),
        ({"kl_nats": 2e-6, "kl_doubt_nats": inf}, Grade.CANT_TELL),
        ({"kl_nats": 1e-6, "kl_doubt_nats": inf}, Grade.SAME),
        ({"kl_nats": 0.3, "kl_noise_nats": 0.3, "kl_doubt_nats": inf}, Grade.SAME),
        ({"kl_nats": 0.31, "kl_noise_nats": 0.3}, Grade.CAREFUL),
        ({"kl_tail_nats": 1.0}, Grade.CAREFUL),
        ({"kl_tail_nats": below(1.0)}, Grade.SAME),
        ({"kl_tail_nats": 1.0, "kl_nats": 1e-6}, Grade.SAME),
        ({"kl_tail_nats": 1.0, "kl_doubt_nats": inf}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.2}, Grade.DIFFERENT),
        ({"changed": 1, "content": below(0.2)}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.0, "top1_most": 0.8}, Grade.CAREFUL),
        ({"changed": 1, "content": 0.0, "top1_most": below(0.8)}, Grade.DIFFERENT),
        ({"changed": 1, "content": 1.0, "right": 1, "original_right": 1}, Grade.CAREFUL),
        ({"changed": 1, "content": 1.0, "right": 0, "original_right": 1}, Grade.WRONG),
        ({"changed": 1, "content": 1.0, "right": 0, "original_right": 0}, Grade.DIFFERENT),
        ({"changed": 1, "content": 1.0, "right": nan, "original_right": nan}, Grade.DIFFERENT),
        ({"changed": 0, "right": 0, "original_right": nan}, Grade.SAME),
        ({"size": 0.75, "pace": taking(1.25)}, Grade.GOOD_TRADE),
        ({"size": above(0.75), "pace": taking(1.25)}, Grade.SAME),
        ({"size": 0.75, "pace": taking(above(1.25))}, Grade.SAME),
        ({"size": 0.75, "pace": Pace()}, Grade.SAME),
        ({"size": nan, "pace": taking(0.5)}, Grade.SAME),
        ({"size": 1.02, "pace": taking(0.9)}, Grade.GOOD_TRADE),
        ({"size": above(1.02), "pace": taking(0.9)}, Grade.SAME),
        ({"size": 1.02, "pace": taking(above(0.9))}, Grade.SAME),
    ],
)
def test_a_bound_is_where_the_document_has_it(changes: dict[str, Any], grade: Grade) -> None:
    assert rule_for(replace(KNOWN, **changes)).grade is grade


@pytest.mark.parametrize("missing", ["original_ran", "original_finite", "original_spoke", "answered", "compared"])
@pytest.mark.parametrize("kl", [0.0, 0.01])
def test_nobody_is_judged_where_one_thing_is_missing(missing: str, kl: float) -> None:
    """Not even where the variant is as close to the original as that is to itself."""
    assert rule_for(replace(KNOWN, kl_nats=kl)).grade is Grade.SAME
    assert rule_for(replace(KNOWN, kl_nats=kl, **{missing: False})).grade is Grade.NOT_JUDGED


@pytest.mark.parametrize("quantized", [0.0, below(0.01), nan])
def test_nobody_is_praised_where_nothing_is_known_to_be_quantized(quantized: float) -> None:
    assert rule_for(replace(KNOWN, kl_nats=0.0, quantized=quantized)).grade is Grade.NOT_JUDGED
