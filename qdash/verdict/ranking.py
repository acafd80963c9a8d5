"""Whether a variant may be called closer to the original than another one; docs/verdict.md shows the rules and says why.

A mean divergence is an average over tokens at most of which nothing is decided. So a smaller mean ranks two variants only if it is smaller
beyond doubt, and neither the worst tokens nor the flipped choices say the opposite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, inf, isfinite, nan, sqrt
from statistics import stdev

from qdash.present.formatting import and_listed
from qdash.present.language import N_, _
from qdash.records import Agreement
from qdash.records.agreement import SAME_NATS
from qdash.verdict.evidence import doubt_of, tail_of
from qdash.verdict.rules import DOUBT_ERRORS


@dataclass(frozen=True)
class Closeness:
    """What is known of two variants along one text, seen from the one with the smaller mean.

    `gap_nats`: how much smaller its mean is, NaN where that is not known; `doubt_nats` to both sides of it. `tail_nats`: how much further
    away its worst tokens are than the other's. `sure_flips`: how many more choices it flips that were no close calls.
    """

    gap_nats: float = nan
    doubt_nats: float = inf
    tail_nats: float = 0.0
    sure_flips: int = 0


@dataclass(frozen=True)
class RankingRule:
    """Two variants are not ranked if it `holds`; `when` says so in the document, `because` to a reader."""

    holds: Callable[[Closeness], bool]
    when: str
    because: str


RANKING_RULES = (
    RankingRule(
        lambda found: not isfinite(found.gap_nats),
        "a mean is not known or not finite, or the two were not scored along the same tokens",
        N_("their distances cannot be compared"),
    ),
    RankingRule(
        lambda found: found.gap_nats <= found.doubt_nats,
        "the means differ by no more than the doubt about their difference",
        N_("the means differ by less than their doubt"),
    ),
    RankingRule(
        lambda found: found.tail_nats > SAME_NATS,
        "the one with the smaller mean has the larger KL at one token in a hundred, or at its worst of fewer than a hundred tokens",
        N_("the one that is closer on average is further off at its worst tokens"),
    ),
    RankingRule(
        lambda found: found.sure_flips > 0,
        "the one with the smaller mean flips more choices that were no close calls",
        N_("the one that is closer on average flips more choices that were no close calls"),
    ),
)
"""Tried in this order; if none holds, the one with the smaller mean is closer to the original."""


def why_not_ranked(first: Agreement, second: Agreement) -> str:
    """The clause that says why two variants are not ranked, as it is shown; empty if the one with the smaller mean is closer."""
    found = closeness_of(first, second)
    return next((_(rule.because) for rule in RANKING_RULES if rule.holds(found)), "")


def closeness_of(first: Agreement, second: Agreement) -> Closeness:
    """The evidence about two variants; it is the same in either order."""
    if not _along_the_same_tokens(first, second):
        return Closeness()
    nearer, further = sorted((first, second), key=_order)
    return Closeness(
        gap_nats=_mean(further) - _mean(nearer),
        doubt_nats=_doubt(nearer, further),
        tail_nats=tail_of(nearer) - tail_of(further) if nearer.tail and further.tail else 0.0,
        sure_flips=_sure_flips(nearer) - _sure_flips(further) if nearer.flips and further.flips else 0,
    )


def unranked_told(named: Sequence[tuple[str, Agreement]]) -> str:
    """“KL does not rank NF4 and FP4: the means differ by less than their doubt.” for neighbours by their mean; empty if all are ranked."""
    ordered = sorted((entry for entry in named if isfinite(_mean(entry[1]))), key=lambda entry: _order(entry[1]))
    pairs: dict[str, list[str]] = {}
    for (name, one), (next_name, other) in pairwise(ordered):
        why = why_not_ranked(one, other)
        if why:
            pairs.setdefault(why, []).append(and_listed([name, next_name]))
    return " ".join(_("KL does not rank {pairs}: {reason}.", pairs=", ".join(names), reason=why) for why, names in pairs.items())


def ranking_markdown() -> str:
    """The rules as a table for docs/verdict.md."""
    return "\n".join(["| | not ranked if |", "|---|---|", *(f"| {number} | {rule.when} |" for number, rule in enumerate(RANKING_RULES, 1))])


def _along_the_same_tokens(first: Agreement, second: Agreement) -> bool:
    pieces = [[token.piece for token in agreement.per_token] for agreement in (first, second)]
    finite = all(isfinite(_mean(agreement)) for agreement in (first, second))
    return finite and first.tokens == second.tokens and pieces[0] == pieces[1]


def _mean(agreement: Agreement) -> float:
    return nan if agreement.kl_mean_nats is None else agreement.kl_mean_nats


def _order(agreement: Agreement) -> tuple[float, float, int]:
    return _mean(agreement), tail_of(agreement), _sure_flips(agreement)


def _sure_flips(agreement: Agreement) -> int:
    return agreement.flips.flipped - agreement.flips.flipped_close if agreement.flips else 0


def _doubt(first: Agreement, second: Agreement) -> float:
    """How far the difference of two means may be off, nats: both were scored at the same tokens, so it is that of the differences token by
    token, where every token is known; else as if the two were independent.
    """
    pairs = [(one.kl_nats, other.kl_nats) for one, other in zip(first.per_token, second.per_token, strict=True)]
    apart = [one - other for one, other in pairs if one is not None and other is not None]
    if len(apart) == first.tokens > 1:
        return DOUBT_ERRORS * stdev(apart) / sqrt(len(apart))
    return hypot(doubt_of(first), doubt_of(second))
