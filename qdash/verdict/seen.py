"""The variants of a comparison as its sentences need them: names, sizes, speeds and judgements, and lists of names."""

from collections import Counter
from dataclasses import dataclass

from qdash.catalog.recipes import rules_of
from qdash.catalog.schemes import known_scheme
from qdash.present.formatting import and_listed
from qdash.records import Comparison, VariantResult
from qdash.verdict.changes import AnswerChange
from qdash.verdict.evidence import change_between, pace_of
from qdash.verdict.judging import Judgement, judge
from qdash.verdict.pace import Pace
from qdash.verdict.rules import Grade


@dataclass(frozen=True)
class Seen:
    """One variant as the sentence needs it. `size` is its weights relative to the baseline's (projected if simulated)."""

    result: VariantResult
    name: str
    size: float | None
    pace: Pace
    change: AnswerChange | None
    judgement: Judgement

    @property
    def kept(self) -> bool:
        """Whether its answer has no fault."""
        return self.judgement.grade in (Grade.GOOD_TRADE, Grade.SAME)

    @property
    def judged(self) -> bool:
        """Whether there is anything to report."""
        return self.judgement.grade is not Grade.NOT_JUDGED


def seen_of(comparison: Comparison) -> list[Seen]:
    """Every variant that ran, in order."""
    baseline = comparison.variants[0]
    judged = [(result, judge(result, baseline, comparison)) for result in comparison.variants[1:]]
    bits = Counter(_bits(result) for result, judgement in judged if judgement is not None and result.model == baseline.model)
    return [
        Seen(
            result=result,
            name=_name(result, bits),
            size=_size(result, baseline),
            pace=pace_of(result, comparison),
            change=change_between(result, baseline),
            judgement=judgement,
        )
        for result, judgement in judged
        if judgement is not None
    ]


def _bits(result: VariantResult) -> int | None:
    scheme = known_scheme(result.scheme)
    return scheme.bits if scheme is not None else None


def _name(result: VariantResult, bits: Counter[int | None]) -> str:
    """“the 8-bit version” where that is unmistakable, else the scheme's label."""
    scheme = known_scheme(result.scheme)
    if scheme is None:
        return result.label
    plain = result.label == scheme.label and result.kind == "real" and rules_of(scheme) is None
    return f"the {scheme.bits}-bit version" if plain and scheme.bits and bits[scheme.bits] == 1 else result.label


def _size(result: VariantResult, baseline: VariantResult) -> float | None:
    if result.memory is None or baseline.memory is None:
        return None
    own = result.memory.projected_bytes if result.kind == "simulated" else result.memory.weights_bytes
    return own / baseline.memory.weights_bytes if own and baseline.memory.weights_bytes > 0 else None


def by_reason(named: list[tuple[str, str]]) -> str:
    """“A and B (they quantized nothing); C (it gave no answer)” from names with a clause each."""
    by_reason: dict[str, list[str]] = {}
    for name, why in named:
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{and_listed(names)} ({plural(why, len(names))})" for why, names in by_reason.items())


def plural(clause: str, number: int) -> str:
    """A clause about one variant as one about several."""
    return clause.replace("it ", "they ", 1) if number > 1 and clause.startswith("it ") else clause


def capital(sentence: str) -> str:
    """A sentence that may begin with “the 8-bit version”; labels stay as they are."""
    return f"T{sentence[1:]}" if sentence.startswith("the ") else sentence
