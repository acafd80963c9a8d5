"""Jobs on ZeroGPU: what the scheduler is asked, what Stop and closing do, and what is left when it takes the GPU back.

The jobs run in `tests.support.zerogpu_process` against the stand-in of `tests.support.zerogpu_scheduler`; the package `spaces` is real.
"""

import math
import os
import signal
import time
from pathlib import Path
from threading import Event

import pytest

from tests.support.serving import serving
from tests.support.zerogpu_jobs import LONG, THREE, Jobs, comparison_in, environment, in_stage, kept_answers, statuses
from tests.support.zerogpu_scheduler import Scheduler


def test_the_page_registers_its_function_before_it_is_up(tmp_path: Path) -> None:
    with Scheduler().serving() as lender, serving(["app.py"], tmp_path, **environment(lender, tmp_path)):
        assert lender.calls == [("/startup-report", {})]


@pytest.mark.parametrize("reuses", [False, True])
def test_a_comparison_runs_through_in_one_job(jobs: Jobs, scheduler: Scheduler, reuses: bool) -> None:
    scheduler.reuses = reuses
    jobs.tell("compare", schemes=THREE, runs=3)
    messages = jobs.rest()
    assert statuses(comparison_in(messages)) == ["ok", "ok", "ok"]
    stages = [(message["index"], message["stage"]) for message in messages if "stage" in message]
    per_variant = ("loading", "answering", "scoring")
    assert list(dict.fromkeys(stages)) == [
        (0, "locating"), *[(index, stage) for index in range(3) for stage in per_variant],
        *[(index, stage) for stage in ("warming up", "timing") for index in range(3)],
    ]  # fmt: skip
    answers = [message for message in messages if message.get("event") == "answer"]
    assert {message["index"] for message in answers} == {0, 1, 2} and answers[-1]["text"].startswith(answers[-2]["text"])
    comparison = comparison_in(messages)
    assert comparison["host"]["device"].startswith("cuda") and comparison["rounds"]["taken"] >= 3
    assert all(variant["relative"] for variant in comparison["variants"])
    assert len(scheduler.asked("/schedule")) == len(scheduler.wait_for("/release", 1)) == 1
    assert scheduler.asked("/release")[0]["fail"] == "false"
    assert len(scheduler.asked("/allow")) == (0 if reuses else 1)


def test_the_time_asked_for_follows_from_the_request_and_from_earlier_runs(jobs: Jobs, scheduler: Scheduler) -> None:
    took: list[float] = []
    for _ in range(2):
        began = time.monotonic()
        jobs.tell("compare", schemes=["fp32", "int2-g64"], runs=4, max_new_tokens=30)
        jobs.rest()
        took.append(time.monotonic() - began)
    guessed, learned = (int(asked["durationSeconds"]) for asked in scheduler.asked("/schedule"))
    # 5 runs of 30 tokens each, at 30 ms a token: 9 s; 8 s for starting and loading; 25% in reserve.
    assert 20 <= guessed <= 25
    assert 10 <= learned <= max(10, math.ceil((5 + took[0]) * 1.25))


def test_stopped_in_the_middle_it_ends_with_what_it_has(jobs: Jobs, scheduler: Scheduler) -> None:
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(lambda message: message.get("event") == "answered")
    jobs.tell("stop")
    comparison = comparison_in(jobs.rest())
    answered = kept_answers(comparison, "skipped")
    assert {variant["error"]["kind"] for variant in comparison["variants"][answered:]} <= {"cancelled"}
    assert scheduler.wait_for("/release", 1)[0]["fail"] == "false"


def test_closing_ends_the_job_and_releases_the_gpu(jobs: Jobs, scheduler: Scheduler) -> None:
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(in_stage(0, "timing"))
    jobs.tell("close")
    assert jobs.rest()[-1]["end"] == "closed"
    assert len(scheduler.wait_for("/release", 1)) == 1
    jobs.tell("compare", schemes=["original"])
    assert statuses(comparison_in(jobs.rest())) == ["ok"]


def test_a_job_that_does_not_stop_is_killed(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses = False
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(lambda message: message.get("event") == "answered")
    os.kill(int(scheduler.asked("/allow")[-1]["pid"]), signal.SIGSTOP)
    jobs.tell("stop")
    comparison = comparison_in(jobs.rest())
    answered = kept_answers(comparison, "skipped")
    assert {variant["error"]["kind"] for variant in comparison["variants"][answered:]} <= {"cancelled"}
    assert scheduler.wait_for("/release", 1)[0]["fail"] == "true"


def test_the_gpu_taken_back_leaves_what_was_finished(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses = False
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(lambda message: message.get("event") == "answered")
    scheduler.kill()
    messages = jobs.rest()
    comparison = comparison_in(messages)
    kept_answers(comparison, "failed")
    assert {variant["error"]["kind"] for variant in comparison["variants"]} == {"worker_died"}
    assert "ended unexpectedly" in comparison["variants"][2]["error"]["message"]
    assert [message["index"] for message in messages if message.get("event") == "variant"] == [0, 1, 2]
    assert scheduler.wait_for("/release", 1)[0]["fail"] == "true"


def test_the_gpu_taken_back_between_rounds_leaves_the_answers(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses = False
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(in_stage(1, "timing"))
    scheduler.kill()
    comparison = comparison_in(jobs.rest())
    assert kept_answers(comparison, "failed") == 3 and comparison["rounds"] is None


def test_the_gpu_taken_back_before_anything_was_finished_is_an_error(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses = False
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(in_stage(0, "loading"))
    scheduler.kill()
    assert jobs.rest()[-1]["kind"] == "worker_died"


def test_a_process_that_vanishes_while_the_scheduler_is_down_is_noticed(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses, scheduler.broken = False, {"/release"}
    jobs.tell("compare", schemes=THREE, **LONG)
    jobs.until(in_stage(0, "loading"))
    scheduler.kill()
    assert jobs.rest()[-1]["kind"] == "worker_died"


def test_a_release_that_hangs_holds_nobody_up(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.gates["/release"] = gate = Event()
    jobs.tell("compare", schemes=["original"])
    assert statuses(comparison_in(jobs.rest())) == ["ok"]
    assert scheduler.asked("/release") == []
    gate.set()
    scheduler.wait_for("/release", 1)


def test_an_evaluation_keeps_the_answers_it_had(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses = False
    jobs.tell("evaluate", schemes=THREE, limit=120, batch_size=2)
    jobs.until(lambda message: message.get("event") == "items" and message["index"] == 1)
    scheduler.kill()
    messages = jobs.rest()
    assert messages[-1]["end"] == "done"
    evaluation = messages[-2]["evaluation"]
    assert statuses(evaluation) == ["ok", "failed", "failed"]
    original, cut_off, never = evaluation["variants"]
    assert len(original["items"]) == 120 > len(cut_off["items"]) >= 2 and never["items"] == []
    assert cut_off["accuracy"]["total"] == len(cut_off["items"]) and cut_off["drop"] is not None
    assert never["error"]["kind"] == "worker_died"


def test_an_evaluation_runs_through(jobs: Jobs, scheduler: Scheduler) -> None:
    jobs.tell("evaluate", schemes=["original", "bnb-nf4"], limit=8, batch_size=4)
    evaluation = jobs.rest()[-2]["evaluation"]
    assert statuses(evaluation) == ["ok", "ok"] and evaluation["noise_floor"]["items"] == 4
    assert len(scheduler.asked("/schedule")) == 1


def test_weights_and_insides_are_looked_at_in_one_job_each(jobs: Jobs, scheduler: Scheduler) -> None:
    report = jobs.result_of("measure_weight_error", schemes=["bnb-nf4", "int3-g64"])["result"]
    assert [weights["scheme"] for weights in report["schemes"]] == ["bnb-nf4", "int3-g64"] and not report["cached"]
    layer = report["schemes"][0]["layers"][0]["name"]
    assert jobs.result_of("measure_layer", scheme="bnb-nf4", layer=layer)["result"]["layer"]["name"] == layer
    assert jobs.result_of("inspect", scheme="bnb-nf4")["result"]["saved"]
    assert len(scheduler.asked("/schedule")) == len(scheduler.wait_for("/release", 3)) == 3
    assert jobs.result_of("measure_weight_error", schemes=["int3-g64"])["result"]["cached"] and len(scheduler.asked("/schedule")) == 3


def test_the_cpu_needs_no_gpu(jobs: Jobs, scheduler: Scheduler) -> None:
    jobs.tell("compare", schemes=["original", "bnb-nf4"], device="cpu")
    comparison = comparison_in(jobs.rest())
    assert statuses(comparison) == ["ok", "ok"] and comparison["host"]["device"] == "cpu"
    assert scheduler.calls == []
    jobs.tell("compare", schemes=["original"])  # after it, a GPU is still to be had
    assert statuses(comparison_in(jobs.rest())) == ["ok"]


def test_a_bug_is_reported_as_one(jobs: Jobs, scheduler: Scheduler) -> None:
    end = jobs.result_of("bug")
    assert (end["end"], end["kind"], end["message"]) == ("error", "internal", "ValueError: a bug")
    assert "a bug" in jobs.log.read_text()
