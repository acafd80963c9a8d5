"""Two variants are ranked by their mean divergence only where nothing contradicts it, and never within its noise."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.records import Agreement, Flips, Tail, TokenAgreement
from qdash.verdict.evidence import tail_of
from qdash.verdict.ranking import RANKING_RULES, closeness_of, ranking_markdown, unranked_told, why_not_ranked
from qdash.verdict.rules import DOUBT_ERRORS

ROOT = Path(__file__).parents[2]
REASONS = [rule.because for rule in RANKING_RULES]
KLS = st.lists(st.floats(0, 5), min_size=1, max_size=40)


def along(kl: Sequence[float], *, shown: bool = True, sure_flips: int = 0, tail_nats: float | None = None) -> Agreement:
    """What a variant gives that is so far from the original at each token."""
    n = len(kl)
    tail = Tail(
        kl_95_nats=None, kl_99_nats=None, kl_999_nats=None, kl_max_nats=max(kl) if tail_nats is None else tail_nats,
        delta_p_mean=0, delta_p_mean_se=None, delta_p_rms=0, delta_p_rms_se=None,
    )  # fmt: skip
    return Agreement(
        kl_mean_nats=float(np.mean(kl)), kl_se=float(stats.sem(kl)) if n > 1 else None, top1=1.0, ppl_original=1.1, ppl=1.2,
        first_divergence=None, tokens=n, tail=tail, flips=Flips(close=0, flipped=sure_flips, flipped_close=0, lost=sure_flips, gained=0),
        per_token=tuple(TokenAgreement(piece="a", kl_nats=value) for value in kl) if shown else (),
    )  # fmt: skip


@st.composite
def _two(draw: st.DrawFn) -> tuple[Agreement, Agreement]:
    tokens = draw(st.integers(1, 30))
    kls = [draw(st.lists(st.floats(0, 5), min_size=tokens, max_size=tokens)) for _ in range(2)]
    shown = draw(st.booleans())
    one, other = (along(kl, shown=shown, sure_flips=draw(st.integers(0, tokens))) for kl in kls)
    return one, other


@given(_two())
def test_the_order_of_asking_does_not_matter(two: tuple[Agreement, Agreement]) -> None:
    assert why_not_ranked(*two) == why_not_ranked(two[1], two[0])
    assert closeness_of(*two).gap_nats >= 0


@given(_two())
def test_what_differs_by_less_than_its_noise_is_never_ranked(two: tuple[Agreement, Agreement]) -> None:
    """The noise by scipy: of the differences token by token where all are known, else of both means as if they were independent."""
    one, other = two
    kl = [[token.kl_nats or 0.0 for token in agreement.per_token] for agreement in two]
    gap = abs((one.kl_mean_nats or 0) - (other.kl_mean_nats or 0))
    if one.tokens == 1:
        noise = math.inf
    elif kl[0]:
        noise = DOUBT_ERRORS * float(stats.sem(np.subtract(kl[0], kl[1])))
    else:
        noise = DOUBT_ERRORS * math.hypot(one.kl_se or 0, other.kl_se or 0)
    assert closeness_of(one, other).doubt_nats == pytest.approx(noise, rel=1e-6, abs=1e-9)
    if gap <= noise - 1e-9:
        assert why_not_ranked(one, other) == REASONS[1]
    if not why_not_ranked(one, other):
        nearer, further = sorted(two, key=lambda agreement: agreement.kl_mean_nats or 0)
        assert gap > noise - 1e-9 and tail_of(nearer) <= tail_of(further) + 1e-6
        assert nearer.flips is not None and further.flips is not None and nearer.flips.flipped <= further.flips.flipped


@given(KLS)
def test_nothing_is_closer_than_itself(kl: list[float]) -> None:
    assert why_not_ranked(along(kl), along(kl)) == REASONS[1]


def test_each_reason_in_turn() -> None:
    near, far = [0.01, 0.02, 0.01, 0.02] * 3, [0.3, 0.32, 0.31, 0.3] * 3
    assert why_not_ranked(along(near), along(far)) == ""
    assert why_not_ranked(along(near), along(far[:-1])) == REASONS[0]
    assert why_not_ranked(along(near), along(far).model_copy(update={"kl_mean_nats": None})) == REASONS[0]
    assert why_not_ranked(along(near), along([0.5, *near[1:]])) == REASONS[1]
    assert why_not_ranked(along(near, tail_nats=0.9), along(far)) == REASONS[2]
    assert why_not_ranked(along(near, sure_flips=2), along(far, sure_flips=1)) == REASONS[3]
    assert why_not_ranked(along(near, sure_flips=1), along(far, sure_flips=1)) == ""
    older = [agreement.model_copy(update={"tail": None, "flips": None}) for agreement in (along(near), along(far))]
    assert why_not_ranked(*older) == "", "of earlier records the means are known"


def test_pairs_that_are_not_ranked_are_named_with_the_reason() -> None:
    near, far = [0.01, 0.02, 0.01, 0.02] * 3, [0.3, 0.32, 0.31, 0.3] * 3
    again = [0.02, 0.01, 0.02, 0.01] * 3
    assert unranked_told([("A", along(near))]) == "" == unranked_told([("B", along(far)), ("A", along(near))])
    assert unranked_told([("B", along(far)), ("A", along(near)), ("C", along(again))]) == f"KL does not rank A and C: {REASONS[1]}."
    broken = along(near).model_copy(update={"kl_mean_nats": None})
    assert unranked_told([("A", along(near)), ("X", broken)]) == ""


def test_the_document_shows_the_rules() -> None:
    assert ranking_markdown() in (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8"), (
        "stale: put the output of ranking_markdown() there"
    )
