"""The loop of rounds: how many, which are taken again, who is left out. Workers are scripted."""

import time
from pathlib import Path
from threading import Event

import pytest

from qdash.errors import QdashError
from qdash.records import Comparison, Measurement, Progress, Ratio, VariantDone
from qdash.runs.compare import compare
from qdash.runs.rounds import timing
from qdash.verdict.evidence import pace_of
from tests.runs.scripted_workers import Script
from tests.runs.test_compare import final, folder, quiet, request_for

__all__ = ["folder", "quiet"]
FIVE = Measurement(runs=5, warmup=0, max_new_tokens=4)
BUDGET = "qdash.runs.rounds.timing.memory_budget_bytes"


def run(folder: Path, script: Script, *schemes: str, measurement: Measurement = FIVE) -> tuple[Comparison, list]:
    events = list(compare(request_for(folder, *schemes).model_copy(update={"measurement": measurement}), None, script))
    return final(events), events


def uneven(scheme: str, number: int) -> float:
    """NF4 takes between 0.93 and 1.07 of the original's time, by chance."""
    return (0.93, 1.07, 1.0, 1.05, 0.95)[number % 5] if scheme == "bnb-nf4" else 1.0


def restless(scheme: str, number: int) -> float:
    """NF4 takes three quarters or 1.4 times the original's time, by chance."""
    return (0.75, 1.4)[number % 2] if scheme == "bnb-nf4" else 1.0


def test_three_rounds_do_where_they_agree(folder: Path) -> None:
    comparison, _ = run(folder, Script(), "original", "bnb-nf4")
    assert comparison.rounds is not None and comparison.rounds.taken == 3


def test_all_that_were_chosen_are_taken_where_they_do_not(folder: Path) -> None:
    comparison, _ = run(folder, Script(uneven), "original", "bnb-nf4")
    assert comparison.rounds is not None and comparison.rounds.taken == 5
    relative = comparison.variants[1].relative
    assert relative is not None and relative.total is not None and relative.total.value == 1.0
    assert relative.total.low is not None and relative.total.low <= 0.93 and (relative.total.high or 0) >= 1.07


def test_three_rounds_do_where_the_verdict_is_clear(folder: Path) -> None:
    comparison, _ = run(folder, Script(lambda scheme, number: (2.0 + 0.1 * number) if scheme == "bnb-nf4" else 1.0), "original", "bnb-nf4")
    assert comparison.rounds is not None and comparison.rounds.taken == 3


def test_one_that_is_open_goes_on_beside_the_original_alone(folder: Path) -> None:
    script = Script(uneven)
    comparison, events = run(folder, script, "original", "bnb-int8", "bnb-nf4")
    assert [sorted(members) for members in script.rounds] == [["bnb-int8", "bnb-nf4", "original"]] * 3 + [["bnb-nf4", "original"]] * 2
    assert [len(result.latency.total_s.runs) for result in comparison.variants if result.latency] == [5, 3, 5]
    found = [result.relative.total.rounds for result in comparison.variants[1:] if result.relative and result.relative.total]
    assert found == [3, 5] and comparison.rounds is not None and comparison.rounds.taken == 3 and comparison.rounds.repeated == 0
    done = [event for event in events if isinstance(event, Progress) and event.detail == "done, others take more rounds"]
    assert [event.index for event in done] == [1]


def test_what_is_told_of_one_that_was_done_early_stands_when_others_take_quiet_rounds(folder: Path, waits: list[float]) -> None:
    script = Script(lambda scheme, number: 8.0 if scheme == "bnb-int8" else restless(scheme, number), busy=(*[0.8] * 5, *[0.0] * 5))
    comparison, _ = run(folder, script, "original", "bnb-int8", "bnb-nf4")
    original, int8, nf4 = comparison.variants
    assert int8.relative is not None and int8.relative.total is not None and int8.relative.total.rounds == 5
    assert nf4.relative is not None and nf4.relative.total is not None and nf4.relative.total.rounds == 5
    assert comparison.rounds is not None and comparison.rounds.disturbed and comparison.rounds.repeated == 0
    assert pace_of(int8, comparison).told == "slower" and original.latency is not None


def test_what_is_told_of_one_that_was_done_early_stands_when_others_take_disturbed_rounds(folder: Path, waits: list[float]) -> None:
    """The original's times in rounds that came later tell nothing of those that it had part in."""

    def later(scheme: str, number: int) -> float:
        slow = 8.0 if scheme == "bnb-int8" else restless(scheme, number)
        return slow * (1.0 if number < 4 else (1.0, 4.0)[number // 2 % 2])

    script = Script(later, busy=(0.0, 0.9, 0.0, 0.0, *[0.8] * 20))
    comparison, _ = run(folder, script, "original", "bnb-int8", "bnb-nf4")
    int8 = comparison.variants[1]
    assert int8.relative is not None and int8.relative.total is not None and (int8.relative.total.rounds or 0) < 9
    assert comparison.noise_floor is not None and comparison.noise_floor.relative > 0.5
    assert pace_of(int8, comparison).told == "slower"


@pytest.mark.parametrize("chosen", [1, 2])
def test_fewer_than_three_chosen_rounds_give_no_interval(folder: Path, chosen: int) -> None:
    comparison, _ = run(folder, Script(), "original", "bnb-nf4", measurement=FIVE.model_copy(update={"runs": chosen}))
    relative = comparison.variants[1].relative
    assert comparison.rounds is not None and comparison.rounds.taken == chosen
    noise, busy = (None, None) if chosen == 1 else (0.0, 0.0)
    assert relative is not None and relative.total == Ratio(value=1.0, low=None, high=None, rounds=chosen, noise=noise, busy=busy)
    assert (comparison.noise_floor is None) == (chosen == 1)


def test_a_baseline_alone_takes_all_rounds(folder: Path) -> None:
    assert run(folder, script := Script(), "original")[1] and len(script.rounds) == 5


def test_one_round_does_for_simulated_variants_whose_speed_tells_nothing(folder: Path) -> None:
    comparison, _ = run(folder, script := Script(uneven), "original", "bnb-nf4", "fp8-e4m3")
    simulated = comparison.variants[2]
    assert [sorted(members) for members in script.rounds] == [["bnb-nf4", "fp8-e4m3", "original"]] + [["bnb-nf4", "original"]] * 4
    assert comparison.rounds is not None and comparison.rounds.taken == 5, "no ratio rests on the one round"
    assert simulated.relative is not None and simulated.relative.total is None
    comparison, _ = run(folder, script := Script(uneven), "original", "fp8-e4m3")
    assert len(script.rounds) == 3 and [len(result.latency.total_s.runs) for result in comparison.variants if result.latency] == [3, 3]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited, in place of waiting."""
    waited: list[float] = []
    monkeypatch.setattr(timing.time, "sleep", waited.append)
    return waited


def test_disturbed_rounds_are_taken_again_whatever_their_times(folder: Path, waits: list[float]) -> None:
    slow = {1: 9.0, 3: 9.0}
    script = Script(lambda scheme, number: slow.get(number, 1.0) if scheme == "bnb-nf4" else 1.0, busy=(0.0, 0.8, 0.02, 0.5, 0.1))
    comparison, events = run(folder, script, "original", "bnb-nf4")
    assert comparison.rounds is not None and comparison.rounds.model_dump() == {
        "taken": 3, "repeated": 2, "busy": pytest.approx(0.04), "busy_before": 0.0,
    }  # fmt: skip
    relative = comparison.variants[1].relative
    assert relative is not None and relative.total is not None and relative.total.busy == pytest.approx(0.04)
    assert relative.total.model_copy(update={"busy": None}) == Ratio(value=1.0, low=1.0, high=1.0, rounds=3, noise=0.0)
    assert waits == [timing.LOOK_S] * 2  # the machine is quiet again at the first look
    told = {event.detail for event in events if isinstance(event, Progress) and event.stage == "timing"}
    assert {"round 1 of at most 5", "round 5 of at most 5"} <= told


def test_a_machine_that_is_never_quiet_ends_with_what_there_is_and_says_so(folder: Path, waits: list[float]) -> None:
    script = Script(restless, busy=(0.9, 0.6, 0.7))
    comparison, _ = run(folder, script, "original", "bnb-nf4")
    assert len(script.rounds) == 30
    rounds = comparison.rounds
    assert rounds is not None and (rounds.taken, rounds.repeated, rounds.disturbed) == (30, 0, True)
    assert rounds.busy == pytest.approx((0.9 + 0.6 + 0.7) / 3)


def test_on_a_machine_that_is_never_quiet_a_clear_verdict_ends_it(folder: Path, waits: list[float]) -> None:
    script = Script(lambda scheme, number: 3.0 if scheme == "bnb-nf4" else 1.0, busy=(0.9,))
    assert run(folder, script, "original", "bnb-nf4")[0].rounds == comparison_rounds(5, 0.9) and len(script.rounds) == 5


def comparison_rounds(taken: int, busy: float) -> object:
    return timing.Rounds(taken=taken, repeated=0, busy=busy, busy_before=0.0)


def test_waiting_for_a_quiet_moment_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [0.0], []
    monkeypatch.setattr(timing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: (now.__setitem__(0, now[0] + seconds), looks.append(seconds)))
    monkeypatch.setattr("qdash.busyness.OthersLoad.share", lambda load: 0.95)
    _, events = run(folder, Script(busy=(0.95,)), "original", "bnb-nf4", measurement=FIVE.model_copy(update={"runs": 20}))
    assert timing.WAIT_IN_ALL_S - 1 < sum(looks) <= timing.WAIT_IN_ALL_S + timing.WAIT_S
    assert any("other programs take 95% of this machine" in event.detail for event in events if isinstance(event, Progress))


def test_a_variant_that_fails_in_a_round_is_left_out_and_costs_itself_only(folder: Path) -> None:
    died = QdashError("It died.", "Try again.", "worker_died")
    script = Script(uneven, failing={("bnb-int8", "time"): died})
    comparison, events = run(folder, script, "original", "bnb-int8", "bnb-nf4")
    assert [result.status for result in comparison.variants] == ["ok", "failed", "ok"]
    assert [len(members) for members in script.rounds] == [3, 2, 2, 2, 2]
    failed = comparison.variants[1]
    assert (failed.answer, failed.latency, failed.error is not None and failed.error.kind) == ("a cat", None, "worker_died")
    assert [event.index for event in events if isinstance(event, VariantDone)] == [1, 0, 2]


def test_a_variant_that_cannot_warm_up_costs_itself_only(folder: Path) -> None:
    full = QdashError("Out of memory.", "Choose fewer.", "out_of_memory")
    comparison, _ = run(folder, script := Script(failing={("bnb-nf4", "warm_up"): full}), "original", "bnb-nf4")
    assert [result.status for result in comparison.variants] == ["ok", "failed"] and script.rounds == [("original",)] * 5


def test_those_that_do_not_fit_together_form_groups_with_the_baseline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = pair_bytes(folder)
    monkeypatch.setattr(BUDGET, lambda device, held_bytes: 2 * held + held // 2)
    paces = {"bnb-int8": 2.0, "bnb-nf4": 3.0}
    script = Script(lambda scheme, number: paces.get(scheme, 1.0) * (1 if number < 3 else 10))
    comparison, events = run(folder, script, "original", "bnb-int8", "bnb-nf4")
    assert [sorted(members) for members in script.rounds] == [["bnb-int8", "original"]] * 3 + [["bnb-nf4", "original"]] * 3
    assert script.apart == [False] * 6
    original, int8, nf4 = comparison.variants
    assert original.latency is not None and original.latency.total_s.runs == (1, 1, 1, 10, 10, 10)
    assert [one.relative.latency for one in (int8, nf4) if one.relative] == [pytest.approx(2), pytest.approx(3)]
    assert [event.index for event in events if isinstance(event, VariantDone)] == [1, 0, 2]
    assert comparison.rounds is not None and comparison.rounds.taken == 3


def test_stop_between_two_groups_keeps_the_times_of_the_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, stop = pair_bytes(folder), Event()
    monkeypatch.setattr(BUDGET, lambda device, held_bytes: 2 * held + held // 2)
    request = request_for(folder, "original", "bnb-int8", "bnb-nf4").model_copy(update={"measurement": FIVE})
    events = []
    for event in compare(request, None, Script(lambda scheme, number: 2.0 if scheme == "bnb-int8" else 1.0), stop):
        events.append(event)
        if isinstance(event, VariantDone) and event.index == 1:
            stop.set()
    original, int8, nf4 = final(events).variants
    assert original.latency is not None and original.latency.total_s.runs == (1, 1, 1)
    assert int8.relative is not None and int8.relative.latency == 2 and nf4.latency is None
    assert pace_of(int8, final(events)).told == "slower"


def test_a_pair_that_does_not_fit_is_timed_by_turns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUDGET, lambda device, held_bytes: 1)
    comparison, _ = run(folder, script := Script(), "original", "bnb-nf4")
    assert script.apart == [True] * 3 and [result.status for result in comparison.variants] == ["ok", "ok"]


def pair_bytes(folder: Path) -> int:
    """What a worker of this tiny model takes, nearly all of it beside its weights."""
    seen: list[int] = []

    class Looking(Script):
        def round(self, parts, stop=None, rank=None, *, together=True):
            seen.extend(part.held_bytes for part in parts)
            return (yield from super().round(parts, stop, rank, together=together))

    run(folder, Looking(), "original")
    return max(seen)


def test_rounds_are_timed_behind_answers_with_the_comparisons_own_arrival(folder: Path) -> None:
    ranks: list = []

    class Ranked(Script):
        def call(self, spec, method, *arguments, rank=None, **options):
            ranks.append((method, rank))
            return (yield from super().call(spec, method, *arguments, rank=rank, **options))

        def round(self, parts, stop=None, rank=None, *, together=True):
            ranks.append(("round", rank))
            return (yield from super().round(parts, stop, rank, together=together))

    before = time.monotonic()
    run(folder, Ranked(), "original", "bnb-nf4")
    assert len({rank.arrived for _, rank in ranks}) == 1 and ranks[0][1].arrived >= before
    timed = [rank.timing for _, rank in ranks]
    assert timed == sorted(timed) and {method for method, rank in ranks if rank.timing} == {"load", "warm_up", "round"}
