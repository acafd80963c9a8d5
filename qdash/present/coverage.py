"""How much of a model a scheme quantizes, and what it leaves as it is."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from qdash.present.formatting import percent
from qdash.records import Coverage, PartCoverage, Skip

_NUMBER = re.compile(r"\.\d+")


_USUALLY_LEFT = ("embedding", "output head")


def covered(coverage: Coverage) -> str:
    """“62% of the weights, 8 of 9 linear layers”; the layers alone in records that know no more."""
    layers = f"{coverage.quantized} of {coverage.total}"
    return f"{layers} layers" if coverage.share is None else f"{part_of_all(coverage.share)} of the weights, {layers} linear layers"


def covered_briefly(coverage: Coverage) -> str:
    """“62%” of the weights, or “8 of 9” layers in records that know no more: for a column."""
    return f"{coverage.quantized} of {coverage.total}" if coverage.share is None else part_of_all(coverage.share)


def part_of_all(part: float) -> str:
    """A share that is 0% or 100% only if it is nothing or all: “under 1%”, “over 99%”."""
    if 0 < part < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= part < 1 else percent(part)


def covered_by_part(coverage: Coverage) -> str:
    """“vision 90% · language 62%” of the weights; for a recipe with what each part was asked for: “language=bnb-nf4 62% · other 0%”.

    In records that know no weights, layers: “vision 12 of 12”.
    """
    parts = ((part, f"={part.scheme}" if part.scheme else "") for part in coverage.parts)
    return " · ".join(f"{part.part or 'other'}{asked} {_covered_part(part)}" for part, asked in parts)


def _covered_part(part: PartCoverage) -> str:
    if part.quantized_parameters is None or not part.parameters:
        return f"{part.quantized} of {part.total}"
    return part_of_all(part.quantized_parameters / part.parameters)


class Left(NamedTuple):
    """Weights that were left as they were for one reason. `names` stands for `count` of them: “model.layers.*.mlp.gate”."""

    names: str
    count: int
    parameters: int | None
    reason: str


def left_alone(coverage: Coverage) -> tuple[Left, ...]:
    """What a scheme did not quantize, alike ones of several blocks together, those with most weights first."""
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in coverage.skipped:
        groups.setdefault((_NUMBER.sub(".*", skip.name), skip.reason), []).append(skip)
    found = [
        Left(names if len(skips) > 1 else skips[0].name, len(skips), _sum(skip.parameters for skip in skips), reason)
        for (names, reason), skips in groups.items()
    ]
    return tuple(sorted(found, key=lambda left: -(left.parameters or 0)))


def left_words(coverage: Coverage) -> str | None:
    """“fused experts 61% (…); embedding 5% (…)”: what was left, as shares of all weights; None where nothing worth naming was."""
    if not coverage.parameters:
        return None
    amounts: Counter[str] = Counter()
    for skip in coverage.skipped:
        amounts[skip.reason] += skip.parameters or 0
    large = [(reason, amount / coverage.parameters) for reason, amount in amounts.most_common() if amount >= 0.01 * coverage.parameters]
    return "; ".join(_left_words(reason, part) for reason, part in large) or None


def left_unusual(coverage: Coverage) -> bool:
    """Whether more was left than embeddings, the output head and what is small: a person will want to know why."""
    usual = sum(skip.parameters or 0 for skip in coverage.skipped if skip.reason.startswith(_USUALLY_LEFT))
    unusual = sum(skip.parameters or 0 for skip in coverage.skipped) - usual
    return bool(coverage.parameters) and (coverage.quantized_parameters == 0 or unusual >= 0.05 * (coverage.parameters or 0))


def _left_words(reason: str, part: float) -> str:
    what, colon, why = reason.partition(": ")
    return f"{what} {part_of_all(part)} ({why})" if colon else f"linear layers {part_of_all(part)} ({reason})"


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
