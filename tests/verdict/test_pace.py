"""What may be said of speeds: equal ones are never called different, however a busy machine disturbs single runs; large ones are told."""

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.records import Latency, Timing
from qdash.runs.rounds.figures import noise_floor, paired
from qdash.runs.rounds.groups import order_of
from qdash.verdict.pace import BUSY, FEW, UNKNOWN_NOISE, VARYING, Pace, Times, pace_for, times_in_rounds

QUIET = Times(ratio=2.0, low=1.95, high=2.05, rounds=5, noise=0.02, busy=0.0, paired=True)


def measured(original: np.ndarray, variant: np.ndarray, busy: float = float("nan")) -> Pace:
    """What is said of one comparison: the median of paired ratios with a t interval of their logarithms, and the original's own spread."""
    logs = np.log(variant / original)
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    middle, mean = median(logs), logs.mean()
    low, high = (float(end) for end in np.exp([min(middle, mean - half), max(middle, mean + half)]))
    spread = (np.percentile(original, 90) - np.percentile(original, 10)) / 2 / median(original)
    return pace_for(Times(float(np.exp(middle)), low, high, len(logs), float(spread), busy, paired=True))


def runs(random: np.random.Generator, rounds: int, share: float, times: float = 1.0) -> np.ndarray:
    """Runs of which a `share` is hit by something that makes it up to four times as long."""
    hit = np.where(random.random(rounds) < share, random.uniform(1, 4, rounds), 1.0)
    return times * hit * np.exp(random.normal(0, 0.02, rounds))


@pytest.mark.parametrize("rounds", [3, 4, 5])
def test_equal_schemes_are_never_called_different_by_a_busy_machine(rounds: int) -> None:
    random, comparisons = np.random.default_rng(13), 4000
    for share in (0.1, 0.2, 0.3):
        told = [measured(runs(random, rounds, share), runs(random, rounds, share)).told for _ in range(comparisons // 3)]
        assert sum(one in ("faster", "slower") for one in told) / len(told) < 0.005
    for _ in range(20):
        assert measured(runs(random, rounds, 0.2), runs(random, rounds, 0.2), busy=0.5).told not in ("faster", "slower")


@pytest.mark.parametrize(("rounds", "times"), [(3, 2.0), (3, 3.0), (5, 2.0), (5, 0.5)])
def test_what_is_truly_slower_is_told_once_disturbed_rounds_were_repeated(rounds: int, times: float) -> None:
    random = np.random.default_rng(13)
    told = [measured(runs(random, rounds, 0.0), runs(random, rounds, 0.0, times)).told for _ in range(50)]
    assert set(told) == {"slower" if times > 1 else "faster"}
    busy = [measured(runs(random, rounds, 0.0), runs(random, rounds, 0.0, times), busy=0.5).told for _ in range(50)]
    assert busy.count(told[0]) >= 45


@pytest.mark.parametrize(
    ("changes", "told", "words"),
    [
        ({}, "slower", "2.0× slower"),
        ({"ratio": 0.5, "low": 0.49, "high": 0.51}, "faster", "2.0× faster"),
        ({"ratio": 1.02, "low": 0.98, "high": 1.05}, "same", "≈ same"),
        ({"ratio": 1.02, "low": 1.015, "high": 1.025, "noise": 0.0}, "same", "≈ same"),
        ({"ratio": 1.2, "low": 0.9, "high": 1.6}, "untold", f"not compared: {VARYING}"),
        ({"noise": 1.5}, "untold", f"not compared: {VARYING}"),
        ({"ratio": 1.3, "low": 1.28, "high": 1.32, "busy": 0.4}, "untold", f"not compared: {BUSY}"),
        ({"rounds": 2}, "untold", f"not compared: {FEW}"),
        ({"low": float("nan")}, "untold", f"not compared: {VARYING}"),
        ({"low": 3.0, "high": 1.0}, "untold", f"not compared: {VARYING}"),
        ({"noise": float("nan")}, "untold", f"not compared: {UNKNOWN_NOISE}"),
        ({"noise": -1.0}, "untold", f"not compared: {UNKNOWN_NOISE}"),
        ({"noise": -1.0, "paired": False}, "untold", f"not compared: {UNKNOWN_NOISE}"),
        ({"ratio": float("nan")}, "untold", ""),
        ({"ratio": float("inf")}, "untold", ""),
        ({"paired": False, "noise": 0.4}, "untold", f"not compared: {BUSY}"),
        ({"paired": False}, "slower", "2.0× slower"),
    ],
)  # fmt: skip
def test_what_is_said(changes: dict[str, float], told: str, words: str) -> None:
    found = pace_for(Times(**{**QUIET.__dict__, **changes}))
    assert (found.told, found.words_or_why) == (told, words)


def beside_toggling_programs(random: np.random.Generator, rounds: int, *times: float) -> np.ndarray:
    """Runs of several variants in rounds, beside two programs that toggle between idle and full load and halve the speed or worse."""
    switches = np.cumsum(random.uniform(0.1, 2.0, (2, 4000)), axis=1)
    now, taken = 0.0, np.zeros((rounds, len(times)))
    for number in range(rounds):
        for member in order_of(len(times), number):
            began, left = now, 0.5 * times[member] * np.exp(random.normal(0, 0.02))
            while left > 0:
                places = [int(np.searchsorted(row, now, "right")) for row in switches]
                slower = (1.0, 2.0, 6.0)[sum(place % 2 for place in places)]
                step = min(left * slower, min(row[place] for row, place in zip(switches, places, strict=True)) - now + 1e-9)
                now, left = now + step, left - step / slower
            taken[number, member] = now - began
    return taken


def told_at_last(taken: np.ndarray, member: int) -> str:
    """What is said of a variant when its rounds end: as soon as it is called faster or slower, or after the last one."""
    pace = Pace()
    for number in range(5, len(taken) + 1):
        baseline, own = (Timing.of(taken[:number, place].tolist()) for place in (0, member))
        latency = Latency(load_s=0, preprocess_s=baseline, ttft_s=baseline, tpot_s=baseline, total_s=baseline, tokens_per_s=baseline)
        noise = noise_floor(latency, None)
        assert noise is not None
        pace = pace_for(times_in_rounds(paired(own, baseline), number, noise.relative, 0.5))
        if pace.told in ("faster", "slower"):
            break
    return pace.told


def test_on_a_machine_that_is_never_quiet_the_same_is_never_called_different_and_twice_the_time_is_told() -> None:
    random = np.random.default_rng(13)
    runs = [beside_toggling_programs(random, 30, 1.0, 1.0, 2.2) for _ in range(200)]
    assert sum(told_at_last(taken, 1) in ("faster", "slower") for taken in runs) <= 1
    assert sum(told_at_last(taken, 2) == "slower" for taken in runs) >= 190


ANY = st.floats() | st.floats(0.01, 10)


@given(st.builds(Times, ANY, ANY, ANY, st.integers(9, 40), ANY, ANY, st.just(True), ANY, ANY))
def test_a_claim_from_many_rounds_lies_beyond_the_strict_interval(times: Times) -> None:
    found = pace_for(times)
    if found.told in ("faster", "slower") and 0 < times.strict_low <= times.ratio <= times.strict_high < float("inf"):
        assert times.strict_low > 1.05 if found.told == "slower" else times.strict_high * 1.05 < 1


@given(st.builds(Times, ANY, ANY, ANY, st.integers(0, 8), ANY, ANY, st.booleans()))
def test_a_claim_lies_beyond_interval_and_noise(times: Times) -> None:
    found = pace_for(times)
    if found.told in ("faster", "slower"):
        assert times.rounds >= 3 and times.noise == times.noise
        beyond = times.noise + 1 if times.noise > 0 else 1.0
        if times.paired:
            assert times.low > beyond if found.told == "slower" else times.high * beyond < 1
            assert times.low <= times.ratio <= times.high
        else:
            assert abs(times.ratio - 1) > times.noise
