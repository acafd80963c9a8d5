"""Jobs on ZeroGPU: what the scheduler is asked, what Stop and closing do, and what is left when it refuses or takes the GPU back.

The jobs run in `tests.support.zerogpu_process` against the stand-in of `tests.support.zerogpu_scheduler`; the package `spaces` is real.
"""

import json
import math
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest

from tests.support.serving import serving
from tests.support.zerogpu_process import MARK
from tests.support.zerogpu_scheduler import Answer, Scheduler, a_second_less, quota

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240
THREE = ["original", "bnb-nf4", "int3-g64"]
LONG = {"runs": 20, "max_new_tokens": 40}  # seconds a variant, so that a test can step in

Message = dict[str, Any]


def environment(scheduler: Scheduler, folder: Path) -> dict[str, str]:
    """That of a ZeroGPU Space."""
    (folder / "cgroup").write_text("0::/space\n")
    return {
        "SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(folder / "cgroup"), "QDASH_CACHE_DIR": str(folder), "HF_HUB_OFFLINE": "1",
        "QDASH_THREADS": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


class Jobs:
    """The process that runs jobs, seen from a test."""

    def __init__(self, scheduler: Scheduler, folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zerogpu_process"], cwd=ROOT, env=os.environ | environment(scheduler, folder),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, do: str, **details: Any) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
        self._process.stdin.flush()

    def next(self) -> Message:
        """The next message."""
        try:
            message = self._messages.get(timeout=TIMEOUT_S)
        except queue.Empty:
            message = None
        assert message is not None, f"no message; the log: {self.log.read_text()[-3000:]}"
        return message

    def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """All messages up to the first that is `wanted`."""
        seen = [self.next()]
        while not wanted(seen[-1]):
            assert "end" not in seen[-1], seen[-1]
            seen.append(self.next())
        return seen

    def rest(self) -> list[Message]:
        """All messages until the job is over, its end last."""
        return self.until(lambda message: "end" in message)

    def result_of(self, do: str, **details: Any) -> Message:
        """How a job ends."""
        self.tell(do, **details)
        return self.rest()[-1]

    def close(self) -> None:
        """End the process and, as its idle forks outlive one that is killed, those too."""
        forks = psutil.Process(self._process.pid).children(recursive=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        for process in (self._process, *forks):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK.encode()):
                self._messages.put(json.loads(line[1:]))
        self._messages.put(None)


@pytest.fixture(scope="module")
def lender() -> Iterator[Scheduler]:
    with Scheduler().serving() as scheduler:
        yield scheduler


@pytest.fixture(scope="module")
def process(lender: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    jobs = Jobs(lender, tmp_path_factory.mktemp("zerogpu"))
    assert jobs.next()["ready"] == "ZeroGPUExecutor"
    yield jobs
    jobs.close()


@pytest.fixture
def scheduler(lender: Scheduler) -> Iterator[Scheduler]:
    """As it answers by default, and without memory of the tests before."""
    lender.calls.clear()
    yield lender
    lender.answers.clear()
    lender.gates.clear()
    lender.broken.clear()
    lender.reuses = True


@pytest.fixture
def jobs(process: Jobs) -> Jobs:
    return process


def comparison_in(messages: list[Message]) -> Message:
    assert messages[-1] == {"end": "done", "result": None}, messages[-1]
    return messages[-2]["comparison"]


def statuses(comparison: Message) -> list[str]:
    return [variant["status"] for variant in comparison["variants"]]


def kept_answers(comparison: Message, others: str) -> int:
    """How many have answered and were not timed, at least one; those after them are all `others`."""
    answered = [variant for variant in comparison["variants"] if variant["status"] == "ok"]
    assert answered and statuses(comparison) == ["ok"] * len(answered) + [others] * (len(comparison["variants"]) - len(answered))
    assert all(variant["answer"] is not None and variant["latency"] is None for variant in answered)
    return len(answered)


def in_stage(index: int, stage: str) -> Callable[[Message], bool]:
    return lambda message: (message.get("index"), message.get("stage")) == (index, stage) and message.get("fraction") is not None


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
    assert comparison["host"]["device"].startswith("cuda") and comparison["rounds"]["taken"] == 3
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


def test_a_visitor_in_the_queue_gets_the_gpu_later(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.answers = [Answer(events=("ping", "ping", "succeeded"))]
    jobs.tell("compare", schemes=["original"])
    assert statuses(comparison_in(jobs.rest())) == ["ok"]


def test_stop_works_while_a_visitor_waits(jobs: Jobs, scheduler: Scheduler) -> None:
    gate = Event()
    scheduler.answers = [Answer(events=("ping", "succeeded"), gate=gate)]
    jobs.tell("compare", schemes=["original"])
    scheduler.wait_for("/schedule", 1)
    jobs.tell("stop")
    end = jobs.rest()[-1]
    assert (end["end"], end["kind"]) == ("error", "cancelled") and scheduler.asked("/release") == []
    gate.set()  # the GPU comes all the same, and is given back at once
    assert scheduler.wait_for("/release", 1)[0]["fail"] == "false"


def test_what_is_left_of_a_quota_is_used_if_it_may_do(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.answers = [a_second_less]
    jobs.tell("compare", schemes=["original"], signed_in=True)
    assert statuses(comparison_in(jobs.rest())) == ["ok"]
    first, again = (int(asked["durationSeconds"]) for asked in scheduler.asked("/schedule"))
    assert again == first - 1


def test_a_quota_that_will_not_do_is_said(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.answers = [quota(left_s=3, wait_s=5000)]
    end = jobs.result_of("compare", schemes=THREE, signed_in=True)
    assert end["kind"] == "unavailable" and "3 s left" in end["message"] and "1:23:20" in end["remedy"]
    assert len(scheduler.asked("/schedule")) == 1


REFUSALS = {
    "nobody is signed in": (quota(0, 60), False, "Space has used up", "Sign in"),
    "too many runs": (quota(0, 0), True, "ZeroGPU runs", "later"),
    "too long": (quota(0, -1), True, "does not lend a GPU for", "QDASH_GPU_SECONDS"),
    "none is free": (Answer(503), True, "No GPU was free", "few minutes"),
    "none became free": (Answer(events=("ping", "failed")), True, "No GPU was free", "few minutes"),
    "none became free, unsigned": (Answer(events=("failed",)), False, "No GPU was free", "few minutes"),
    "an old page": (Answer(401), True, "no longer accepts", "Reload"),
    "a broken scheduler": (Answer(500), True, "does not answer as it should", "few minutes"),
    "a scheduler that hangs up": (Answer(events=("ping",)), True, "does not answer as it should", "few minutes"),
    "an answer in another form": (Answer(200, {"gpu": 1}), True, "does not answer as it should", "few minutes"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusals_are_sentences_with_a_remedy(jobs: Jobs, scheduler: Scheduler, refusal: str) -> None:
    answer, signed_in, message, remedy = REFUSALS[refusal]
    scheduler.answers = [answer]
    end = jobs.result_of("compare", schemes=["original"], signed_in=signed_in)
    assert (end["end"], end["kind"]) == ("error", "unavailable")
    assert message in end["message"] and remedy in end["remedy"]


def test_a_process_that_may_not_use_the_gpu_is_reported(jobs: Jobs, scheduler: Scheduler) -> None:
    scheduler.reuses, scheduler.broken = False, {"/allow"}
    end = jobs.result_of("compare", schemes=["original"])
    assert (end["kind"], "could not start (AssertionError)" in end["message"]) == ("worker_died", True)
