"""A hub is asked once a minute, by however many; and a hub that hangs keeps nobody from stopping."""

import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from qdash import checkpoints
from qdash.checkpoints.remembered import FAILED_S, FOUND_S, MOST, Remembered
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import EvaluationProgress, EvaluationRequest, Progress, Request, Step
from qdash.runs.compare import compare
from qdash.runs.evaluate import evaluate
from qdash.runs.weight_error import measure_weight_error
from tests.checkpoints.folders import refusal
from tests.support.fake_hub import FakeHub


class Clock:
    """Time that goes on when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_found_is_kept_for_a_minute_and_faults_for_seconds() -> None:
    clock, asked = Clock(), []
    known: Remembered[int] = Remembered(clock)

    def ask() -> int:
        asked.append(1)
        return len(asked)

    def fail() -> int:
        asked.append(1)
        raise QdashError("No.", "Try later.", "download")

    assert [known.get("a", ask), known.get("a", ask), known.get("b", ask)] == [1, 1, 2]
    clock.now = FOUND_S + 1
    assert known.get("a", ask) == 3
    for _ in range(3):
        with pytest.raises(QdashError, match="No") as caught:
            known.get("c", fail)
        assert (caught.value.remedy, caught.value.kind) == ("Try later.", "download")
    assert len(asked) == 4
    clock.now += FAILED_S + 1
    assert known.get("c", ask) == 5


def test_what_is_no_fault_of_the_hub_is_not_kept() -> None:
    known: Remembered[int] = Remembered()
    with pytest.raises(ZeroDivisionError):
        known.get("a", lambda: 1 // 0)
    assert known.get("a", lambda: 7) == 7


def test_no_more_is_kept_than_is_useful() -> None:
    known: Remembered[int] = Remembered()
    for number in range(3 * MOST):
        known.get(number, lambda number=number: number)
    assert len(known._asked) <= MOST + 1
    assert known.get(3 * MOST - 1, lambda: -1) == 3 * MOST - 1 and known.get(0, lambda: -1) == -1


def test_whoever_asks_meanwhile_waits_for_the_same_answer() -> None:
    known: Remembered[int] = Remembered()
    asked, answers, go = [], [], Event()

    def ask() -> int:
        asked.append(1)
        assert go.wait(10)
        return 7

    threads = [threading.Thread(target=lambda: answers.append(known.get("a", ask))) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert (len(asked), answers) == (1, [])
    go.set()
    for thread in threads:
        thread.join(10)
    assert (len(asked), answers) == (1, [7] * 8)


def test_a_form_that_changes_asks_the_hub_once(use_hub: Callable[..., FakeHub], folder: Path) -> None:
    hub = use_hub({"acme/tiny": folder})
    first = checkpoints.locate("acme/tiny")
    hub.requests.clear()
    assert checkpoints.locate("acme/tiny") == first and refusal("acme/none").message == refusal("acme/none").message
    assert len(hub.requests) == 1, "the one about the model that does not exist"


def test_a_folder_is_looked_at_anew(folder: Path) -> None:
    before = checkpoints.locate(str(folder))
    (folder / "generation_config.json").write_text("{}")
    assert checkpoints.locate(str(folder)).revision != before.revision


def _compared(stop: Event) -> Generator[Any, None, None]:
    variants = [{"model": "acme/tiny", "scheme": "original"}]
    yield from compare(Request.model_validate({"variants": variants, "prompt": "Hello"}), None, NOBODY, stop)


def _evaluated(stop: Event) -> Generator[Any, None, None]:
    variants = [{"model": "acme/tiny", "scheme": "original"}]
    yield from evaluate(EvaluationRequest.model_validate({"variants": variants, "task": "cloze"}), NOBODY, stop)


def _measured(stop: Event) -> Generator[Any, None, Any]:
    return (yield from measure_weight_error("acme/tiny", ["int2-g64"], NOBODY, stop))


NOBODY: Any = None
"""No worker is asked before the model is found."""


@pytest.mark.parametrize("run", [_compared, _evaluated, _measured])
def test_a_hub_that_hangs_is_waited_for_visibly_and_stop_ends_the_wait(
    use_hub: Callable[..., FakeHub], folder: Path, run: Callable[[Event], Generator[Any, None, Any]]
) -> None:
    hub, stop = use_hub({"acme/tiny": folder}), Event()
    hub.held.clear()
    this_machine()  # asks PyTorch for GPUs when it is first called
    events = run(stop)
    began = time.monotonic()
    first = next(events)
    assert isinstance(first, Step) or (isinstance(first, Progress | EvaluationProgress) and first.stage == "locating")
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(QdashError) as caught:
        list(events)
    hub.held.set()
    assert caught.value.kind == "cancelled" and 0.3 <= time.monotonic() - began < 5
