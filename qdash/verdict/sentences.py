"""The headline of a comparison and the explanation below it, from the results alone.

Every variant is judged by the rules; the headline names the best that kept the answer, all that lost it, and those that could not be
judged. Simulated formats count for answers and projected size, never for speed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from qdash.present.formatting import ANSWERS_HIDDEN, and_listed, percent
from qdash.records import Comparison, VariantResult
from qdash.verdict.details import distance_told, missing_told, speed_told
from qdash.verdict.evidence import known_truth
from qdash.verdict.judging import HIDDEN
from qdash.verdict.rules import Grade
from qdash.verdict.seen import Seen, by_reason, capital, plural, seen_of

Span = tuple[str, bool]


@dataclass(frozen=True)
class Verdict:
    """`headline` in spans of (text, emphasised); `why` is plain text."""

    headline: tuple[Span, ...]
    why: str

    @property
    def plain(self) -> str:
        """The headline without emphasis."""
        return "".join(span for span, _ in self.headline)


def verdict(comparison: Comparison) -> Verdict:
    """The verdict on a comparison, as far as its evidence goes."""
    baseline, *others = comparison.variants
    if baseline.status != "ok":
        return _without_baseline(baseline)
    seen = seen_of(comparison)
    if not seen:
        return _alone(baseline, others)
    judged, unjudged = [item for item in seen if item.judged], [item for item in seen if not item.judged]
    told = _told(judged)
    hidden = [item for item in unjudged if item.judgement.what == HIDDEN]
    rest = [item for item in unjudged if item not in hidden]
    if told:
        headline = _headline(judged, told, alone=not unjudged)
    elif hidden:
        headline = _sizes(hidden)
    else:
        headline = _nothing_judged(rest)
    not_judged = _not_judged(rest) if told or hidden else ""
    hint = ANSWERS_HIDDEN if hidden else ""
    truth = _truth(comparison, judged)
    why = (truth, not_judged, _remedy(baseline, rest), speed_told(comparison, seen), distance_told(told), missing_told(others), hint)
    return Verdict(headline, " ".join(filter(None, why)))


def judges_nothing(comparison: Comparison) -> bool:
    """Whether no variant that ran could be judged although answers were to be compared, or the original's scores are not finite."""
    baseline = comparison.variants[0]
    seen = seen_of(comparison)
    if baseline.status == "ok" and baseline.scores_finite is False:
        return True
    return bool(seen) and not any(item.judged for item in seen) and not _all_hidden(seen)


def _all_hidden(seen: list[Seen]) -> bool:
    return all(item.judgement.what == HIDDEN for item in seen)


def _told(seen: list[Seen]) -> list[Seen]:
    """Those that the headline is about: the best that kept the answer, then all that lost it; where none lost it, the best of the rest."""
    kept = _best_first([item for item in seen if item.kept])
    lost = _best_first([item for item in seen if item.judgement.grade.lost])
    rest = _best_first([item for item in seen if not item.kept and item not in lost])
    return [*kept[:1], *([] if kept and lost else rest[:1]), *lost]


def _best_first(items: list[Seen]) -> list[Seen]:
    """By grade, real ones before simulated ones, then by size."""
    return sorted(items, key=lambda item: (item.judgement.grade.rank, item.result.kind == "simulated", item.size or 1.0))


def _headline(judged: list[Seen], told: list[Seen], *, alone: bool) -> tuple[Span, ...]:
    """`alone`: `judged` has every variant, so that “all” means all."""
    everyone = alone and len(judged) > 1 and all(item.kept and item.change is not None and not item.change.differs for item in judged)
    spans: list[Span] = []
    for item in told:
        if item.kept:
            spans += _kept_sentence(item, len(judged) if everyone else 0)
        elif not item.judgement.grade.lost:
            spans.append((_lost_sentence(item), False))
    return (*spans, *_lost_sentences([item for item in told if item.judgement.grade.lost]))


_TOGETHER = {Grade.DIFFERENT: "give a different answer", Grade.WRONG: "get it wrong", Grade.BROKEN: "are broken"}


def _lost_sentences(lost: list[Seen]) -> Iterator[Span]:
    """One each if they are up to two, else one for each grade."""
    if len(lost) <= 2:
        yield from ((_lost_sentence(item), False) for item in lost)
        return
    for grade, together in _TOGETHER.items():
        items = [item for item in lost if item.judgement.grade is grade]
        if len(items) == 1:
            yield _lost_sentence(items[0]), False
        elif items:
            names = [item.name for item in items]
            said = and_listed(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} others"])
            yield f"{capital(said)} {together}. ", False


def _nothing_judged(unjudged: list[Seen]) -> tuple[Span, ...]:
    """The reason if there is no verdict at all."""
    reasons = {item.judgement.why_not for item in unjudged}
    if len(reasons) > 1:
        return (("Nothing can be judged here", True), (f": {by_reason(_reasons(unjudged))}. ", False))
    names = and_listed([item.name for item in unjudged])
    return ((f"{capital(names)} cannot be judged", True), (f": {plural(reasons.pop(), len(unjudged))}. ", False))


def _not_judged(unjudged: list[Seen]) -> str:
    return f"Not judged: {by_reason(_reasons(unjudged))}." if unjudged else ""


def _truth(comparison: Comparison, judged: list[Seen]) -> str:
    """The right answer, if it is known and a variant does not give it."""
    truth = known_truth(comparison.variants[0].model, comparison)
    answers = [comparison.variants[0].answer, *(item.result.answer for item in judged)]
    if truth is None or all(answer is None or truth.accepts(answer) for answer in answers):
        return ""
    return f"The right answer is “{truth.answer}”{'' if truth.accepts(answers[0] or '') else ', so the original is wrong, too'}."


def _reasons(unjudged: list[Seen]) -> list[tuple[str, str]]:
    return [(item.name, item.judgement.why_not) for item in unjudged]


def _remedy(baseline: VariantResult, unjudged: list[Seen]) -> str:
    """What to do about an original, or a variant, that could not be scored."""
    if baseline.agreement_problem:
        return baseline.agreement_problem
    problems = dict.fromkeys(item.result.agreement_problem for item in unjudged if item.result.agreement_problem)
    return next((problem for problem in problems if problem), "")


def _kept_sentence(item: Seen, everyone: int) -> list[Span]:
    trade, name = f"{_size_words(item)}{_time_words(item)}", capital(item.name)
    if everyone:
        who = "Both" if everyone == 2 else f"All {everyone}"
        return [(f"{who} give the ", False), ("same answer", True), (f". {name} {trade}. " if trade else ". ", False)]
    if item.change is None or not item.change.differs:
        return [(f"{name} gives the ", False), ("same answer", True), (f" and {trade}. " if trade else ". ", False)]
    return [(f"{name} is ", False), ("within noise of the original", True), (f" and {trade}. " if trade else ". ", False)]


def _size_words(item: Seen) -> str:
    """“is 71% smaller”; empty where the size is not known."""
    size = item.size
    if size is None:
        return ""
    projected = " (projected)" if item.result.kind == "simulated" else ""
    if 0.45 <= size <= 0.55:
        return f"is half the size{projected}"
    if 0.22 <= size <= 0.28:
        return f"is a quarter of the size{projected}"
    if abs(size - 1) < 0.02:
        return "is the same size"
    return f"is {percent(abs(1 - size))} {'smaller' if size < 1 else 'larger'}{projected}"


def _time_words(item: Seen) -> str:
    """“, 1.3× slower here”; empty for a simulated variant, and if speeds are not compared."""
    if item.pace.told == "same":
        return ", ≈ same speed"
    return f", {item.pace.words} here" if item.pace.words else ""


def _lost_sentence(item: Seen) -> str:
    doubt, name = item.judgement.grade is Grade.CANT_TELL, capital(item.name)
    what, time = _lost_words(item), _time_words(item)
    if item.size is None or item.size > 0.98:
        return f"{name}: {what}. " if doubt else f"{name} {what}{time}. "
    projected = " (projected)" if item.result.kind == "simulated" else ""
    return f"{name} is {percent(1 - item.size)} smaller{projected}{time}{'; ' if doubt else ', but '}{what}. "


def _lost_words(item: Seen) -> str:
    what = item.change.in_sentence if item.change is not None and item.change.differs else ""
    if item.judgement.grade is Grade.BROKEN:
        return f"is broken: it {what or 'predicts other words throughout'}"
    if item.judgement.grade is Grade.WRONG:
        return "gets it wrong"
    if item.judgement.grade is Grade.CANT_TELL:
        return "its answer is too short to judge"
    return what or "is less sure of the same answer"


def _sizes(seen: list[Seen]) -> tuple[Span, ...]:
    """The headline without answers: the smallest variant, and the one that saves least."""
    ordered = sorted((item for item in seen if item.size is not None), key=lambda item: (item.result.kind == "simulated", item.size))
    ends = ordered if len(ordered) < 3 else [ordered[0], ordered[-1]]
    told = tuple((f"{capital(item.name)} {_size_words(item)}. ", False) for item in ends)
    return told or (("Answers and sizes are not known. ", False),)


def _without_baseline(baseline: VariantResult) -> Verdict:
    if baseline.error is not None and baseline.error.kind == "cancelled":
        return Verdict((("Stopped.", False),), "Compare again to see more than this.")
    return Verdict(
        ((f"{baseline.label} could not run, so there is nothing to compare with.", False),),
        "Its card says what happened and what to try.",
    )


def _alone(baseline: VariantResult, others: list[VariantResult]) -> Verdict:
    problem = f"{baseline.agreement_problem} " if baseline.scores_finite is False and baseline.agreement_problem else ""
    if others:
        missing = missing_told(others) or "The other cards say why they did not."
        return Verdict(((f"Only {baseline.label} ran.", False),), f"{problem}{missing}")
    if problem:
        return Verdict(((f"{baseline.label} computes only NaN or infinity: its answer means nothing.", False),), problem.strip())
    return Verdict(((f"{baseline.label} has answered.", False),), "Choose more schemes on the left to compare it with.")
