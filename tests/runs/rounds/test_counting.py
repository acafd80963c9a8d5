"""Which rounds count and when there are enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import TimedRun
from qdash.runs.rounds.counting import Standing, Taken, busy_share, counted, exhausted, rounds_left, worth_judging

shares = st.one_of(st.none(), st.floats(0, 1))


def taken(*busy: float | None) -> list[Taken]:
    run = TimedRun(preprocess_s=0.1, ttft_s=0.2, total_s=1.0, tokens=4)
    return [Taken({0: run.model_copy(update={"total_s": 1.0 + number})}, share) for number, share in enumerate(busy)]


def seconds(rounds: list[Taken]) -> list[float]:
    return [one.runs[0].total_s - 1 for one in rounds]


def test_disturbed_rounds_do_not_count_where_there_are_enough_others() -> None:
    assert seconds(counted(taken(0.0, 0.9, 0.05, None, 0.5, 0.1), 5)) == [0, 2, 3, 5]
    assert seconds(counted(taken(0.0, 0.9, 0.0, 0.0), 2)) == [0, 2, 3]


def test_without_enough_quiet_rounds_all_count() -> None:
    assert seconds(counted(taken(0.9, 0.2, 0.0, 0.8, 0.0), 3)) == [0, 1, 2, 3, 4]


def test_on_a_restless_machine_many_rounds_count_whether_quiet_or_not() -> None:
    restless = [0.0, 0.9] * 6
    assert len(counted(taken(*restless), 5)) == 12 and seconds(counted(taken(*restless[:8]), 5)) == [0, 2, 4, 6]
    assert not exhausted(taken(*restless), 5, 0.0) and exhausted(taken(*restless), 5, 100.0)
    assert exhausted(taken(0.0, 0.9, 0.0, 0.0, 0.0, 0.0), 5, 0.0)  # one of six is not restless
    calm = [*[0.9] * 5, *[0.0] * 5]
    assert exhausted(taken(*calm), 5, 0.0) and seconds(counted(taken(*calm), 5)) == [5, 6, 7, 8, 9]  # others have gone


@given(st.lists(shares, max_size=20), st.integers(1, 6))
def test_what_counts_is_chosen_by_busyness_alone(busy: list[float | None], chosen: int) -> None:
    rounds = taken(*busy)
    count = counted(rounds, chosen)
    assert seconds(count) == sorted(seconds(count))
    if any(one.disturbed for one in count):
        disturbed = sum(one.disturbed for one in rounds)
        restless = len(rounds) >= 9 and disturbed * 3 >= len(rounds) and any(one.disturbed for one in rounds[-chosen:])
        assert count == rounds and (len(rounds) - disturbed < min(3, chosen) or restless)
    else:
        assert count == [one for one in rounds if not one.disturbed]


def test_when_no_more_rounds_are_taken() -> None:
    assert exhausted(taken(*[0.0] * 5), 5, 0.0) and not exhausted(taken(*[0.0] * 4), 5, 0.0)
    assert exhausted(taken(*[0.9] * 30), 5, 0.0) and not exhausted(taken(*[0.9] * 29), 5, 0.0)  # never quiet
    assert exhausted(taken(*[0.9] * 40), 40, 0.0) and not exhausted(taken(*[0.9] * 39), 40, 0.0)
    assert exhausted(taken(0.0, *[0.9] * 4), 5, 100.0) and not exhausted(taken(0.0, *[0.9] * 3), 5, 100.0)  # it took long
    assert not exhausted(taken(*[0.0] * 29), 5, 0.0, unclear=True) and exhausted(taken(*[0.0] * 30), 5, 0.0, unclear=True)
    assert exhausted(taken(*[0.0] * 5), 5, 100.0, unclear=True) and exhausted(taken(0.0, 0.0), 2, 0.0, unclear=True)
    assert exhausted(taken(0.9), 1, 0.0) and exhausted(taken(None), 1, 0.0) and not exhausted(taken(0.9), 2, 0.0)


def test_when_a_verdict_may_end_it() -> None:
    assert [worth_judging(taken(*[0.0] * number), 5) for number in range(5)] == [False, False, False, True, True]
    assert not worth_judging(taken(0.0, 0.0, *[0.9] * 6), 5) and worth_judging(taken(0.0, 0.0, *[0.9] * 7), 5)
    assert not worth_judging(taken(*[0.9] * 4), 5) and worth_judging(taken(*[0.9] * 5), 5)
    assert not worth_judging(taken(0.9), 1)


def around(value: float, doubt: float, rounds: int = 5) -> tuple[float, ...]:
    """Ratios in rounds, spread evenly over `doubt` of `value` to either side."""
    return tuple(value * (1 + doubt * (2 * number / (rounds - 1) - 1)) for number in range(rounds))


@pytest.mark.parametrize(
    ("value", "doubt", "rounds", "noise", "expected"),
    [
        (1.0, 0.01, 3, 0.0, True),  # precise
        (1.0, 0.08, 3, 0.0, False),  # may yet be the same
        (1.0, 0.08, 5, 0.0, True),  # it is, and stays so
        (2.0, 0.2, 3, 0.0, False),
        (2.0, 0.2, 5, 0.0, True),  # slower than any bound
        (1.15, 0.02, 5, 0.0, True),  # between two
        (1.16, 0.06, 5, 0.1, False),  # may be noise or not
        (0.86, 0.06, 3, 0.0, False),  # 0.9
        (0.5, 0.1, 5, 0.05, True),
    ],
)
def test_a_ratio_is_settled_when_precise_or_on_one_side_of_every_bound(
    value: float, doubt: float, rounds: int, noise: float, expected: bool
) -> None:
    assert Standing(around(value, doubt, rounds), (0.9, 1.25), noise).settled(5) is expected


def test_bounds_that_change_no_grade_are_not_waited_for() -> None:
    ratios = around(0.8, 0.02, 3)
    assert Standing(ratios).settled(2) and not Standing(ratios, (0.9,)).settled(2)


def test_where_no_further_round_could_change_what_is_said_none_is_taken() -> None:
    open_ = Standing((1.17, 1.10, 1.05), noise=0.08)
    assert open_.settled(2)  # not even two more of 1.17 would be enough to call it slower
    assert not open_.settled(20)
    assert not Standing((1.18, 1.165, 1.22), noise=0.02).settled(2)  # slower, if it goes on like that
    assert Standing((1.0, 1.3, 0.8), (0.9, 1.25), 0.2).settled(2)


def test_on_a_busy_machine_a_ratio_gets_more_rounds_until_it_is_known_to_a_quarter() -> None:
    same = (0.7, 1.0, 1.1, 0.5, 1.8, 0.8, 1.4, 1.0, 0.95)
    assert Standing(same, (), 0.8, None).settled(3) and not Standing(same, (), 0.8, 0.5).settled(3)
    assert Standing(around(1.0, 0.2, 9), (), 0.8, 0.5).settled(3)


def test_many_disturbed_rounds_settle_what_a_few_cannot() -> None:
    ratios = around(2.0, 0.3, 12)
    assert Standing(ratios, (0.9,), 0.8, 0.6).settled(18) and not Standing(ratios[::2], (0.9,), 0.8, 0.6).settled(24)


@given(st.lists(st.floats(0.2, 5), min_size=3, max_size=5), st.floats(0, 0.5), st.sampled_from([None, 0.5]))
def test_with_no_round_left_everything_is_settled(ratios: list[float], noise: float, busy: float | None) -> None:
    assert Standing(tuple(ratios), (0.9, 1.25), noise, busy).settled(0)


def test_a_large_difference_that_varies_too_much_to_tell_is_unclear() -> None:
    assert Standing((2.5, 1.6, 3.4, 1.5), noise=0.2).unclear
    assert Standing((0.4, 0.7, 0.3, 0.6), noise=0.2).unclear
    assert not Standing((2.5, 2.4, 2.6, 2.5), noise=0.02).unclear  # told
    assert not Standing((1.2, 0.8, 1.4, 0.7), noise=0.2).unclear  # not large


def test_how_many_rounds_may_follow() -> None:
    assert rounds_left(taken(0.0, 0.0, 0.0), 5, unclear=True) == 27
    assert rounds_left(taken(0.0, 0.0, 0.0), 5) == 2 and rounds_left(taken(0.9, 0.0), 5) == 28
    assert rounds_left(taken(0.9, 0.9), 5) == 28 and rounds_left(taken(*[0.0] * 6), 5) == 0


def test_the_mean_of_what_others_took() -> None:
    assert busy_share(taken(0.1, None, 0.3)) == pytest.approx(0.2) and busy_share(taken(None)) is None
