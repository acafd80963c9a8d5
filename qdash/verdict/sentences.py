"""The headline of a comparison and the explanation below it, from the results alone.

Every variant is judged by the rules; the headline names the best that kept the answer, all that lost it, and those that could not be
judged. Simulated formats count for answers and projected size, never for speed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qdash.present.emphasis import Span, spans, strong
from qdash.present.formatting import ANSWERS_HIDDEN, and_listed
from qdash.present.language import N_, _, ngettext, recorded
from qdash.records import Comparison, VariantResult
from qdash.verdict.activations import activations_told
from qdash.verdict.details import distance_told, missing_told, speed_told
from qdash.verdict.evidence import known_truth
from qdash.verdict.naming import Reason, by_reason, listed_first
from qdash.verdict.outcomes import kept_sentences, lost_sentence, size_sentence
from qdash.verdict.rules import Grade
from qdash.verdict.seen import Seen, seen_of


@dataclass(frozen=True)
class Verdict:
    """`headline` in spans of (text, emphasised); `why` is plain text."""

    headline: tuple[Span, ...]
    why: str

    @property
    def plain(self) -> str:
        """The headline without emphasis."""
        return "".join(span for span, _strong in self.headline)


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
    hidden = [item for item in unjudged if item.judgement.hidden]
    rest = [item for item in unjudged if item not in hidden]
    if told:
        headline = _headline(judged, told, alone=not unjudged)
    elif hidden:
        headline = _sizes(hidden)
    else:
        headline = _nothing_judged(rest)
    not_judged = _not_judged(rest) if told or hidden else ""
    hint = _(ANSWERS_HIDDEN) if hidden else ""
    truth = _truth(comparison, judged)
    about = (truth, activations_told(judged), not_judged, _remedy(baseline, rest))
    why = (*about, speed_told(comparison, seen), distance_told(told), missing_told(others), hint)
    return Verdict(_told_one_by_one(headline), " ".join(filter(None, why)))


def _told_one_by_one(sentences: Iterable[str]) -> tuple[Span, ...]:
    """A headline of several sentences, with a space after each."""
    return spans("".join(f"{sentence} " for sentence in sentences))


def judges_nothing(comparison: Comparison) -> bool:
    """Whether no variant that ran could be judged although answers were to be compared, or the original's scores are not finite."""
    baseline = comparison.variants[0]
    seen = seen_of(comparison)
    if baseline.status == "ok" and baseline.scores_finite is False:
        return True
    return bool(seen) and not any(item.judged for item in seen) and not _all_hidden(seen)


def _all_hidden(seen: list[Seen]) -> bool:
    return all(item.judgement.hidden for item in seen)


def _told(seen: list[Seen]) -> list[Seen]:
    """Those that the headline is about: the best that kept the answer, then all that lost it; where none lost it, the best of the rest."""
    kept = _best_first([item for item in seen if item.kept])
    lost = _best_first([item for item in seen if item.judgement.grade.lost])
    rest = _best_first([item for item in seen if not item.kept and item not in lost])
    return [*kept[:1], *([] if kept and lost else rest[:1]), *lost]


def _best_first(items: list[Seen]) -> list[Seen]:
    """By grade, real ones before simulated ones, then by size."""
    return sorted(items, key=lambda item: (item.judgement.grade.rank, item.result.kind == "simulated", item.size or 1.0))


def _headline(judged: list[Seen], told: list[Seen], *, alone: bool) -> list[str]:
    """`alone`: `judged` has every variant, so that “all” means all."""
    everyone = alone and len(judged) > 1 and all(item.kept and item.change is not None and not item.change.differs for item in judged)
    sentences: list[str] = []
    for item in told:
        if item.kept:
            sentences += kept_sentences(item, len(judged) if everyone else 0)
        elif not item.judgement.grade.lost:
            sentences.append(lost_sentence(item))
    return [*sentences, *_lost_sentences([item for item in told if item.judgement.grade.lost])]


_TOGETHER = {
    Grade.DIFFERENT: N_("{names} give a different answer."),
    Grade.WRONG: N_("{names} get it wrong."),
    Grade.BROKEN: N_("{names} are broken."),
}


def _lost_sentences(lost: list[Seen]) -> Iterator[str]:
    """One each if they are up to two, else one for each grade."""
    if len(lost) <= 2:
        yield from map(lost_sentence, lost)
        return
    for grade, together in _TOGETHER.items():
        items = [item for item in lost if item.judgement.grade is grade]
        if len(items) == 1:
            yield lost_sentence(items[0])
        elif items:
            yield _(together, names=_several_names(items))


def _several_names(items: list[Seen]) -> str:
    """Up to four names; of more, three and how many others."""
    if len(items) <= 4:
        return listed_first([item.name for item in items])
    first, second, third = items[:3]
    others = ngettext("{number} other", "{number} others", len(items) - 3)
    return and_listed([first.name.first, second.name.inside, third.name.inside, others])


def _nothing_judged(unjudged: list[Seen]) -> list[str]:
    """The reason if there is no verdict at all."""
    reasons = _reasons(unjudged)
    if len({reason for _name, reason in reasons}) > 1:
        return [_("{nothing}: {reasons}.", nothing=strong(_("Nothing can be judged here")), reasons=by_reason(reasons))]
    names = listed_first([item.name for item in unjudged])
    _name, reason = reasons[0]
    return [_("{nothing}: {reasons}.", nothing=strong(_("{names} cannot be judged", names=names)), reasons=reason.about(len(unjudged)))]


def _not_judged(unjudged: list[Seen]) -> str:
    return _("Not judged: {reasons}.", reasons=by_reason(_reasons(unjudged))) if unjudged else ""


def _truth(comparison: Comparison, judged: list[Seen]) -> str:
    """The right answer, if it is known and a variant does not give it."""
    truth = known_truth(comparison.variants[0].model, comparison.request)
    answers = [comparison.variants[0].answer, *(item.result.answer for item in judged)]
    if truth is None or all(answer is None or truth.accepts(answer) for answer in answers):
        return ""
    if truth.accepts(answers[0] or ""):
        return _("The right answer is “{answer}”.", answer=truth.answer)
    return _("The right answer is “{answer}”, so the original is wrong, too.", answer=truth.answer)


def _reasons(unjudged: list[Seen]) -> list[tuple[str, Reason]]:
    return [(item.name.inside, item.judgement.reason) for item in unjudged if item.judgement.reason is not None]


def _remedy(baseline: VariantResult, unjudged: list[Seen]) -> str:
    """What to do about an original, or a variant, that could not be scored."""
    if baseline.agreement_problem:
        return recorded(baseline.agreement_problem)
    problems = dict.fromkeys(item.result.agreement_problem for item in unjudged if item.result.agreement_problem)
    return next((recorded(problem) for problem in problems if problem), "")


def _sizes(seen: list[Seen]) -> list[str]:
    """The headline without answers: the smallest variant, and the one that saves least."""
    ordered = sorted((item for item in seen if item.size is not None), key=lambda item: (item.result.kind == "simulated", item.size))
    ends = ordered if len(ordered) < 3 else [ordered[0], ordered[-1]]
    return [size_sentence(item) for item in ends] or [_("Answers and sizes are not known.")]


def _without_baseline(baseline: VariantResult) -> Verdict:
    if baseline.error is not None and baseline.error.kind == "cancelled":
        return Verdict(spans(_("Stopped.")), _("Compare again to see more than this."))
    headline = _("{name} could not run, so there is nothing to compare with.", name=baseline.label)
    return Verdict(spans(headline), _("Its card says what happened and what to try."))


def _alone(baseline: VariantResult, others: list[VariantResult]) -> Verdict:
    name = baseline.label
    problem = recorded(baseline.agreement_problem or "") if baseline.scores_finite is False else ""
    if others:
        missing = missing_told(others) or _("The other cards say why they did not.")
        return Verdict(spans(_("Only {name} ran.", name=name)), " ".join(filter(None, (problem, missing))))
    if problem:
        return Verdict(spans(_("{name} computes only NaN or infinity: its answer means nothing.", name=name)), problem)
    return Verdict(spans(_("{name} has answered.", name=name)), _("Choose more schemes on the left to compare it with."))
