"""Who is timed together, and in what order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import Coverage, Loaded, VariantResult, WorkerSpec
from qdash.runs.rounds.groups import Candidate, groups, order_of

LOADED = Loaded(
    load_s=0.5, load_peak_bytes=300, weights_bytes=200, saved_bytes=190, projected_bytes=None, dtype="float32",
    coverage=Coverage(quantized=3, total=4), snippet="",
)  # fmt: skip


def candidate(index: int, held_bytes: int, loading_bytes: int | None = None) -> Candidate:
    spec = WorkerSpec(
        folder="a", revision=str(index), task="text-generation", scheme="original", device="cpu", dtype="float32", threads=1
    )  # fmt: skip
    result = VariantResult(scheme="original", label="Original", kind="real", status="ok", model="a")
    return Candidate(index, spec, LOADED, result, held_bytes if loading_bytes is None else loading_bytes, held_bytes)


def planned(budget: int, *sizes: int, first: int = 0) -> list[tuple[tuple[int, ...], bool]]:
    found = groups([candidate(index, size) for index, size in enumerate(sizes, first)], budget)
    return [(tuple(member.index for member in group.members), group.together) for group in found]


def test_all_that_fit_are_timed_together() -> None:
    assert planned(100, 40, 30, 30) == [((0, 1, 2), True)]


def test_others_form_groups_that_each_hold_the_baseline() -> None:
    assert planned(100, 40, 30, 50, 20, 60) == [((0, 1, 3), True), ((0, 2), True), ((0, 4), True)]


def test_a_pair_that_does_not_fit_takes_turns() -> None:
    assert planned(100, 60, 30, 50) == [((0, 1), True), ((0, 2), False)]


def test_the_worst_moment_of_loading_counts() -> None:
    both = [candidate(0, 40), candidate(1, 40, loading_bytes=70)]
    assert not groups(both, 100)[0].together and groups(both, 110)[0].together


def test_without_a_baseline_the_others_are_timed_all_the_same() -> None:
    assert planned(100, 60, 30, 50, first=1) == [((1, 2), True), ((3,), True)]


def test_a_baseline_alone_is_a_group() -> None:
    assert planned(100, 60) == [((0,), True)] and planned(10, 60) == [((0,), False)] and groups([], 100) == []


@given(st.integers(0, 60), st.lists(st.integers(1, 60), min_size=1, max_size=9))
def test_everybody_is_in_one_group_and_what_is_together_fits(budget: int, sizes: list[int]) -> None:
    found = planned(budget, *sizes)
    assert sorted(index for members, _ in found for index in members if index) == list(range(1, len(sizes)))
    for members, together in found:
        assert members[0] == 0
        assert together == (sum(sizes[index] for index in members) <= budget)
        assert together or len(members) <= 2


@pytest.mark.parametrize("count", range(1, 8))
def test_orders_turn_so_that_a_steady_drift_slows_nobody(count: int) -> None:
    orders = [order_of(count, number) for number in range(2 * count)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    for there, back in zip(orders[::2], orders[1::2], strict=True):
        assert [there.index(member) + back.index(member) for member in range(count)] == [count - 1] * count
    assert {order[0] for order in orders} == set(range(count))
    if count == 2:
        assert all(first != second for first, second in pairwise(orders[:2]))
