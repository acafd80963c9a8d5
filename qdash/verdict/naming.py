"""How sentences name variants, and list them with the reason why nothing is said of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qdash.present.formatting import and_listed
from qdash.present.language import _


@dataclass(frozen=True)
class Name:
    """What a variant is called within a sentence, and at the beginning of one: “the 8-bit version”, “The 8-bit version”."""

    inside: str
    first: str


@dataclass(frozen=True)
class Reason:
    """A clause that says why a variant is not judged, and the same clause about several variants."""

    one: str
    many: str

    def about(self, number: int) -> str:
        """The clause about `number` variants."""
        return self.one if number == 1 else self.many


def listed_first(names: Sequence[Name]) -> str:
    """“The 8-bit version and FP4” for the beginning of a sentence."""
    return and_listed([name.first if place == 0 else name.inside for place, name in enumerate(names)])


def listed_inside(names: Sequence[Name]) -> str:
    """“the 8-bit version and FP4” for anywhere else."""
    return and_listed([name.inside for name in names])


def by_reason(named: Iterable[tuple[str, Reason]]) -> str:
    """“A and B (they quantized nothing); C (it gave no answer)” from names with a reason each."""
    found: dict[Reason, list[str]] = {}
    for name, why in named:
        found.setdefault(why, []).append(name)
    return "; ".join(_("{names} ({reason})", names=and_listed(names), reason=why.about(len(names))) for why, names in found.items())
