"""Close calls and tails against numpy, scipy and plain Python that follows llama.cpp's published definitions step by step."""

import json
from math import floor, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from qdash.engine.tails import flips_of, margins_of, tail_of
from qdash.records import Agreement, Flips
from qdash.records.agreement import CLOSE_CALL, LEAST_TOKENS

DIVERGENCES = st.lists(st.floats(0, 30), min_size=1, max_size=300)
CHANGES = st.floats(-1, 1)


def between_the_nearest(values, share):
    """A quantile of sorted values: at place share·(n − 1), and between two places in proportion."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = floor(place)
    return (1 - (place - low)) * values[low] + (place - low) * values[min(low + 1, len(values) - 1)]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@given(DIVERGENCES, st.data())
def test_quantiles_are_numpys_and_known_of_enough_tokens_only(kl, data):
    found = tail_of(tensor(kl), tensor(data.draw(st.lists(CHANGES, min_size=len(kl), max_size=len(kl)))))
    assert found is not None and found.kl_max_nats == max(kl)
    for share, least, value in zip(LEAST_TOKENS, (20, 100, 1000), (found.kl_95_nats, found.kl_99_nats, found.kl_999_nats), strict=True):
        assert (value is None) == (len(kl) < least)
        if value is not None:
            assert value == pytest.approx(np.quantile(kl, share), rel=1e-9, abs=1e-12)
            assert value == pytest.approx(between_the_nearest(kl, share), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("tokens", "known"), [(999, False), (1000, True), (2048, True)])
def test_one_token_in_a_thousand_needs_a_thousand(tokens, known):
    kl = np.random.default_rng(0).exponential(0.05, tokens)
    found = tail_of(tensor(kl), tensor(np.zeros(tokens)))
    assert found is not None and (found.kl_999_nats is not None) is known
    if known:
        assert found.kl_999_nats is not None
        assert found.kl_999_nats == pytest.approx(np.quantile(kl, 0.999)) and found.kl_999_nats < found.kl_max_nats


@given(st.lists(CHANGES, min_size=2, max_size=60))
def test_changes_of_the_tokens_probability_are_those_of_the_published_definition(changes):
    found = tail_of(torch.zeros(len(changes), dtype=torch.float64), tensor(changes))
    assert found is not None
    assert found.delta_p_mean == pytest.approx(np.mean(changes), abs=1e-12)
    assert found.delta_p_mean_se == pytest.approx(stats.sem(changes), rel=1e-6, abs=1e-9)
    squares = np.square(changes)
    assert found.delta_p_rms == pytest.approx(sqrt(squares.sum() / len(changes)), rel=1e-9, abs=1e-12)
    if found.delta_p_rms > 1e-6:
        # d√x = dx / (2·√x), of the mean square and its own standard error, √((Σs²/n − mean²)/(n − 1))
        spread = sqrt(max(0.0, (squares**2).mean() - squares.mean() ** 2) / (len(changes) - 1))
        assert found.delta_p_rms_se == pytest.approx(0.5 / found.delta_p_rms * spread, rel=1e-5, abs=1e-7)
        assert found.delta_p_rms_se == pytest.approx(stats.sem(squares) / (2 * found.delta_p_rms), rel=1e-6, abs=1e-9)


def test_what_is_no_number_has_no_tail():
    one = tail_of(tensor([0.5]), tensor([0.1]))
    assert one is not None and (one.delta_p_mean_se, one.delta_p_rms_se, one.kl_95_nats) == (None, None, None)
    assert tail_of(tensor([0.5, torch.inf]), tensor([0.0, 0.0])) is None
    assert tail_of(tensor([0.5, 0.1]), tensor([0.0, torch.nan])) is None
    same = tail_of(tensor([0.0, 0.0]), tensor([0.0, 0.0]))
    assert same is not None and (same.kl_max_nats, same.delta_p_rms, same.delta_p_rms_se) == (0.0, 0.0, None)


@given(arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(2, 9)), elements=st.floats(-30, 30, width=32)))
def test_a_margin_is_between_the_two_likeliest(logits):
    shares = np.exp(logits.astype(float) - logits.max(-1, keepdims=True))
    ordered = np.sort(shares / shares.sum(-1, keepdims=True), -1)
    kept = torch.from_numpy(logits.copy())
    found = margins_of(kept).numpy()
    assert found == pytest.approx(ordered[:, -1] - ordered[:, -2], abs=1e-5) and ((found >= 0) & (found <= 1 + 1e-6)).all()
    assert (kept.numpy() == logits).all(), "they are still needed"


def test_a_margin_over_one_word_is_whole_and_over_none_that_is_a_number_none():
    assert margins_of(torch.zeros(2, 1)).tolist() == [1.0, 1.0]
    assert margins_of(torch.full((1, 3), torch.nan)).isnan().all()


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.floats(0, 1)), min_size=1, max_size=40))
def test_flips_are_counted_both_ways(tokens):
    """Of every token: the original's likeliest, the variant's, the text's own, and the original's margin."""
    original, variant, targets, margins = zip(*tokens, strict=True)
    others = [-1 if same == other else other for same, other in zip(original, variant, strict=True)]
    found = flips_of(torch.tensor(others), torch.tensor(original), torch.tensor(targets), tensor(margins))
    assert found == Flips(
        close=sum(margin < CLOSE_CALL for margin in margins),
        flipped=sum(a != b for a, b, *_ in tokens),
        flipped_close=sum(a != b and margin < CLOSE_CALL for a, b, _, margin in tokens),
        lost=sum(a == said != b for a, b, said, _ in tokens),
        gained=sum(b == said != a for a, b, said, _ in tokens),
    )


def test_records_of_earlier_versions_have_neither():
    figures = {"kl_mean_nats": 0.1, "kl_se": None, "top1": 1, "ppl_original": 2, "ppl": 2, "first_divergence": None, "tokens": 1}
    old = json.dumps({**figures, "per_token": [{"piece": "a", "kl_nats": 0.1}]})
    found = Agreement.model_validate_json(old)
    assert (found.flips, found.tail, found.per_token[0].margin, found.per_token[0].delta_p) == (None, None, None, None)
