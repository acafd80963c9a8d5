"""Which warm workers close so that another fits the memory that all of them may hold together."""

from collections.abc import Mapping
from dataclasses import dataclass

from qdash.records import WorkerSpec


@dataclass(frozen=True)
class MemoryBudget:
    """`total_bytes` for all workers of one device."""

    total_bytes: int

    def fits(self, needed_bytes: int, held_bytes: int = 0) -> bool:
        """Whether there is room for `needed_bytes` beside `held_bytes`."""
        return held_bytes + needed_bytes <= self.total_bytes

    def to_close(self, needed_bytes: int, held: Mapping[WorkerSpec, int]) -> list[WorkerSpec]:
        """Which workers close so that `needed_bytes` fit, least recently used first; none if they fit already, all if they never will.

        `held`: the other workers of the device and the bytes they hold, least recently used first.
        """
        closing, held_bytes = [], sum(held.values())
        for spec, bytes_of_one in held.items():
            if self.fits(needed_bytes, held_bytes):
                break
            closing.append(spec)
            held_bytes -= bytes_of_one
        return closing
