"""Which rounds count and when there are enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import Ratio, TimedRun
from qdash.runs.rounds.counting import Taken, busy_share, counted, exhausted, settled, worth_judging

shares = st.one_of(st.none(), st.floats(0, 1))


def taken(*busy: float | None) -> list[Taken]:
    run = TimedRun(preprocess_s=0.1, ttft_s=0.2, total_s=1.0, tokens=4)
    return [Taken({0: run.model_copy(update={"total_s": 1.0 + number})}, share) for number, share in enumerate(busy)]


def seconds(rounds: list[Taken]) -> list[float]:
    return [one.runs[0].total_s - 1 for one in rounds]


def test_disturbed_rounds_do_not_count_where_there_are_enough_others() -> None:
    assert seconds(counted(taken(0.0, 0.9, 0.05, None, 0.5, 0.1), 5)) == [0, 2, 3, 5]
    assert seconds(counted(taken(0.0, 0.9, 0.0, 0.0), 2)) == [0, 2]


def test_without_enough_quiet_rounds_all_count() -> None:
    assert seconds(counted(taken(0.9, 0.2, 0.0, 0.8, 0.0), 3)) == [0, 1, 2, 3, 4]


@given(st.lists(shares, max_size=20), st.integers(1, 6))
def test_what_counts_is_chosen_by_busyness_alone(busy: list[float | None], chosen: int) -> None:
    rounds = taken(*busy)
    count = counted(rounds, chosen)
    assert seconds(count) == sorted(seconds(count))
    if any(one.disturbed for one in count):
        assert count == rounds and sum(not one.disturbed for one in rounds) < min(3, chosen)
    else:
        assert count == [one for one in rounds if not one.disturbed][:chosen]


def test_when_no_more_rounds_are_taken() -> None:
    assert exhausted(taken(*[0.0] * 5), 5, 0.0) and not exhausted(taken(*[0.0] * 4), 5, 0.0)
    assert exhausted(taken(*[0.9] * 30), 5, 0.0) and not exhausted(taken(*[0.9] * 29), 5, 0.0)  # never quiet
    assert exhausted(taken(*[0.9] * 40), 40, 0.0) and not exhausted(taken(*[0.9] * 39), 40, 0.0)
    assert exhausted(taken(0.0, *[0.9] * 4), 5, 70.0) and not exhausted(taken(0.0, *[0.9] * 3), 5, 70.0)  # it took long
    assert exhausted(taken(0.9), 1, 0.0) and exhausted(taken(None), 1, 0.0) and not exhausted(taken(0.9), 2, 0.0)


def test_when_a_verdict_may_end_it() -> None:
    assert [worth_judging(taken(*[0.0] * number), 5) for number in range(5)] == [False, False, False, True, True]
    assert worth_judging(taken(0.0, 0.0, 0.9, 0.9, 0.9), 5)
    assert not worth_judging(taken(*[0.9] * 4), 5) and worth_judging(taken(*[0.9] * 5), 5)
    assert not worth_judging(taken(0.9), 1)


@pytest.mark.parametrize(
    ("value", "low", "high", "noise", "expected"),
    [
        (1.0, 0.98, 1.02, 0.0, True),  # precise
        (1.0, 0.95, 1.05, 0.0, False),
        (2.0, 1.5, 2.5, 0.0, True),  # slower than any bound
        (1.3, 1.2, 1.4, 0.0, False),  # 1.25
        (1.15, 1.1, 1.2, 0.0, True),  # between two
        (1.15, 1.1, 1.2, 0.12, False),  # may be noise or not
        (0.85, 0.8, 0.95, 0.0, False),  # 0.9
        (0.5, 0.4, 0.6, 0.05, True),
        (2.0, None, None, 0.0, False),
    ],
)
def test_a_ratio_is_settled_when_precise_or_on_one_side_of_every_bound(
    value: float, low: float | None, high: float | None, noise: float, expected: bool
) -> None:
    assert settled(Ratio(value=value, low=low, high=high, rounds=5), (0.9, 1.25), noise, None) is expected


def test_bounds_that_change_no_grade_are_not_waited_for() -> None:
    ratio = Ratio(value=1.3, low=1.2, high=1.4, rounds=5)
    assert settled(ratio, (), 0.0, None) and not settled(ratio, (1.25,), 0.0, None)


def test_many_disturbed_rounds_settle_what_a_few_cannot() -> None:
    ratio = Ratio(value=2.0, low=1.5, high=2.6, strict_low=1.3, strict_high=3.0, rounds=12)
    assert settled(ratio, (0.9,), 0.8, 0.6) and not settled(ratio.model_copy(update={"rounds": 8}), (0.9,), 0.8, 0.6)


def test_the_mean_of_what_others_took() -> None:
    assert busy_share(taken(0.1, None, 0.3)) == pytest.approx(0.2) and busy_share(taken(None)) is None
