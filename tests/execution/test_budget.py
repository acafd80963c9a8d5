"""Who closes when another worker needs memory."""

from hypothesis import given
from hypothesis import strategies as st

from qdash.execution.budget import MemoryBudget
from qdash.records import WorkerSpec

sizes = st.integers(0, 2**40)


def spec(number: int) -> WorkerSpec:
    return WorkerSpec(folder=f"/{number}", revision="", task="text-generation", scheme="original", device="cpu", dtype="float32", threads=1)


def held_by(*sizes: int) -> dict[WorkerSpec, int]:
    """What the workers of `spec(1)`, `spec(2)` … hold."""
    return {spec(number): size for number, size in enumerate(sizes, 1)}


@given(sizes, sizes, st.lists(sizes, max_size=8))
def test_as_few_close_as_it_takes_oldest_first(total: int, needed: int, held: list[int]) -> None:
    budget, workers = MemoryBudget(total), {spec(number): size for number, size in enumerate(held)}
    closing = budget.to_close(needed, workers)
    assert closing == list(workers)[: len(closing)]
    assert len(closing) == len(held) or sum(held[len(closing) :]) + needed <= total
    if closing:  # with one fewer it would not have been enough
        assert sum(held[len(closing) - 1 :]) + needed > total


def test_what_fits_beside_the_others_closes_none() -> None:
    budget = MemoryBudget(100)
    assert budget.fits(40, 60) and not budget.fits(41, 60)
    assert budget.to_close(40, held_by(60)) == []
    assert budget.to_close(41, held_by(30, 30)) == [spec(1)]
