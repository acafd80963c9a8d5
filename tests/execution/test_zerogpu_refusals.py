"""What a comparison does when ZeroGPU lets it wait, refuses it, or lends the GPU to a process that may not use it."""

from threading import Event

import pytest

from tests.support.zerogpu_jobs import THREE, Jobs, comparison_in, statuses
from tests.support.zerogpu_scheduler import Answer, Scheduler, a_second_less, quota


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
