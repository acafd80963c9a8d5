"""What a person reads when a lent GPU is taken back; refusals in the scheduler's own words are in test_zerogpu.py."""

import pytest

from qdash.execution.zerogpu.refusals import JobFailed, explained, quota_of


class Toast(Exception):
    """As `gradio.Error`: a title and a message."""

    def __init__(self, title: str, message: str) -> None:
        super().__init__(message)
        self.title, self.message = title, message


ABORTED = Toast("ZeroGPU worker error", "GPU task aborted")


def test_time_that_was_too_short_is_told_from_a_crash() -> None:
    over = explained(JobFailed(ABORTED, ran_s=58.5), asked_s=60, most_s=120)
    assert over.kind == "worker_died" and "lent for 60 s" in over.message and "more time will be asked for" in over.remedy
    longest = explained(JobFailed(ABORTED, ran_s=119), asked_s=120, most_s=120)
    assert "lent for 120 s" in longest.message and longest.remedy == "Choose fewer variants, fewer runs or a smaller model."
    crash = explained(JobFailed(ABORTED, ran_s=4), asked_s=60, most_s=120)
    assert crash.kind == "worker_died" and "ended unexpectedly" in crash.message


def test_a_visitor_who_left_has_cancelled() -> None:
    assert explained(JobFailed(RuntimeError("Connection closed by visitor while queueing")), 60, 120).kind == "cancelled"


@pytest.mark.parametrize(("requested", "left", "asked", "seconds"), [(60, 45, 60, 45), (90, 45, 60, 30), (60, -5, 60, 0)])
def test_a_quota_is_counted_in_the_seconds_that_were_asked_for(requested: int, left: int, asked: int, seconds: int) -> None:
    """On some GPUs the scheduler counts a second one and a half times."""
    message = f"You have exceeded your free ZeroGPU quota ({requested}s requested vs. {left}s left). Try again in 3:20:05. "
    quota = quota_of(JobFailed(Toast("ZeroGPU quota exceeded", message)), asked)
    assert quota is not None and (quota.left_s, quota.wait) == (seconds, "3:20:05")


def test_other_refusals_are_about_no_quota() -> None:
    assert quota_of(JobFailed(Toast("ZeroGPU client error", "No GPU was available")), 60) is None
