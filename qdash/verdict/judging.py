"""One variant's grade and the words for its chip: the rules derive the grade from the evidence, and the evidence gives the words."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from qdash.present.formatting import nats, percent, several, size_change
from qdash.records import Agreement, Comparison, VariantResult
from qdash.verdict.changes import AnswerChange
from qdash.verdict.evidence import change_between, doubt_of, evidence_of, known_truth, quantized_words, right_of
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

HIDDEN = "answers hidden"

_WHY: dict[VerdictRule, tuple[str, str]] = {
    ORIGINAL_DID_NOT_RUN: ("nothing to compare with", "the original did not run"),
    ORIGINAL_NOT_FINITE: ("original broken", "the original's own scores are NaN or infinite"),
    ORIGINAL_SILENT: ("original silent", "the original has no answer"),
    COVERAGE_UNKNOWN: ("coverage not known", "how much it quantized is not known"),
    NO_ANSWER: ("no answer", "it gave no answer"),
    NOT_COMPARED: ("not compared", "it could not be compared with the original token by token"),
}
"""For rules that give no judgement: words for a chip, and a clause."""


@dataclass(frozen=True)
class Judgement:
    """A grade, its ground in two or three words, and the figures behind it, as plain text. `why_not`: why a variant is not judged, as a
    clause.
    """

    grade: Grade
    what: str
    because: str
    evidence: str
    why_not: str = ""

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
        return f"{self.grade.value} · {self.what}" if self.what else self.grade.value


def judge(result: VariantResult, baseline: VariantResult, comparison: Comparison | None) -> Judgement | None:
    """The judgement on a variant; None unless it ran. Before its comparison is over, `comparison` None, it rests on no speed."""
    if result.status != "ok":
        return None
    change, evidence = change_between(result, baseline), evidence_of(result, baseline, comparison)
    rule = rule_for(evidence)
    figures = _figures(result, evidence)
    truth = known_truth(result.model, comparison)
    if truth is not None and rule.grade is not Grade.NOT_JUDGED:
        figures = f"the right answer is “{truth.answer}” · {figures}"
    if rule.grade is Grade.NOT_JUDGED:
        hidden = rule in (ORIGINAL_SILENT, NO_ANSWER) and result.answer is None and baseline.answer is None
        return _not_judged(rule, result, figures, hidden=hidden)
    return Judgement(rule.grade, _what(rule, evidence, change), rule.because, figures)


def reference_words(baseline: VariantResult, comparison: Comparison | None = None) -> tuple[Tone, str]:
    """The tone and the words of the original's own chip; with a `comparison` of known answer, whether it is right."""
    if baseline.scores_finite is False:
        return "bad", "✕ Scores NaN or infinite"
    right = right_of(baseline, comparison)
    return ("warn", "Reference · wrong answer") if right == 0 else ("", "Reference · right answer" if right == 1 else "Reference")


def _not_judged(rule: VerdictRule, result: VariantResult, figures: str, *, hidden: bool) -> Judgement:
    """The judgement of a rule that gives none. `hidden`: random weights, whose answers mean nothing."""
    if hidden:
        return Judgement(rule.grade, HIDDEN, "Answers of random weights mean nothing.", figures, HIDDEN)
    if rule is NOTHING_QUANTIZED:
        why = quantized_words(result.scheme, result.coverage)
        return Judgement(rule.grade, why.removeprefix("it "), rule.because, figures, why)
    what, why = _WHY[rule]
    return Judgement(rule.grade, what, rule.because, figures, why)


def _what(rule: VerdictRule, evidence: Evidence, change: AnswerChange | None) -> str:
    if rule.grade is Grade.BROKEN and evidence.kl_nats == inf:
        return "its scores are NaN or infinite"
    if change is None:
        return ""
    if rule.grade is Grade.CANT_TELL:
        return ""
    if evidence.same and change.differs:
        return "within noise"
    if not change.differs:
        return _what_of_the_same(rule.grade, evidence)
    if rule.grade is Grade.CAREFUL and evidence.right == 1:
        return "right, unlike the original" if evidence.original_right == 0 else "right, but worded differently"
    return change.on_card[0].lower() + change.on_card[1:]


def _what_of_the_same(grade: Grade, evidence: Evidence) -> str:
    """For the same answer as the original's: whether it is right, if known, and what else is wrong with it."""
    right = {1.0: ", right", 0.0: ", both wrong"}.get(evidence.right, "")
    if grade is Grade.BROKEN:
        return "other words predicted"
    if grade is Grade.CAREFUL:
        return f"same answer{right}, less sure"
    return right.removeprefix(", ") if grade is Grade.SAME else f"same answer{right}"


def _figures(result: VariantResult, evidence: Evidence) -> str:
    """All that the grade rests on, in one line."""
    found = result.agreement
    parts: list[str] = []
    if found is not None:
        parts += [divergence_words(found), f"same likeliest word at {percent(found.top1)} of {several(found.tokens, 'token', 'tokens')}"]
    if result.agreement_problem:
        parts.append(result.agreement_problem)
    if isfinite(evidence.size):
        parts.append(f"weights {size_change(evidence.size - 1)}")
    if evidence.pace.words_or_why:
        parts.append(f"{'time' if evidence.pace.words else 'speed'} {evidence.pace.words_or_why}")
    return " · ".join(parts)


def divergence_words(agreement: Agreement) -> str:
    """“KL 0.0031 ± 0.0012 nats”."""
    known = agreement.kl_mean_nats is not None and isfinite(agreement.kl_mean_nats)
    return f"KL {mean_words(agreement)} nats" if known else "KL is not finite"


def mean_words(agreement: Agreement) -> str:
    """“0.0031 ± 0.0012”, two standard errors to either side."""
    mean = agreement.kl_mean_nats
    # What is below the last digit shown has no doubt worth showing.
    doubt = f" ± {nats(doubt_of(agreement))}" if agreement.kl_se and isfinite(agreement.kl_se) and mean is not None and mean >= 1e-4 else ""
    return f"{nats(mean)}{doubt}"
