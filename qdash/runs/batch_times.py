"""Times of an evaluation's batches: how much slower a variant is, and how far equal batches lie apart."""

from collections.abc import Sequence
from math import ceil

from qdash.records import BatchAnswered, EvaluationNoise, Ratio, Timing
from qdash.runs.rounds.figures import paired

RETIMED_SHARE = 0.25
"""The share of its batches that the baseline answers again, to tell how much this machine's speed wanders."""


def retimed(batches: int) -> int:
    """How many of the baseline's first `batches` are answered again."""
    return ceil(batches * RETIMED_SHARE)


def ratio_between(first: Sequence[BatchAnswered], ours: Sequence[BatchAnswered]) -> Ratio | None:
    """The time of a batch divided by that of the same batch in `first`; None if none is the same."""
    asked = [[reply.index for reply in batch.replies] for batch in first]
    same = [(our, their) for our, their, indexes in zip(ours, first, asked, strict=False) if [one.index for one in our.replies] == indexes]
    return paired(*(Timing.of([batch.seconds for batch in batches]) for batches in zip(*same, strict=True))) if same else None


def noise_between(first: Sequence[BatchAnswered], again: Sequence[BatchAnswered]) -> EvaluationNoise:
    """The larger of the drift between two sums of seconds and the half-spread (p90 − p10)/2 of the batches' ratios."""
    before, after = (sum(batch.seconds for batch in batches) for batches in (first, again))
    ratios = Timing.of([b.seconds / a.seconds for a, b in zip(first, again, strict=True)])
    texts = [{reply.index: reply.text for batch in batches for reply in batch.replies} for batches in (first, again)]
    return EvaluationNoise(
        relative=max(abs(after / before - 1), (ratios.p90 - ratios.p10) / 2),
        first_s=before,
        again_s=after,
        items=len(texts[0]),
        changed=sum(text != texts[1][index] for index, text in texts[0].items()),
    )
