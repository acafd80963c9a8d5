"""Which rounds count and when there are enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import Ratio, TimedRun
from qdash.rounds.counting import Taken, busy_share, counted, exhausted, settled, worth_judging

shares = st.one_of(st.none(), st.floats(0, 1))


def taken(*busy: float | None) -> list[Taken]:
    run = TimedRun(preprocess_s=0.1, ttft_s=0.2, total_s=1.0, tokens=4)
    return [Taken({0: run.model_copy(update={"total_s": 1.0 + number})}, share) for number, share in enumerate(busy)]


def seconds(rounds: list[Taken]) -> list[float]:
    return [one.runs[0].total_s - 1 for one in rounds]


def test_disturbed_rounds_do_not_count_where_there_are_enough_others() -> None:
    assert seconds(counted(taken(0.0, 0.9, 0.05, None, 0.5, 0.1), 5)) == [0, 2, 3, 5]
    assert seconds(counted(taken(0.0, 0.9, 0.0, 0.0), 2)) == [0, 2]


def test_without_enough_quiet_rounds_those_disturbed_least_count() -> None:
    assert seconds(counted(taken(0.9, 0.2, 0.0, 0.8, 0.4), 3)) == [1, 2, 4]


@given(st.lists(shares, max_size=20), st.integers(1, 6))
def test_what_counts_is_chosen_by_busyness_alone(busy: list[float | None], chosen: int) -> None:
    rounds = taken(*busy)
    count = counted(rounds, chosen)
    assert seconds(count) == sorted(seconds(count)) and len(count) <= chosen
    left = [one.busy or 0.0 for one in rounds if one not in count]
    if any(one.disturbed for one in count):
        assert max(one.busy or 0.0 for one in count) <= min(left, default=1.0)


def test_when_no_more_rounds_are_taken() -> None:
    assert exhausted(taken(*[0.0] * 5), 5, 0.0) and not exhausted(taken(*[0.0] * 4), 5, 0.0)
    assert exhausted(taken(*[0.9] * 10), 5, 0.0) and not exhausted(taken(*[0.9] * 9), 5, 0.0)  # never quiet
    assert not exhausted(taken(0.0, *[0.9] * 18), 5, 0.0) and exhausted(taken(0.0, *[0.9] * 19), 5, 0.0)
    assert exhausted(taken(0.0, *[0.9] * 4), 5, 30.0) and not exhausted(taken(0.0, *[0.9] * 3), 5, 30.0)  # it took long
    assert exhausted(taken(0.9, 0.9), 1, 0.0) and exhausted(taken(None), 1, 0.0)


def test_when_a_verdict_may_end_it() -> None:
    assert [worth_judging(taken(*[0.0] * number), 5) for number in range(5)] == [False, False, False, True, True]
    assert not worth_judging(taken(0.0, 0.0, 0.9, 0.9, 0.9), 5)
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
    assert settled([(Ratio(value=value, low=low, high=high), (0.9, 1.25))], 5, noise, None) is expected


def test_bounds_that_change_no_grade_are_not_waited_for() -> None:
    ratio = Ratio(value=1.3, low=1.2, high=1.4)
    assert settled([(ratio, ())], 5, 0.0, None) and not settled([(ratio, (1.25,))], 5, 0.0, None)


def test_all_have_to_be_settled_and_nothing_is_not() -> None:
    sure, open_ = ((Ratio(value=value, low=low, high=high), ()) for value, low, high in ((2, 1.9, 2.1), (1, 0.5, 1.5)))
    assert settled([sure, sure], 5, 0, None) and not settled([sure, open_], 5, 0, None) and not settled([], 5, 0, None)


def test_the_mean_of_what_others_took() -> None:
    assert busy_share(taken(0.1, None, 0.3)) == pytest.approx(0.2) and busy_share(taken(None)) is None
