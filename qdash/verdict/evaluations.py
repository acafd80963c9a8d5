"""Says in one sentence what an evaluation means: which variants answer worse than the original, by how much, and how certain that is.

A variant counts as worse or better only if McNemar's test says so at 5%, corrected for how many variants are tested at once (Holm 1979):
without the correction, one of twenty equal ones would be blamed by chance. Not significant is not equal: “as well as the original” is
reserved for variants whose loss is surely small; for others the sentence says how large a loss could have gone unnoticed, or that the
questions are too few to tell. An original with no right answer is no basis for comparison, and a scheme that quantized nothing is not
judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan, sqrt
from typing import Literal

from qdash.present.formatting import and_listed, between, percent, points_of, several
from qdash.records import EvaluatedVariant, Evaluation
from qdash.stats.binomial import proportion
from qdash.verdict.evidence import quantized_share, quantized_words
from qdash.verdict.pace import LEAST_ROUNDS, UNKNOWN_NOISE, Pace, Times, pace_for
from qdash.verdict.rules import LEAST_SHARE
from qdash.verdict.seen import by_reason
from qdash.verdict.sentences import Span, Verdict

LEVEL = 0.05
AS_WELL = 0.02
"""“As well as the original” requires that a loss of more than two points can be excluded at 95%."""

TOO_FEW = 0.2
"""If a loss of more than twenty points could go unnoticed, the questions are too few to tell."""

Judged = Literal["worse", "better", "same", "open", "not judged"]


@dataclass(frozen=True)
class Cost:
    """A variant beside the original on `shared` questions, of which they have `right` and `original_right` right.

    `drop` with its 95% interval, as shares; `judged` after Holm's correction.

    "same": any loss is surely small; "open": no difference was found, but a loss could have gone unnoticed; "not judged": `why_not` is a
    clause that says why.
    """

    result: EvaluatedVariant
    drop: float
    low: float
    high: float
    shared: int
    right: int
    original_right: int
    judged: Judged
    why_not: str = ""


def costs(evaluation: Evaluation) -> tuple[Cost, ...]:
    """Every variant that answered questions which the original answered too, in order."""
    baseline = evaluation.variants[0]
    asked = {item.index for item in baseline.items}
    beside = [result for result in evaluation.variants[1:] if result.paired is not None and result.drop is not None]
    shared = [len(asked & {item.index for item in result.items}) for result in beside]
    tested = [(result, count) for result, count in zip(beside, shared, strict=True) if count and isfinite(result.drop or 0.0)]
    why_not = [_why_not(result, baseline) for result, _ in tested]
    p_values = [result.paired.p_value for (result, _), why in zip(tested, why_not, strict=True) if result.paired is not None and not why]
    sure = iter(_holm([1.0 if not isfinite(value) else value for value in p_values]))
    return tuple(
        _cost(result, baseline, count, significant=not why and next(sure), why_not=why)
        for (result, count), why in zip(tested, why_not, strict=True)
    )


def _why_not(result: EvaluatedVariant, baseline: EvaluatedVariant) -> str:
    """Why a variant is not judged, as a clause; empty if it is judged."""
    if (problem := _no_basis(baseline)) is not None:
        return problem
    return quantized_words(result.scheme, result.coverage) if quantized_share(result.scheme, result.coverage) < LEAST_SHARE else ""


def _no_basis(baseline: EvaluatedVariant) -> str | None:
    """Why nothing can be compared with this original."""
    if baseline.scores_finite is False:
        return "the original's own scores are NaN or infinite"
    if baseline.accuracy is not None and baseline.accuracy.successes <= 0:
        return "the original has no right answer"
    return None


def evaluation_judges_nothing(evaluation: Evaluation) -> bool:
    """Whether variants were asked beside the original and none could be judged, or the original itself is no basis."""
    found = costs(evaluation)
    return _no_basis(evaluation.variants[0]) is not None or (bool(found) and all(cost.judged == "not judged" for cost in found))


def evaluation_verdict(evaluation: Evaluation) -> Verdict:
    """What quantization cost on this task, as far as the evidence goes."""
    baseline = evaluation.variants[0]
    if baseline.accuracy is None:
        return Verdict((("There is nothing to compare with: the original was not evaluated.", False),), _missing(evaluation))
    found = costs(evaluation)
    problem = _no_basis(baseline)
    if problem is not None:
        headline = (("Nothing can be judged", True), (f": {problem}.", False))
        return Verdict(headline, " ".join(filter(None, (_original(evaluation), _missing(evaluation)))))
    if not found:
        headline = (("The original answers ", False), (_share(baseline.accuracy.value), True), (" right.", False))
        return Verdict(headline, " ".join(filter(None, (_original(evaluation), _missing(evaluation)))))
    told = (_original(evaluation), _evidence(found), _unseen(found), _not_judged(found), _speed(evaluation, found), _missing(evaluation))
    return Verdict(_headline(found), " ".join(filter(None, told)))


def _cost(result: EvaluatedVariant, baseline: EvaluatedVariant, shared: int, *, significant: bool, why_not: str) -> Cost:
    assert result.paired is not None and result.drop is not None
    counts = (min(max(count, 0), shared) for count in (result.paired.only_original, result.paired.only_variant))
    lost, won = (proportion(count, shared) for count in counts)
    # Newcombe's square-and-add on the two discordant shares, whose difference the drop is.
    low = result.drop - sqrt((lost.value - lost.low) ** 2 + (won.high - won.value) ** 2)
    high = result.drop + sqrt((lost.high - lost.value) ** 2 + (won.value - won.low) ** 2)
    if not (significant and result.drop > 0) and isnan(quantized_share(result.scheme, result.coverage)):
        why_not = why_not or "how much it quantized is not known"
    if why_not:
        judged: Judged = "not judged"
    elif significant:
        judged = "worse" if result.drop > 0 else "better"
    else:
        judged = "same" if high <= AS_WELL else "open"
    ours, theirs = ({item.index: item.correct for item in one.items} for one in (result, baseline))
    right, original_right = (sum(one[index] for index in ours.keys() & theirs.keys()) for one in (ours, theirs))
    return Cost(result, result.drop, max(low, -1.0), min(high, 1.0), shared, right, original_right, judged, why_not)


def _holm(p_values: Sequence[float]) -> list[bool]:
    """Which of these tests hold at LEVEL together: the smallest against LEVEL/n, the next against LEVEL/(n − 1), until one fails."""
    holds, order = [False] * len(p_values), sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        if p_values[place] > LEVEL / (len(p_values) - rank):
            break
        holds[place] = True
    return holds


def _headline(found: Sequence[Cost]) -> tuple[Span, ...]:
    """Variants surely as good, then those that gain, those that lose (worst first), and those without a finding."""
    same, better, worse, unknown = ([cost for cost in found if cost.judged == judged] for judged in ("same", "better", "worse", "open"))
    clauses: list[tuple[Span, ...]] = []
    if same:
        verb = "answers" if len(same) == 1 else "answer"
        clauses.append(((f"{_names(same)} {verb} ", False), ("as well as the original", True), (f", to within {_points(AS_WELL)}", False)))
    clauses += [((_clause(costing, verb), False),) for costing, verb in ((better, "gains"), (worse, "costs")) if costing]
    few = [cost for cost in unknown if cost.high > TOO_FEW]
    if unclear := [cost for cost in unknown if cost not in few]:
        unseen = _points(max(cost.high for cost in unclear))
        clauses.append((("no difference found", True), (f" for {_names(unclear)} (a loss of up to {unseen} could go unnoticed)", False)))
    if few:
        clauses.append((("too few questions to tell", True), (f": {_counts(few)}", False)))
    if not clauses:
        return (("Nothing can be judged", True), (f": {_reasons(found)}.", False))
    spans = [span for place, clause in enumerate(clauses) for span in ((("; ", False),) * (place > 0) + clause)]
    first, strong = spans[0]
    return ((first[0].upper() + first[1:], strong), *spans[1:], (".", False))


def _counts(found: Sequence[Cost]) -> str:
    """“INT2 1 of 4, original 3 of 4”, those first that differ most; of more than three, how many are left out."""
    ordered = sorted(found, key=lambda cost: -abs(cost.drop))
    each = [f"{cost.result.label} {cost.right} of {cost.shared}" for cost in ordered[:3]]
    rest = [f"{several(len(ordered) - 3, 'other', 'others')} in between"] if len(ordered) > 3 else []
    return ", ".join([*each, *rest, f"original {ordered[0].original_right} of {ordered[0].shared}"])


def _not_judged(found: Sequence[Cost]) -> str:
    """The variants that the verdict leaves out, and why; empty if the headline says it."""
    left_out = [cost for cost in found if cost.judged == "not judged"]
    return f"Not judged: {_reasons(left_out)}." if left_out and len(left_out) < len(found) else ""


def _reasons(left_out: Sequence[Cost]) -> str:
    return by_reason([(cost.result.label, cost.why_not) for cost in left_out])


def _clause(found: list[Cost], verb: str) -> str:
    """“NF4 costs 10.8 points, FP6 3.2 points”; of more than two only the one that moves most has a number."""
    most, *rest = sorted(found, key=lambda cost: abs(cost.drop), reverse=True)
    others = f", {_names(rest)} {_points(rest[0].drop) if len(rest) == 1 else 'less'}" if rest else ""
    return f"{most.result.label} {verb} {_points(most.drop)}{others}"


def _original(evaluation: Evaluation) -> str:
    share = evaluation.variants[0].accuracy
    assert share is not None
    asked = several(share.total, "question", "questions")
    return f"The original answers {_share(share.value)} of {asked} right (95% confidence: {between(share.low, share.high)})."


def _evidence(found: Sequence[Cost]) -> str:
    """The evidence for the largest loss."""
    sure = [cost for cost in found if cost.judged in ("worse", "better")]
    if not sure:
        return ""
    cost = max(sure, key=lambda one: abs(one.drop))
    paired = cost.result.paired
    assert paired is not None
    p_value = "< 0.001" if paired.p_value < 0.001 else f"= {paired.p_value:.2g}"
    return (
        f"{cost.result.label} got {several(paired.only_original, 'question', 'questions')} wrong that the original got right, and "
        f"{_others(paired.only_variant)} the other way round: {'a loss' if cost.drop > 0 else 'a gain'} of {_range(cost)} "
        f"(McNemar p {p_value})."
    )


def _others(number: int) -> str:
    return f"{number:,}" if number else "none"


def _unseen(found: Sequence[Cost]) -> str:
    """The largest loss that “as well as the original” does not exclude: the upper end of the widest interval."""
    hidden = max((cost.high for cost in found if cost.judged == "same"), default=0.0)
    return f"A loss of up to {_points(hidden)} could go unnoticed." if hidden > 0.0005 else ""


def evaluation_pace(result: EvaluatedVariant, evaluation: Evaluation) -> Pace:
    """The verdict on a variant's time for all questions. Each variant was timed once, not in rounds beside the original. So the original
    must have answered several batches again in about the same time, and other programs must not have kept the machine busy.
    """
    baseline, floor = evaluation.variants[0], evaluation.noise_floor
    judged = _no_basis(baseline) is None and quantized_share(result.scheme, result.coverage) >= LEAST_SHARE
    speedup = result.speedup
    if not judged or result is baseline or result.kind == "simulated" or speedup is None or not (isfinite(speedup) and speedup > 0):
        return Pace()
    if floor is None:
        return Pace(ratio=1 / speedup, why=UNKNOWN_NOISE)
    if floor.items <= evaluation.request.batch_size:
        return Pace(ratio=1 / speedup, why="too few batches were timed twice")
    busy = max((share for share in (result.busy, baseline.busy) if share is not None), default=nan)
    return pace_for(Times(1 / speedup, rounds=LEAST_ROUNDS, noise=floor.relative, busy=busy))


def _speed(evaluation: Evaluation, found: Sequence[Cost]) -> str:
    judged = {id(cost.result) for cost in found if cost.judged != "not judged"}
    results = [result for result in evaluation.variants[1:] if id(result) in judged]
    timed = [(result, pace) for result in results if (pace := evaluation_pace(result, evaluation)).words_or_why]
    told = [(result, pace) for result, pace in timed if pace.words]
    if not timed:
        return ""
    if not told:
        why = timed[0][1].why
        return f"Speeds are not compared: {why}."
    result, best = min(told, key=lambda entry: entry[1].ratio)
    if best.told == "faster":
        return f"{result.label} is {best.words} here."
    if len(told) > 1:
        return "None is faster here." if len(told) == len(timed) else ""
    return f"{result.label} is {'about as fast' if best.told == 'same' else best.words} here."


def _missing(evaluation: Evaluation) -> str:
    """The variants with some answers only, without a turn, or that could not run."""
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
    return and_listed(names)


def _points(share: float) -> str:
    points = f"{abs(share) * 100:.1f}"
    return f"{points} {'point' if points == '1.0' else 'points'}"


def _range(cost: Cost) -> str:
    """From the smaller to the larger; where the interval holds 0, although the exact test excludes it, the change with signs."""
    if cost.low * cost.high < 0:
        return f"{points_of(-cost.high)} to {points_of(-cost.low)} points"
    low, high = sorted((abs(cost.low), abs(cost.high)))
    return f"{low * 100:.1f} to {high * 100:.1f} points"


def _share(value: float) -> str:
    return percent(value, 1)
