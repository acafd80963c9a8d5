"""One variant's grade and the words for its chip: the rules derive the grade from the evidence, and the evidence gives the words."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from qdash.present.formatting import nats, percent, size_change
from qdash.present.language import N_, _, ngettext, recorded
from qdash.records import Agreement, Comparison, VariantResult
from qdash.verdict.changes import AnswerChange
from qdash.verdict.evidence import change_between, doubt_of, evidence_of, known_truth, quantized_briefly, quantized_reason, right_of
from qdash.verdict.naming import Reason
from qdash.verdict.rules import (
    COVERAGE_UNKNOWN,
    NO_ANSWER,
    NOT_COMPARED,
    NOTHING_QUANTIZED,
    ORIGINAL_DID_NOT_RUN,
    ORIGINAL_NOT_FINITE,
    ORIGINAL_SILENT,
    Evidence,
    Grade,
    VerdictRule,
    rule_for,
)

Tone = Literal["good", "warn", "bad", ""]

_LOOKS: dict[Grade, tuple[str, Tone]] = {
    Grade.GOOD_TRADE: ("✓", "good"),
    Grade.SAME: ("✓", "good"),
    Grade.CANT_TELL: ("?", ""),
    Grade.NOT_JUDGED: ("–", ""),
    Grade.CAREFUL: ("△", "warn"),
    Grade.DIFFERENT: ("✕", "bad"),
    Grade.WRONG: ("✕", "bad"),
    Grade.BROKEN: ("✕", "bad"),
}

COVERAGE_NOT_KNOWN = N_("how much it quantized is not known")
_UNCOMPARED = N_("it could not be compared with the original token by token")
_UNCOMPARED_ALL = N_("they could not be compared with the original token by token")

_WHY: dict[VerdictRule, tuple[str, str, str]] = {
    ORIGINAL_DID_NOT_RUN: (N_("nothing to compare with"), N_("the original did not run"), ""),
    ORIGINAL_NOT_FINITE: (N_("original broken"), N_("the original's own scores are NaN or infinite"), ""),
    ORIGINAL_SILENT: (N_("original silent"), N_("the original has no answer"), ""),
    COVERAGE_UNKNOWN: (N_("coverage not known"), COVERAGE_NOT_KNOWN, ""),
    NO_ANSWER: (N_("no answer"), N_("it gave no answer"), N_("they gave no answer")),
    NOT_COMPARED: (N_("not compared"), _UNCOMPARED, _UNCOMPARED_ALL),
}
"""For rules that give no judgement: words for a chip, a clause, and the clause about several variants where that is another."""


@dataclass(frozen=True)
class Judgement:
    """A grade, its ground in two or three words, and the figures behind it, as plain text. `reason`: why a variant is not judged. `hidden`:
    that is because its weights are random.
    """

    grade: Grade
    what: str
    because: str
    evidence: str
    reason: Reason | None = None
    hidden: bool = False

    @property
    def why_not(self) -> str:
        """The reason as a clause; empty for a variant that is judged."""
        return self.reason.one if self.reason else ""

    @property
    def icon(self) -> str:
        """A character with the same meaning as the colour."""
        return _LOOKS[self.grade][0]

    @property
    def tone(self) -> Tone:
        """The class that colours it."""
        return _LOOKS[self.grade][1]

    @property
    def words(self) -> str:
        """“Good trade · same answer”."""
        return f"{self.grade.words} · {self.what}" if self.what else self.grade.words


def judge(result: VariantResult, baseline: VariantResult, comparison: Comparison | None) -> Judgement | None:
    """The judgement on a variant; None unless it ran. Before its comparison is over, `comparison` None, it rests on no speed."""
    if result.status != "ok":
        return None
    change, evidence = change_between(result, baseline), evidence_of(result, baseline, comparison)
    rule = rule_for(evidence)
    figures = _figures(result, evidence)
    truth = known_truth(result.model, comparison.request if comparison is not None else None)
    if truth is not None and rule.grade is not Grade.NOT_JUDGED:
        figures = f"{_('the right answer is “{answer}”', answer=truth.answer)} · {figures}"
    if rule.grade is Grade.NOT_JUDGED:
        hidden = rule in (ORIGINAL_SILENT, NO_ANSWER) and result.answer is None and baseline.answer is None
        return _not_judged(rule, result, figures, hidden=hidden)
    return Judgement(rule.grade, _what(rule, evidence, change), _(rule.because), figures)


def reference_words(baseline: VariantResult, comparison: Comparison | None = None) -> tuple[Tone, str]:
    """The tone and the words of the original's own chip; with a `comparison` of known answer, whether it is right."""
    if baseline.scores_finite is False:
        return "bad", f"✕ {_('Scores NaN or infinite')}"
    right, reference = right_of(baseline, comparison), _("Reference")
    if right == 0:
        return "warn", f"{reference} · {_('wrong answer')}"
    return "", f"{reference} · {_('right answer')}" if right == 1 else reference


def _not_judged(rule: VerdictRule, result: VariantResult, figures: str, *, hidden: bool) -> Judgement:
    """The judgement of a rule that gives none. `hidden`: random weights, whose answers mean nothing."""
    if hidden:
        what = _("answers hidden")
        return Judgement(rule.grade, what, _("Answers of random weights mean nothing."), figures, Reason(what, what), hidden=True)
    if rule is NOTHING_QUANTIZED:
        what, reason = quantized_briefly(result.scheme, result.coverage), quantized_reason(result.scheme, result.coverage)
        return Judgement(rule.grade, what, _(rule.because), figures, reason)
    what, one, many = _WHY[rule]
    return Judgement(rule.grade, _(what), _(rule.because), figures, Reason(_(one), _(many or one)))


def _what(rule: VerdictRule, evidence: Evidence, change: AnswerChange | None) -> str:
    if rule.grade is Grade.BROKEN and evidence.kl_nats == inf:
        return _("its scores are NaN or infinite")
    if change is None:
        return ""
    if rule.grade is Grade.CANT_TELL:
        return ""
    if evidence.same and change.differs:
        return _("within noise")
    if not change.differs:
        return _what_of_the_same(rule.grade, evidence)
    if rule.grade is Grade.CAREFUL and evidence.right == 1:
        return _("right, unlike the original") if evidence.original_right == 0 else _("right, but worded differently")
    return change.on_chip


def _what_of_the_same(grade: Grade, evidence: Evidence) -> str:
    """For the same answer as the original's: whether it is right, if known, and what else is wrong with it."""
    if grade is Grade.BROKEN:
        return _("other words predicted")
    known = {1.0: "right", 0.0: "wrong"}.get(evidence.right, "")
    if grade is Grade.CAREFUL:
        return _(_LESS_SURE[known])
    return (_(_RIGHT[known]) if known else "") if grade is Grade.SAME else _(_SAME[known])


_SAME = {"": N_("same answer"), "right": N_("same answer, right"), "wrong": N_("same answer, both wrong")}
_LESS_SURE = {
    "": N_("same answer, less sure"),
    "right": N_("same answer, right, less sure"),
    "wrong": N_("same answer, both wrong, less sure"),
}
_RIGHT = {"right": N_("right"), "wrong": N_("both wrong")}


def _figures(result: VariantResult, evidence: Evidence) -> str:
    """All that the grade rests on, in one line."""
    found = result.agreement
    parts: list[str] = []
    if found is not None:
        same = ngettext(
            "same likeliest word at {share} of {number} token",
            "same likeliest word at {share} of {number} tokens",
            found.tokens,
            share=percent(found.top1),
        )
        parts += [divergence_words(found), *filter(None, (worst_words(found),)), same]
    if result.agreement_problem:
        parts.append(recorded(result.agreement_problem))
    if isfinite(evidence.size):
        parts.append(_("weights {change}", change=size_change(evidence.size - 1)))
    if evidence.pace.words:
        parts.append(_("time {faster_or_slower}", faster_or_slower=evidence.pace.words))
    elif evidence.pace.why:
        parts.append(_("speed not compared: {reason}", reason=evidence.pace.why))
    return " · ".join(parts)


def divergence_words(agreement: Agreement) -> str:
    """“KL 0.0031 ± 0.0012 nats”."""
    known = agreement.kl_mean_nats is not None and isfinite(agreement.kl_mean_nats)
    return f"KL {mean_words(agreement)} nats" if known else _("KL is not finite")


def worst_words(agreement: Agreement) -> str:
    """“at 99% of the tokens up to 0.21, largest 1.8”: what a mean leaves out; empty for records of earlier versions."""
    tail = agreement.tail
    if tail is None or not isfinite(tail.kl_max_nats):
        return ""
    largest = nats(tail.kl_max_nats)
    if tail.kl_99_nats is None:
        return _("largest at one token {largest}", largest=largest)
    return _("at 99% of the tokens up to {most}, largest {largest}", most=nats(tail.kl_99_nats), largest=largest)


def mean_words(agreement: Agreement) -> str:
    """“0.0031 ± 0.0012”, two standard errors to either side."""
    mean = agreement.kl_mean_nats
    # What is below the last digit shown has no doubt worth showing.
    doubt = f" ± {nats(doubt_of(agreement))}" if agreement.kl_se and isfinite(agreement.kl_se) and mean is not None and mean >= 1e-4 else ""
    return f"{nats(mean)}{doubt}"
