"""Who is timed together: the baseline, and as many others as memory holds beside it; and in what order each round goes."""

from collections.abc import Sequence
from dataclasses import dataclass

from qdash.records import Loaded, VariantResult, WorkerSpec


@dataclass(frozen=True)
class Candidate:
    """A variant that has answered, or has nothing to say, and is to be timed. `result` is what is known of it so far.

    `loading_bytes` is the memory its worker needs while it loads, `held_bytes` what it needs afterwards.
    """

    index: int
    spec: WorkerSpec
    loaded: Loaded
    result: VariantResult
    loading_bytes: int
    held_bytes: int


@dataclass(frozen=True)
class Group:
    """Variants that are timed in the same rounds, the baseline first if it can be. `together`: memory holds them all at once."""

    members: tuple[Candidate, ...]
    together: bool = True


def groups(candidates: Sequence[Candidate], budget_bytes: int) -> list[Group]:
    """Every candidate in one group, and the baseline (`index` 0) in each: the first group in which there is room, in order.

    Where not even a pair fits, its group is not `together`: the two have to make room for each other.
    """
    baseline = tuple(candidate for candidate in candidates if candidate.index == 0)
    found: list[tuple[Candidate, ...]] = []
    for candidate in candidates[len(baseline) :]:
        place = next((place for place, group in enumerate(found) if _fit((*group, candidate), budget_bytes)), None)
        if place is None:
            found.append((*baseline, candidate))
        else:
            found[place] += (candidate,)
    if not found and baseline:
        found.append(baseline)
    return [Group(members, _fit(members, budget_bytes)) for members in found]


def order_of(count: int, number: int) -> tuple[int, ...]:
    """The order of `count` members in round `number`, from 0.

    Every other round goes backwards, so that a machine that slows down steadily slows nobody in particular, and each pair of rounds begins
    with another member.
    """
    first = number // 2 % count
    forwards = tuple((first + place) % count for place in range(count))
    return forwards[::-1] if number % 2 else forwards


def _fit(members: Sequence[Candidate], budget_bytes: int) -> bool:
    """Whether all fit, the last to be loaded at its worst moment."""
    held = {member.spec: member.held_bytes for member in members}
    at_worst = max(max(0, member.loading_bytes - member.held_bytes) for member in members)
    return sum(held.values()) + at_worst <= budget_bytes
