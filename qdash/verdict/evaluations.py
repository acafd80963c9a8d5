"""What an evaluation means in one sentence: who answers worse than the original, by how much, and how sure that is.

A variant counts as worse or better only if McNemar's test says so at 5 %, corrected for how many variants are tested at once (Holm 1979):
of twenty harmless ones, one would otherwise be blamed by chance. For the others the sentence says how much could have gone unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from qdash.proportions import proportion
from qdash.records import EvaluatedVariant, Evaluation
from qdash.verdict.noise import LEAST_NOISE
from qdash.verdict.rules import BUSY_NOISE
from qdash.verdict.sentences import Span, Verdict

LEVEL = 0.05
Judged = Literal["worse", "better", "same"]


@dataclass(frozen=True)
class Cost:
    """A variant beside the original on `shared` questions. `drop` with its 95 % interval, as shares; `judged` after Holm's correction."""

    result: EvaluatedVariant
    drop: float
    low: float
    high: float
    shared: int
    judged: Judged


def costs(evaluation: Evaluation) -> tuple[Cost, ...]:
    """Every variant that answered questions which the original answered too, in order."""
    baseline = {item.index for item in evaluation.variants[0].items}
    tested = [result for result in evaluation.variants[1:] if result.paired is not None and result.drop is not None]
    sure = _holm([result.paired.p_value for result in tested if result.paired is not None])
    return tuple(
        _cost(result, len(baseline & {item.index for item in result.items}), significant)
        for result, significant in zip(tested, sure, strict=True)
    )


def evaluation_verdict(evaluation: Evaluation) -> Verdict:
    """What quantization cost on this task."""
    baseline = evaluation.variants[0]
    if baseline.accuracy is None:
        return Verdict((("There is nothing to compare with: the original was not evaluated.", False),), _missing(evaluation))
    found = costs(evaluation)
    if not found:
        headline = (("The original answers ", False), (_share(baseline.accuracy.value), True), (" right.", False))
        return Verdict(headline, " ".join(filter(None, (_original(evaluation), _missing(evaluation)))))
    told = (_original(evaluation), _evidence(found), _unseen(found), _speed(evaluation), _missing(evaluation))
    return Verdict(_headline(found), " ".join(filter(None, told)))


def _cost(result: EvaluatedVariant, shared: int, significant: bool) -> Cost:
    assert result.paired is not None and result.drop is not None
    lost, won = (proportion(count, shared) for count in (result.paired.only_original, result.paired.only_variant))
    # Newcombe's square-and-add on the two discordant shares, whose difference the drop is.
    low = result.drop - sqrt((lost.value - lost.low) ** 2 + (won.high - won.value) ** 2)
    high = result.drop + sqrt((lost.high - lost.value) ** 2 + (won.value - won.low) ** 2)
    judged: Judged = "same" if not significant else "worse" if result.drop > 0 else "better"
    return Cost(result, result.drop, max(low, -1.0), min(high, 1.0), shared, judged)


def _holm(p_values: Sequence[float]) -> list[bool]:
    """Which of these tests hold at LEVEL together: the smallest against LEVEL/n, the next against LEVEL/(n − 1), until one fails."""
    holds, order = [False] * len(p_values), sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        if p_values[place] > LEVEL / (len(p_values) - rank):
            break
        holds[place] = True
    return holds


def _headline(found: Sequence[Cost]) -> tuple[Span, ...]:
    """Those nothing can be said against, those that gain, those that cost, the worst first."""
    same, better, worse = ([cost for cost in found if cost.judged == judged] for judged in ("same", "better", "worse"))
    clauses: list[tuple[Span, ...]] = []
    if same:
        verb = "answers" if len(same) == 1 else "answer"
        clauses.append(((f"{_names(same)} {verb} ", False), ("as well as the original", True)))
    clauses += [((_clause(costing, verb), False),) for costing, verb in ((better, "gains"), (worse, "costs")) if costing]
    end = "." if better or worse else f", as far as {found[0].shared:,} questions can tell."
    spans = [span for place, clause in enumerate(clauses) for span in ((("; ", False),) * (place > 0) + clause)]
    return (*spans, (end, False))


def _clause(found: list[Cost], verb: str) -> str:
    """“NF4 costs 10.8 points, FP6 3.2 points”; of more than two only the one that moves most has a number."""
    most, *rest = sorted(found, key=lambda cost: abs(cost.drop), reverse=True)
    others = f", {_names(rest)} {_points(rest[0].drop) if len(rest) == 1 else 'less'}" if rest else ""
    return f"{most.result.label} {verb} {_points(most.drop)}{others}"


def _original(evaluation: Evaluation) -> str:
    share = evaluation.variants[0].accuracy
    assert share is not None
    return f"The original has {_share(share.value)} of {share.total:,} right (95 % sure: {_between(share.low, share.high)})."


def _evidence(found: Sequence[Cost]) -> str:
    """What the strongest cost rests on."""
    sure = [cost for cost in found if cost.judged != "same"]
    if not sure:
        return ""
    cost = max(sure, key=lambda one: abs(one.drop))
    paired = cost.result.paired
    assert paired is not None
    p_value = "< 0.001" if paired.p_value < 0.001 else f"= {paired.p_value:.2g}"
    return (
        f"{cost.result.label} lost {paired.only_original:,} that the original has and won {paired.only_variant:,}: "
        f"{'a cost' if cost.drop > 0 else 'a gain'} of {_range(cost)}, McNemar p {p_value}."
    )


def _unseen(found: Sequence[Cost]) -> str:
    """What could hide behind “as well”: the largest upper end of those that are not surely worse."""
    hidden = max((cost.high for cost in found if cost.judged == "same"), default=0.0)
    return f"A cost of up to {_points(hidden)} could go unseen with so many questions." if hidden > 0.0005 else ""


def _speed(evaluation: Evaluation) -> str:
    timed = [result for result in evaluation.variants[1:] if result.speedup is not None]
    if not timed or evaluation.noise_floor is None:
        return ""
    noise = max(evaluation.noise_floor.relative, LEAST_NOISE)
    if noise > BUSY_NOISE:
        return "Times vary too much here to compare speeds: something else is running."
    best = max(timed, key=lambda result: result.speedup or 0.0)
    speedup = best.speedup or 0.0
    if speedup > 1 + noise:
        return f"{best.label} is {speedup:.1f}× faster here."
    if len(timed) > 1:
        return "None is faster here."
    return f"{best.label} is {'about as fast' if speedup * (1 + noise) >= 1 else f'{1 / speedup:.1f}× slower'} here."


def _missing(evaluation: Evaluation) -> str:
    """Who has some answers only, who was not reached, who could not run."""
    absent = [result for result in evaluation.variants if result.accuracy is None]
    waiting = [result for result in absent if result.error is not None and result.error.kind == "cancelled"]
    told = {
        "Stopped early": [result for result in evaluation.variants if result.status != "ok" and result.items],
        "Stopped before their turn": waiting,
        "Without figures": [result for result in absent if result not in waiting],
    }
    return " ".join(f"{words}: {', '.join(result.label for result in results)}." for words, results in told.items() if results)


def _names(found: Sequence[Cost]) -> str:
    names = [cost.result.label for cost in found]
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _points(share: float) -> str:
    points = f"{abs(share) * 100:.1f}"
    return f"{points} {'point' if points == '1.0' else 'points'}"


def _range(cost: Cost) -> str:
    """From the smaller to the larger; where the interval holds 0, although the exact test excludes it, with signs."""
    if cost.low * cost.high < 0:
        return f"{cost.low * 100:+.1f} to {cost.high * 100:+.1f} points".replace("-", "−")
    low, high = sorted((abs(cost.low), abs(cost.high)))
    return f"{low * 100:.1f} to {high * 100:.1f} points"


def _share(value: float) -> str:
    return f"{value * 100:.1f} %"


def _between(low: float, high: float) -> str:
    return f"{low * 100:.1f}–{high * 100:.1f} %"
