"""Close calls and tails: how sure a model is of each token, which of its choices flip, and how far its worst tokens are.

A margin is p₁ − p₂, the probabilities of a model's two likeliest tokens: probabilities, because what a reader wants to know is how near
the second one was to being said. Quantiles and Δp are those of llama.cpp's `perplexity --kl-divergence` (its README, tools/perplexity):
quantiles interpolate linearly between the two nearest tokens, Δp is the variant's probability of the text's token minus the original's,
and the standard error of its root mean square follows from that of the mean square, se(Δp²) / (2·RMS).
"""

import math

import torch
from torch import Tensor

from qdash.records import Flips, Tail
from qdash.records.agreement import CLOSE_CALL, LEAST_TOKENS

_ROWS = 16


def margins_of(logits: Tensor) -> Tensor:
    """By how much the likeliest token is ahead of the second likeliest at each position: p₁ − p₂, float64 [n], from logits [n, words]."""
    if logits.shape[-1] == 1:
        return torch.ones(len(logits), dtype=torch.float64, device=logits.device)
    # A few rows at a time: a sum of exponentials takes as much memory again as what it is over.
    whole = torch.cat([rows.logsumexp(-1, keepdim=True) for rows in logits.split(_ROWS)])
    first, second = (logits.topk(2).values.double() - whole.double()).exp().unbind(-1)
    return first - second


def flips_of(others: Tensor, original: Tensor, targets: Tensor, margins: Tensor) -> Flips:
    """What became of the original's choices at n tokens, all [n]: `others`, the variant's likeliest token, −1 where it is the original's;
    the `original`'s; the text's own; the original's `margins`.
    """
    flipped, close = others >= 0, margins < CLOSE_CALL
    before = original == targets
    after = torch.where(flipped, others == targets, before)
    counts = (close, flipped, flipped & close, before & ~after, after & ~before)
    return Flips(**dict(zip(Flips.model_fields, (int(places.sum()) for places in counts), strict=True)))


def tail_of(kl: Tensor, delta_p: Tensor) -> Tail | None:
    """The tail of n ≥ 1 divergences in nats and n Δp, both float64 [n]; None if one of them is not finite."""
    if not bool(kl.isfinite().all() and delta_p.isfinite().all()):
        return None
    known = [float(kl.quantile(share)) if len(kl) >= least else None for share, least in LEAST_TOKENS.items()]
    rms = math.sqrt(float(delta_p.square().mean()))
    squares_se = _standard_error(delta_p.square())
    return Tail(
        kl_95_nats=known[0],
        kl_99_nats=known[1],
        kl_999_nats=known[2],
        kl_max_nats=float(kl.max()),
        delta_p_mean=float(delta_p.mean()),
        delta_p_mean_se=_standard_error(delta_p),
        delta_p_rms=rms,
        delta_p_rms_se=squares_se / (2 * rms) if squares_se is not None and rms > 0 else None,
    )


def _standard_error(values: Tensor) -> float | None:
    """Of the mean of n values; None for a single one."""
    return float(values.std(correction=1)) / math.sqrt(len(values)) if len(values) > 1 else None
