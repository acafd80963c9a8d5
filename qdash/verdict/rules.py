"""What a verdict is made of, as data: what is known of a variant, bounds on it, and the rules in the order in which they are tried.

The first rule whose conditions all hold gives the grade; the last has none, so every variant gets one. Nothing is said against a variant
unless it is so even with all doubt in its favour, and nothing for it unless it is so with all doubt against it; between the two stands
“Can't tell”. docs/verdict.md shows this table and says where the bounds come from.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf, nan
from operator import ge, le, lt
from typing import Literal

from qdash.records.agreement import SAME_NATS

DOUBT_ERRORS = 2
"""The doubt in a mean divergence: so many standard errors to both sides, 95 % of cases if errors were normal."""

BUSY_NOISE = 0.3
"""Above this noise floor something else is running, and speeds are not worth a judgement."""


class Grade(Enum):
    """From best to worst; doubt stands between praise and blame."""

    GOOD_TRADE = "Good trade"
    FINE = "Fine"
    CANT_TELL = "Can't tell"
    CAREFUL = "Careful"
    BROKEN = "Broken"

    @property
    def rank(self) -> int:
        """0 is best."""
        return list(Grade).index(self)


@dataclass(frozen=True)
class Evidence:
    """What is known of one variant beside the original; NaN is not known, and no condition on it holds.

    `kl_nats`: mean divergence, infinite where the variant's scores are no numbers; `kl_doubt_nats` to both sides of it;
    `kl_noise_nats`: that of the original from itself. `changed`, `silent`: 1 if the answer is another, or empty, else 0. `size`, `time`:
    divided by the original's; `time_noise`: how far two equal timings lie apart, as a share.
    """

    kl_nats: float = nan
    kl_doubt_nats: float = 0.0
    kl_noise_nats: float = 0.0
    changed: float = nan
    silent: float = nan
    size: float = nan
    time: float = nan
    time_noise: float = 0.0

    @property
    def same(self) -> bool:
        """Whether the variant is as close to the original as that is to itself: then another answer is chance as well."""
        return self.kl_nats <= max(self.kl_noise_nats * (1 + 1e-9), SAME_NATS)

    def value(self, quantity: "Quantity") -> float:
        """A quantity that rules are about."""
        if self.same and quantity in _OF_ANSWERS:
            return 0.0
        values: dict[Quantity, float] = {
            "kl at least": self.kl_nats if self.kl_nats == inf else self.kl_nats - self.kl_doubt_nats,
            "kl at most": self.kl_nats + self.kl_doubt_nats,
            "changed": self.changed,
            "silent": self.silent,
            "unknown": float(self.kl_nats != self.kl_nats and self.changed != self.changed),
            "size": self.size,
            "time at most": self.time + self.time_noise,
        }
        return values[quantity]


Quantity = Literal["kl at least", "kl at most", "changed", "silent", "unknown", "size", "time at most"]
_OF_ANSWERS: tuple[Quantity, ...] = ("kl at least", "kl at most", "changed", "silent")
_SIGNS = {"≥": ge, "≤": le, "<": lt}


@dataclass(frozen=True)
class Condition:
    """A bound on a quantity; `words` say it to people."""

    quantity: Quantity
    sign: Literal["≥", "≤", "<"]
    bound: float
    words: str

    def holds(self, evidence: Evidence) -> bool:
        """Whether `evidence` keeps to the bound; never for what is not known."""
        return bool(_SIGNS[self.sign](evidence.value(self.quantity), self.bound))


@dataclass(frozen=True)
class Rule:
    """`grade` is given where all `conditions` hold; `because` is what it means."""

    grade: Grade
    conditions: tuple[Condition, ...]
    because: str


_SMALLER = Condition("size", "≤", 0.75, "the weights are at least a quarter smaller")
_NOT_LARGER = Condition("size", "≤", 1.02, "the weights are no larger")
_NOT_SLOWER = Condition("time at most", "≤", 1.25, "with the noise against it, it takes at most a quarter longer")
_FASTER = Condition("time at most", "≤", 0.9, "with the noise against it, it takes at least a tenth less time")

RULES = (
    Rule(
        Grade.BROKEN,
        (Condition("kl at least", "≥", 1.0, "KL less its doubt is 1 nat or more, or no number"),),
        "The original's words have become about three times less likely on average: the model is another one.",
    ),
    Rule(
        Grade.BROKEN,
        (Condition("silent", "≥", 1, "the answer is empty and the original's is not"),),
        "A model that says nothing is of no use.",
    ),
    Rule(
        Grade.CAREFUL,
        (Condition("changed", "≥", 1, "the answer is another one"),),
        "What changed may matter or not: read it.",
    ),
    Rule(
        Grade.CAREFUL,
        (Condition("kl at least", "≥", 0.1, "KL less its doubt is 0.1 nats or more"),),
        "This answer held, but the model is visibly less sure of it; others may not.",
    ),
    Rule(
        Grade.CANT_TELL,
        (Condition("kl at most", "≥", 0.1, "KL with its doubt is 0.1 nats or more"),),
        "The text is too short to tell: it may be fine or not.",
    ),
    Rule(
        Grade.CANT_TELL,
        (Condition("unknown", "≥", 1, "there is neither a KL nor an answer to compare"),),
        "Nothing is known of what it says.",
    ),
    Rule(Grade.GOOD_TRADE, (_SMALLER, _NOT_SLOWER), "Less memory for the same answer, at no price in time worth naming."),
    Rule(Grade.GOOD_TRADE, (_FASTER, _NOT_LARGER), "Less time for the same answer."),
    Rule(Grade.FINE, (), "The answer is the same; what it costs or saves is on the card."),
)


def rule_for(evidence: Evidence) -> Rule:
    """The first rule that `evidence` meets."""
    return next(rule for rule in RULES if all(condition.holds(evidence) for condition in rule.conditions))


def rules_markdown() -> str:
    """The rules as a table for docs/verdict.md."""
    lines = ["| | grade | when | what it means |", "|---|---|---|---|"]
    for number, rule in enumerate(RULES, 1):
        when = " and ".join(condition.words for condition in rule.conditions) or "otherwise"
        lines.append(f"| {number} | **{rule.grade.value}** | {when} | {rule.because} |")
    return "\n".join(lines)
