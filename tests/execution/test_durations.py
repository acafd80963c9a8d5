"""How long jobs on a lent GPU are expected to take, and what earlier ones teach."""

import pytest

from qdash.execution.work import VariantWork, Work
from qdash.execution.zerogpu import durations
from qdash.execution.zerogpu.durations import Durations, Spent
from qdash.records import Progress


def part(scheme: str, passes: int = 100) -> VariantWork:
    return VariantWork("compare", "tiny-lm", scheme, load_bytes=10**9, passes=passes)


def spent(**seconds: float) -> Spent:
    """What was spent on variants 0, 1 …"""
    watch = Spent(len(seconds))
    watch.by_variant = dict(enumerate(seconds.values()))
    watch.current = len(seconds) - 1
    return watch


FIRST_S = 1.5 + 1.0 + 100 * 0.03  # starting to load, a gigabyte, passes


def test_the_first_guess_is_the_sum_of_its_parts() -> None:
    assert Durations().estimate_s(Work("cuda:0", (part("original"), part("bnb-nf4")))) == pytest.approx(5 + 2 * FIRST_S)


def test_equal_variants_are_expected_to_take_what_they_took() -> None:
    table, work = Durations(), Work("cuda:0", (part("original"), part("bnb-nf4")))
    table.remember(work, spent(first=2.0, second=30.0), cut_off=False)
    assert table.estimate_s(work) == pytest.approx(5 + 2 + 30)
    assert table.estimate_s(Work("cuda:0", (part("int3-g64"), part("bnb-nf4")))) == pytest.approx(5 + FIRST_S + 30)
    twice = VariantWork("compare", "tiny-lm", "bnb-nf4", load_bytes=int(FIRST_S * 2e9 - 1.5e9))
    assert table.estimate_s(Work("cuda:0", (twice,))) == pytest.approx(5 + 60)


def test_the_slowest_of_the_last_runs_counts() -> None:
    table, work = Durations(), Work("cuda:0", (part("bnb-nf4"),))
    for seconds in (40.0, 1.0, 7.0):
        table.remember(work, spent(only=seconds), cut_off=False)
    assert table.estimate_s(work) == pytest.approx(45)
    table.remember(work, spent(only=6.0), cut_off=False)
    assert table.estimate_s(work) == pytest.approx(12)


def test_what_was_cut_off_needs_more_next_time() -> None:
    table, work = Durations(), Work("cuda:0", (part("original"), part("bnb-nf4"), part("int3-g64")))
    table.remember(work, spent(first=10.0, second=20.0), cut_off=True)
    assert table.estimate_s(work) == pytest.approx(5 + 10 + 2 * 20 + FIRST_S)


def test_time_belongs_to_the_variant_of_the_item_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(durations.time, "monotonic", lambda: now[0])
    watch = Spent(2)
    for later, index in ((3.0, 0), (4.0, 0), (5.0, 1), (1.0, 0)):  # the baseline is timed once more at the end
        now[0] += later
        watch.count(Progress(index=index, stage="timing"))
    assert watch.by_variant == {0: 8.0, 1: 5.0} and watch.current == 0
    now[0] += 2.0
    watch.lap()
    assert watch.by_variant == {0: 10.0, 1: 5.0}
