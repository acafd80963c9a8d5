"""The verdict as data: the evidence about a variant, bounds on it, and the rules in the order in which they are tried.

The first rule whose conditions all hold gives the grade; the last has none, so every variant gets one. A variant is blamed only if that
holds with all uncertainty in its favour, and praised only if that holds with all uncertainty against it; in between the grade is “Too short
to judge”. If evidence is missing, the grade is “Not judged”: praise needs a known original, a scheme that quantized something, an answer,
and its distance from the original. docs/verdict.md shows this table and says where the bounds come from.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from math import inf, isfinite, isnan, nan, nextafter
from operator import ge, le, lt
from typing import Literal

from qdash.present.language import N_, _
from qdash.records.agreement import SAME_NATS
from qdash.verdict.pace import Pace

DOUBT_ERRORS = 2
"""Standard errors to either side of a mean divergence: 95% of cases if errors were normal."""

FAR_NATS = 1.0
"""A divergence from which a model is another one."""

CLOSE_NATS = 0.1
"""Mean divergences below this are small."""

LEAST_SHARE = 0.01
"""A scheme that quantized less than this share of the weights is not judged."""


class Grade(Enum):
    """From best to worst, with uncertainty between praise and blame. The values are English."""

    GOOD_TRADE = N_("Good trade")
    SAME = N_("Same as the original")
    CANT_TELL = N_("Too short to judge")
    NOT_JUDGED = N_("Not judged")
    CAREFUL = N_("Careful")
    DIFFERENT = N_("Different answer")
    WRONG = N_("Wrong answer")
    BROKEN = N_("Broken")

    @property
    def words(self) -> str:
        """The grade as it is shown."""
        return _(self.value)

    @property
    def rank(self) -> int:
        """0 is best."""
        return list(Grade).index(self)

    @property
    def lost(self) -> bool:
        """Whether the original's answer is lost."""
        return self in (Grade.DIFFERENT, Grade.WRONG, Grade.BROKEN)


@dataclass(frozen=True)
class Evidence:
    """What is known of one variant beside the original; NaN is not known.

    `original_ran`, `original_finite`, `original_spoke`: whether the original ran, its own scores are numbers, and it said something.
    `quantized`: the share of the weights that a quantizing scheme quantized, of records that have none 1 if it took any layer at all;
    infinite for plain floats, which quantize nothing on purpose, and where the KV cache is in few bits. `answered`: whether the variant
    made an answer, be it an empty one; `compared`: whether it was compared with the original along the whole of what was asked for.
    `kl_nats`: mean divergence, infinite where the variant's scores are no numbers; `kl_doubt_nats` to both sides of it; `kl_noise_nats`:
    that of the original from itself; `kl_tail_nats`: that of one token in a hundred, or of the worst of fewer tokens.
    `changed`, `silent`: 1 if the answer is another, or empty, else 0. `content`: the share of content words that are others;
    `top1_most`: the share of tokens at which both find the same word likeliest, with all doubt for the variant. `right`,
    `original_right`: where the right answer is known, 1 if it is given, else 0. `size`: divided by the original's; `pace`: what may be
    said of its total time.
    """

    original_ran: bool = False
    original_finite: bool = False
    original_spoke: bool = False
    quantized: float = nan
    answered: bool = False
    compared: bool = False
    kl_nats: float = nan
    kl_doubt_nats: float = 0.0
    kl_noise_nats: float = 0.0
    kl_tail_nats: float = nan
    changed: float = nan
    silent: float = nan
    content: float = nan
    top1_most: float = nan
    right: float = nan
    original_right: float = nan
    size: float = nan
    pace: Pace = field(default_factory=Pace)

    @property
    def same(self) -> bool:
        """Whether the variant is as close to the original as that is to itself: then another answer is chance as well."""
        return self.kl_nats <= max(self.kl_noise_nats * (1 + 1e-9), SAME_NATS)

    def value(self, quantity: "Quantity") -> float:
        """A quantity that rules bound."""
        if self.same and quantity in _OF_ANSWERS:
            return 0.0
        values: dict[Quantity, float] = {
            "original ran": float(self.original_ran),
            "original finite": float(self.original_finite),
            "original spoke": float(self.original_spoke),
            "quantized": self.quantized,
            "coverage known": float(not isnan(self.quantized)),
            "answered": float(self.answered),
            "compared": float(self.compared and isfinite(self.kl_nats)),
            "kl at least": self.kl_nats if self.kl_nats == inf else self.kl_nats - self.kl_doubt_nats,
            "kl at most": self.kl_nats + self.kl_doubt_nats,
            "kl tail": self.kl_tail_nats,
            "changed": self.changed,
            "silent": self.silent,
            "content": self.content,
            "same word at most": self.top1_most,
            "right": self.right,
            "wrong": float(self.right == 0 and self.original_right == 1),
            "size": self.size,
            "time at most": self.pace.most,
        }
        return values[quantity]


Quantity = Literal[
    "original ran", "original finite", "original spoke", "quantized", "coverage known", "answered", "compared", "kl at least",
    "kl at most", "kl tail", "changed", "silent", "content", "same word at most", "right", "wrong", "size", "time at most",
]  # fmt: skip
_OF_ANSWERS: tuple[Quantity, ...] = ("kl at least", "kl at most", "kl tail", "changed", "silent", "content", "wrong")
_SIGNS = {"≥": ge, "≤": le, "<": lt}


@dataclass(frozen=True)
class Bound:
    """A bound on a quantity; `words` describe it."""

    quantity: Quantity
    sign: Literal["≥", "≤", "<"]
    bound: float
    words: str

    def holds(self, evidence: Evidence) -> bool:
        """Whether `evidence` meets the bound; False if the quantity is unknown."""
        return bool(_SIGNS[self.sign](evidence.value(self.quantity), self.bound))


@dataclass(frozen=True)
class VerdictRule:
    """`grade` is given if all `conditions` hold; `because` says what it means."""

    grade: Grade
    conditions: tuple[Bound, ...]
    because: str


_CHANGED = Bound("changed", "≥", 1, "the answer is different")
_SMALLER = Bound("size", "≤", 0.75, "the weights are at least a quarter smaller")
_NOT_LARGER = Bound("size", "≤", 1.02, "the weights are no larger")
_NOT_SLOWER = Bound("time at most", "≤", 1.25, "with all doubt against it, it takes at most a quarter longer")
_FASTER = Bound("time at most", "≤", 0.9, "with all doubt against it, it takes at least a tenth less time")


def _not_judged(quantity: Quantity, bound: float, words: str, because: str) -> VerdictRule:
    return VerdictRule(Grade.NOT_JUDGED, (Bound(quantity, "<", bound, words),), because)


ORIGINAL_DID_NOT_RUN = _not_judged("original ran", 1, "the original did not run", N_("There is nothing to compare it with."))
ORIGINAL_NOT_FINITE = _not_judged(
    "original finite", 1, "the original's own scores are NaN or infinite",
    N_("The original's own scores are NaN or infinite, so agreement with it means nothing."),
)  # fmt: skip
NOTHING_QUANTIZED = _not_judged(
    "quantized", LEAST_SHARE, "the scheme quantized no layer, or less than 1% of the weights",
    N_("It quantized nothing in this model, or almost nothing: any difference here is not its effect."),
)  # fmt: skip
ORIGINAL_SILENT = _not_judged("original spoke", 1, "the original has no answer", N_("There is no answer to compare this one with."))
COVERAGE_UNKNOWN = _not_judged(
    "coverage known", 1, "how much was quantized is not known", N_("Whether this scheme quantized anything is not known.")
)
NO_ANSWER = _not_judged("answered", 1, "it gave no answer", N_("There is no answer to judge."))
NOT_COMPARED = _not_judged(
    "compared", 1, "there is no KL",
    N_("It could not be compared with the original token by token, and the same text alone proves little."),
)  # fmt: skip

FAR_TAIL = VerdictRule(
    Grade.CAREFUL,
    (Bound("kl tail", "≥", FAR_NATS, "KL is 1 nat or more at one token in a hundred, or at the worst of fewer than a hundred tokens"),),
    N_("The answer is the same and the mean distance small, but at its worst tokens it is as far off as another model."),
)

VERDICT_RULES = (
    ORIGINAL_DID_NOT_RUN,
    ORIGINAL_NOT_FINITE,
    VerdictRule(
        Grade.BROKEN,
        (Bound("kl at least", "≥", FAR_NATS, "KL less its doubt is 1 nat or more, or not finite"),),
        N_("The original's tokens became about three times less likely on average: this is a different model."),
    ),
    VerdictRule(
        Grade.BROKEN,
        (Bound("silent", "≥", 1, "the answer is empty and the original's is not"),),
        N_("A model that gives no answer is of no use."),
    ),
    NOTHING_QUANTIZED,
    ORIGINAL_SILENT,
    NO_ANSWER,
    VerdictRule(
        Grade.WRONG,
        (Bound("wrong", "≥", 1, "the right answer is known; the original gives it, and this one does not"),),
        N_("Quantization turned a right answer into a wrong one."),
    ),
    VerdictRule(
        Grade.CAREFUL,
        (_CHANGED, Bound("right", "≥", 1, "it is known to be right")),
        N_("The answer is right, but not in the original's words."),
    ),
    VerdictRule(
        Grade.DIFFERENT,
        (_CHANGED, Bound("content", "≥", 0.2, "a fifth or more of its content words are different")),
        N_("It says something different from the original."),
    ),
    VerdictRule(
        Grade.DIFFERENT,
        (
            _CHANGED,
            Bound("same word at most", "<", 0.8, "with all doubt in its favour, it predicts another word at over a fifth of the tokens"),
        ),
        N_("It says something different from the original, and predicts other words along its answer."),
    ),
    VerdictRule(Grade.CAREFUL, (_CHANGED,), N_("The wording changed: read it to see whether that matters.")),
    COVERAGE_UNKNOWN,
    NOT_COMPARED,
    VerdictRule(
        Grade.CAREFUL,
        (Bound("kl at least", "≥", CLOSE_NATS, "KL less its doubt is 0.1 nats or more"),),
        N_("The answer is the same, but the model is clearly less sure of it; other answers may change."),
    ),
    FAR_TAIL,
    VerdictRule(
        Grade.CANT_TELL,
        (Bound("kl at most", "≥", CLOSE_NATS, "KL with its doubt is 0.1 nats or more"),),
        N_("The text is too short to tell how close it is to the original."),
    ),
    VerdictRule(Grade.GOOD_TRADE, (_SMALLER, _NOT_SLOWER), N_("Less memory for the same answer, at little or no cost in time.")),
    VerdictRule(Grade.GOOD_TRADE, (_FASTER, _NOT_LARGER), N_("Less time for the same answer.")),
    VerdictRule(Grade.SAME, (), N_("The answer is the same; what it costs or saves is on the card.")),
)


def rule_for(evidence: Evidence) -> VerdictRule:
    """The first rule that `evidence` meets. Grades come from nowhere else."""
    return next(rule for rule in VERDICT_RULES if all(condition.holds(evidence) for condition in rule.conditions))


def time_bounds(evidence: Evidence) -> tuple[float, ...]:
    """The ratios of time at which `evidence` would meet another rule, all else as it is; none where time changes nothing."""

    def met(most: float) -> VerdictRule:
        return rule_for(replace(evidence, pace=replace(evidence.pace, most=most)))

    bounds = {condition.bound for rule in VERDICT_RULES for condition in rule.conditions if condition.quantity == "time at most"}
    return tuple(bound for bound in sorted(bounds) if met(bound) is not met(nextafter(bound, inf)))


def rules_markdown() -> str:
    """The rules as a table for docs/verdict.md."""
    lines = ["| | grade | when | what it means |", "|---|---|---|---|"]
    for number, rule in enumerate(VERDICT_RULES, 1):
        when = " and ".join(condition.words for condition in rule.conditions) or "otherwise"
        lines.append(f"| {number} | **{rule.grade.value}** | {when} | {rule.because} |")
    return "\n".join(lines)
