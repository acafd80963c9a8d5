"""Says in one sentence what an evaluation means: which variants answer worse than the original, by how much, and how certain that is.

A variant counts as worse or better only if McNemar's test says so at 5%, corrected for how many variants are tested at once (Holm 1979):
without the correction, one of twenty equal ones would be blamed by chance. Not significant is not equal: “as well as the original” is
reserved for variants whose loss is surely small; for others the sentence says how large a loss could have gone unnoticed, or that the
questions are too few to tell. An original with no right answer is no basis for comparison, and a scheme that quantized nothing is not
judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan
from typing import Literal

from qdash.present.emphasis import Span, capitalized, spans, strong
from qdash.present.formatting import and_listed, between, percent, points_of
from qdash.present.language import N_, _, decimal, ngettext
from qdash.records import EvaluatedVariant, Evaluation
from qdash.stats.binomial import paired_difference
from qdash.verdict.evidence import quantized_reason, quantized_share
from qdash.verdict.judging import COVERAGE_NOT_KNOWN
from qdash.verdict.naming import Reason, by_reason
from qdash.verdict.pace import LEAST_ROUNDS, UNKNOWN_NOISE, Pace, Times, pace_for
from qdash.verdict.rules import LEAST_SHARE
from qdash.verdict.sentences import Verdict

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

    "same": any loss is surely small; "open": no difference was found, but a loss could have gone unnoticed; "not judged": `reason` says
    why.
    """

    result: EvaluatedVariant
    drop: float
    low: float
    high: float
    shared: int
    right: int
    original_right: int
    judged: Judged
    reason: Reason | None = None

    @property
    def why_not(self) -> str:
        """The reason as a clause; empty for a variant that is judged."""
        return self.reason.one if self.reason else ""


def costs(evaluation: Evaluation) -> tuple[Cost, ...]:
    """Every variant that answered questions which the original answered too, in order."""
    baseline = evaluation.variants[0]
    asked = {item.index for item in baseline.items}
    beside = [result for result in evaluation.variants[1:] if result.paired is not None and result.drop is not None]
    shared = [len(asked & {item.index for item in result.items}) for result in beside]
    tested = [(result, count) for result, count in zip(beside, shared, strict=True) if count and isfinite(result.drop or 0.0)]
    why_not = [_why_not(result, baseline) for result, _count in tested]
    p_values = [one.paired.p_value for (one, _count), why in zip(tested, why_not, strict=True) if one.paired is not None and not why]
    sure = iter(_holm([1.0 if not isfinite(value) else value for value in p_values]))
    return tuple(
        _cost(result, baseline, count, significant=not why and next(sure), why_not=why)
        for (result, count), why in zip(tested, why_not, strict=True)
    )


def _why_not(result: EvaluatedVariant, baseline: EvaluatedVariant) -> Reason | None:
    """Why a variant is not judged; None if it is judged."""
    if (problem := _no_basis(baseline)) is not None:
        return Reason(problem, problem)
    return quantized_reason(result.scheme, result.coverage) if quantized_share(result.scheme, result.coverage) < LEAST_SHARE else None


def _no_basis(baseline: EvaluatedVariant) -> str | None:
    """Why nothing can be compared with this original."""
    if baseline.scores_finite is False:
        return _("the original's own scores are NaN or infinite")
    if baseline.accuracy is not None and baseline.accuracy.successes <= 0:
        return _("the original has no right answer")
    return None


def evaluation_judges_nothing(evaluation: Evaluation) -> bool:
    """Whether variants were asked beside the original and none could be judged, or the original itself is no basis."""
    found = costs(evaluation)
    return _no_basis(evaluation.variants[0]) is not None or (bool(found) and all(cost.judged == "not judged" for cost in found))


def evaluation_verdict(evaluation: Evaluation) -> Verdict:
    """What quantization cost on this task, as far as the evidence goes."""
    baseline = evaluation.variants[0]
    if baseline.accuracy is None:
        return Verdict(spans(_("There is nothing to compare with: the original was not evaluated.")), _missing(evaluation))
    found = costs(evaluation)
    problem = _no_basis(baseline)
    if problem is not None:
        return Verdict(_nothing(problem), " ".join(filter(None, (_original(evaluation), _missing(evaluation)))))
    if not found:
        headline = _("The original answers {share} right.", share=strong(_share(baseline.accuracy.value)))
        return Verdict(spans(headline), " ".join(filter(None, (_original(evaluation), _missing(evaluation)))))
    told = (_original(evaluation), _evidence(found), _unseen(found), _not_judged(found), _speed(evaluation, found), _missing(evaluation))
    return Verdict(_headline(found), " ".join(filter(None, told)))


def _cost(result: EvaluatedVariant, baseline: EvaluatedVariant, shared: int, *, significant: bool, why_not: Reason | None) -> Cost:
    assert result.paired is not None and result.drop is not None
    lost, won = (min(max(count, 0), shared) for count in (result.paired.only_original, result.paired.only_variant))
    low, high = paired_difference(lost, won, shared)
    if not (significant and result.drop > 0) and isnan(quantized_share(result.scheme, result.coverage)):
        unknown = _(COVERAGE_NOT_KNOWN)
        why_not = why_not or Reason(unknown, unknown)
    if why_not:
        judged: Judged = "not judged"
    elif significant:
        judged = "worse" if result.drop > 0 else "better"
    else:
        judged = "same" if high <= AS_WELL else "open"
    ours, theirs = ({item.index: item.correct for item in one.items} for one in (result, baseline))
    right, original_right = (sum(one[index] for index in ours.keys() & theirs.keys()) for one in (ours, theirs))
    return Cost(result, result.drop, low, high, shared, right, original_right, judged, why_not)


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
    few = [cost for cost in unknown if cost.high > TOO_FEW]
    unclear = [cost for cost in unknown if cost not in few]
    clauses = [
        *([_as_well(same)] if same else []),
        *([_moved(better, _GAINS)] if better else []),
        *([_moved(worse, _COSTS)] if worse else []),
        *([_unclear(unclear)] if unclear else []),
        *([_("{too_few}: {counts}", too_few=strong(_("too few questions to tell")), counts=_counts(few))] if few else []),
    ]
    return spans(_("{clauses}.", clauses=capitalized("; ".join(clauses)))) if clauses else _nothing(_reasons(found))


def _nothing(reasons: str) -> tuple[Span, ...]:
    return spans(_("{nothing}: {reasons}.", nothing=strong(_("Nothing can be judged")), reasons=reasons))


def _as_well(same: Sequence[Cost]) -> str:
    return ngettext(
        "{names} answers {as_well}, to within {points}",
        "{names} answer {as_well}, to within {points}",
        len(same),
        names=_names(same),
        as_well=strong(_("as well as the original")),
        points=_points(AS_WELL),
    )


def _unclear(unclear: Sequence[Cost]) -> str:
    unseen = _points(max(cost.high for cost in unclear))
    none = strong(_("no difference found"))
    return _("{none} for {names} (a loss of up to {points} could go unnoticed)", none=none, names=_names(unclear), points=unseen)


def _counts(found: Sequence[Cost]) -> str:
    """“INT2 1 of 4, original 3 of 4”, those first that differ most; of more than three, how many are left out."""
    ordered = sorted(found, key=lambda cost: -abs(cost.drop))
    each = [_count(cost.result.label, cost.right, cost.shared) for cost in ordered[:3]]
    rest = len(ordered) - 3
    others = [ngettext("{number} other in between", "{number} others in between", rest)] if rest > 0 else []
    return ", ".join([*each, *others, _count(_("original"), ordered[0].original_right, ordered[0].shared)])


def _count(name: str, right: int, total: int) -> str:
    return _("{name} {right} of {total}", name=name, right=right, total=total)


def _not_judged(found: Sequence[Cost]) -> str:
    """The variants that the verdict leaves out, and why; empty if the headline says it."""
    left_out = [cost for cost in found if cost.judged == "not judged"]
    return _("Not judged: {reasons}.", reasons=_reasons(left_out)) if left_out and len(left_out) < len(found) else ""


def _reasons(left_out: Sequence[Cost]) -> str:
    return by_reason([(cost.result.label, cost.reason) for cost in left_out if cost.reason is not None])


_GAINS = (
    N_("{name} gains {points}"),
    N_("{name} gains {points}, {others} {other_points}"),
    N_("{name} gains {points}, {others} less"),
)
_COSTS = (
    N_("{name} costs {points}"),
    N_("{name} costs {points}, {others} {other_points}"),
    N_("{name} costs {points}, {others} less"),
)
"""For one variant, two and more."""


def _moved(found: list[Cost], sentences: tuple[str, str, str]) -> str:
    """“NF4 costs 10.8 points, FP6 3.2 points”; of more than two only the one that moves most has a number."""
    most, *rest = sorted(found, key=lambda cost: abs(cost.drop), reverse=True)
    values = {"name": most.result.label, "points": _points(most.drop)}
    if rest:
        values |= {"others": _names(rest), "other_points": _points(rest[0].drop)}
    return _(sentences[min(len(rest), 2)], **values)


def _original(evaluation: Evaluation) -> str:
    share = evaluation.variants[0].accuracy
    assert share is not None
    return ngettext(
        "The original answers {share} of {number} question right (95% confidence: {interval}).",
        "The original answers {share} of {number} questions right (95% confidence: {interval}).",
        share.total,
        share=_share(share.value),
        interval=between(share.low, share.high),
    )


def _evidence(found: Sequence[Cost]) -> str:
    """The evidence for the largest loss."""
    sure = [cost for cost in found if cost.judged in ("worse", "better")]
    if not sure:
        return ""
    cost = max(sure, key=lambda one: abs(one.drop))
    paired = cost.result.paired
    assert paired is not None
    values = {
        "name": cost.result.label,
        "questions": ngettext("{number} question", "{number} questions", paired.only_original),
        "others": decimal(paired.only_variant) if paired.only_variant else _("none"),
        "range": _range(cost),
        "p": "< 0.001" if paired.p_value < 0.001 else f"= {paired.p_value:.2g}",
    }
    return _(_LOSS if cost.drop > 0 else _GAIN, **values)


_LOSS = N_("{name} got {questions} wrong that the original got right, and {others} the other way round: a loss of {range} (McNemar p {p}).")
_GAIN = N_("{name} got {questions} wrong that the original got right, and {others} the other way round: a gain of {range} (McNemar p {p}).")


def _unseen(found: Sequence[Cost]) -> str:
    """The largest loss that “as well as the original” does not exclude: the upper end of the widest interval."""
    hidden = max((cost.high for cost in found if cost.judged == "same"), default=0.0)
    return _("A loss of up to {points} could go unnoticed.", points=_points(hidden)) if hidden > 0.0005 else ""


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
        return Pace(ratio=1 / speedup, cause=UNKNOWN_NOISE)
    if floor.items <= evaluation.request.batch_size:
        return Pace(ratio=1 / speedup, cause=N_("too few batches were timed twice"))
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
        return _("Speeds are not compared: {reason}.", reason=timed[0][1].why)
    result, best = min(told, key=lambda entry: entry[1].ratio)
    if best.told == "faster":
        return _("{name} is {speed}.", name=result.label, speed=best.words_here)
    if len(told) > 1:
        return _("None is faster here.") if len(told) == len(timed) else ""
    if best.told == "same":
        return _("{name} is about as fast here.", name=result.label)
    return _("{name} is {speed}.", name=result.label, speed=best.words_here)


def _missing(evaluation: Evaluation) -> str:
    """The variants with some answers only, without a turn, or that could not run."""
    absent = [result for result in evaluation.variants if result.accuracy is None]
    waiting = [result for result in absent if result.error is not None and result.error.kind == "cancelled"]
    told = (
        (_STOPPED_EARLY, [result for result in evaluation.variants if result.status != "ok" and result.items]),
        (_STOPPED_BEFORE, waiting),
        (_WITHOUT_FIGURES, [result for result in absent if result not in waiting]),
    )
    return " ".join(_(sentence, names=", ".join(result.label for result in results)) for sentence, results in told if results)


_STOPPED_EARLY = N_("Stopped early: {names}.")
_STOPPED_BEFORE = N_("Stopped before their turn: {names}.")
_WITHOUT_FIGURES = N_("Without figures: {names}.")


def _names(found: Sequence[Cost]) -> str:
    names = [cost.result.label for cost in found]
    if len(names) > 3:
        return and_listed([*names[:2], ngettext("{number} other", "{number} others", len(names) - 2)])
    return and_listed(names)


def _points(share: float) -> str:
    """“2.0 points”."""
    points = decimal(abs(share) * 100, 1, grouped=False)
    return _("{number} point", number=points) if f"{abs(share) * 100:.1f}" == "1.0" else _("{number} points", number=points)


def _range(cost: Cost) -> str:
    """From the smaller to the larger; where the interval holds 0, although the exact test excludes it, the change with signs."""
    if cost.low * cost.high < 0:
        return _("{low} to {high} points", low=points_of(-cost.high), high=points_of(-cost.low))
    low, high = (decimal(end * 100, 1, grouped=False) for end in sorted((abs(cost.low), abs(cost.high))))
    return _("{low} to {high} points", low=low, high=high)


def _share(value: float) -> str:
    return percent(value, 1)
