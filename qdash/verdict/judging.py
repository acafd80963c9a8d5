"""One variant's grade with the words for its chip: its record becomes evidence, the rules give the grade, the evidence gives the words."""

from dataclasses import dataclass
from math import hypot, inf, nan
from typing import Literal

from qdash.records import Agreement, NoiseFloor, VariantResult
from qdash.verdict.changes import Change, change_of
from qdash.verdict.noise import time_noise
from qdash.verdict.rules import DOUBT_ERRORS, Evidence, Grade, Rule, rule_for
from qdash.wording import nats, percent, share, speed

Tone = Literal["good", "warn", "bad", ""]

_LOOKS: dict[Grade, tuple[str, Tone]] = {
    Grade.GOOD_TRADE: ("✓", "good"),
    Grade.FINE: ("✓", "good"),
    Grade.CANT_TELL: ("?", ""),
    Grade.CAREFUL: ("△", "warn"),
    Grade.BROKEN: ("✕", "bad"),
}


@dataclass(frozen=True)
class Judgement:
    """A grade, what it is for in two or three words, and the figures behind it, plain text."""

    grade: Grade
    what: str
    because: str
    evidence: str

    @property
    def icon(self) -> str:
        """A character that says the same as the colour."""
        return _LOOKS[self.grade][0]

    @property
    def tone(self) -> Tone:
        """The class that colours it."""
        return _LOOKS[self.grade][1]

    @property
    def words(self) -> str:
        """“Good trade · same answer”."""
        return f"{self.grade.value} · {self.what}" if self.what else self.grade.value


def judge(result: VariantResult, baseline: VariantResult, floor: NoiseFloor | None) -> Judgement | None:
    """The judgement on a variant; None unless both it and the baseline ran."""
    if result.status != "ok" or baseline.status != "ok":
        return None
    change, evidence = change_between(result, baseline), evidence_of(result, baseline, floor)
    rule = rule_for(evidence)
    return Judgement(rule.grade, _what(rule, evidence, change, result), rule.because, _figures(result, baseline, floor))


def evidence_of(result: VariantResult, baseline: VariantResult, floor: NoiseFloor | None) -> Evidence:
    """What the rules are asked about. A simulated variant's size and speed are its carrier's, so neither is known."""
    kl, doubt = _pooled([found for found in (result.agreement, result.agreement_text) if found is not None])
    change, ratios = change_between(result, baseline), result.relative
    return Evidence(
        kl_nats=kl,
        kl_doubt_nats=doubt,
        kl_noise_nats=(floor.kl_nats if floor else None) or 0.0,
        changed=nan if change is None else float(change.differs),
        silent=nan if change is None else float(change.differs and not (result.answer or "").strip()),
        size=nan if ratios is None or ratios.memory is None else ratios.memory,
        time=nan if ratios is None or ratios.latency is None else ratios.latency,
        time_noise=time_noise(result, baseline, floor),
    )


def change_between(result: VariantResult, baseline: VariantResult) -> Change | None:
    """How the answer differs from the baseline's; None if either has none, as with random weights."""
    if result.answer is None or baseline.answer is None:
        return None
    return change_of(baseline.answer, result.answer)


def doubt_of(agreement: Agreement) -> float:
    """How far the mean divergence may be off to either side, nats; infinite for a single token, 0 where there is no mean."""
    if agreement.kl_mean_nats is None:
        return 0.0
    return inf if agreement.kl_se is None else DOUBT_ERRORS * agreement.kl_se


def _pooled(agreements: list[Agreement]) -> tuple[float, float]:
    """Mean divergence and its doubt over all tokens of all texts; NaN without any, infinite if one is no number."""
    if not agreements:
        return nan, 0.0
    if any(agreement.kl_mean_nats is None for agreement in agreements):
        return inf, 0.0
    total = sum(agreement.tokens for agreement in agreements)
    mean = sum((agreement.kl_mean_nats or 0.0) * agreement.tokens for agreement in agreements) / total
    return mean, hypot(*(doubt_of(agreement) * agreement.tokens for agreement in agreements)) / total


def _what(rule: Rule, evidence: Evidence, change: Change | None, result: VariantResult) -> str:
    if change is None:
        return "answers hidden" if result.answer is None else ""
    if rule.grade is Grade.BROKEN and evidence.kl_nats == inf:
        return "its scores are no numbers"
    if evidence.same and change.differs:
        return "≈ same"
    if rule.grade is Grade.CANT_TELL:
        return "too little text"
    if rule.grade is Grade.CAREFUL and not change.differs:
        return "same answer, less sure"
    return change.on_card[0].lower() + change.on_card[1:]


def _figures(result: VariantResult, baseline: VariantResult, floor: NoiseFloor | None) -> str:
    """All that the grade rests on, in one line."""
    found, ratios = result.agreement, result.relative
    parts = [] if found is None else [divergence_words(found), f"likeliest word the same at {share(found.top1)} of {found.tokens}"]
    if result.agreement_problem and found is None:
        parts.append(result.agreement_problem)
    if ratios is not None and ratios.memory is not None and ratios.latency is not None:
        parts += [f"weights {percent(ratios.memory - 1)}", f"time {speed(ratios.latency, time_noise(result, baseline, floor))}"]
    return " · ".join(parts)


def divergence_words(agreement: Agreement) -> str:
    """“KL 0.0031 ± 0.0012 nats”."""
    return "KL is no number" if agreement.kl_mean_nats is None else f"KL {mean_words(agreement)} nats"


def mean_words(agreement: Agreement) -> str:
    """“0.0031 ± 0.0012”, two standard errors to either side."""
    mean = agreement.kl_mean_nats
    # What is below the last digit shown has no doubt worth showing.
    doubt = f" ± {nats(doubt_of(agreement))}" if agreement.kl_se and mean is not None and mean >= 1e-4 else ""
    return f"{nats(mean)}{doubt}"
