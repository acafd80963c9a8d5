"""An answer that is asked for during an evaluation comes before the evaluation is over, which comes to the same."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.execution.process import ProcessExecutor
from qdash.machine import this_machine
from qdash.records import (
    Evaluation,
    EvaluationDone,
    EvaluationProgress,
    EvaluationRequest,
    ItemsAnswered,
    TaskItem,
    Variant,
    WorkerSpec,
)
from qdash.runs.evaluate import evaluate
from qdash.settings import settings
from qdash.tasks import Item
from tests.execution.calls import QUESTION, spec_for

Either = ProcessExecutor | InlineExecutor
ITEMS = tuple(Item(TaskItem(prompt=f"What is in picture {number}?", answer="a cat")) for number in range(12))


@pytest.fixture(params=[ProcessExecutor, InlineExecutor])
def executor(request: pytest.FixtureRequest) -> Iterator[Either]:
    executor = request.param()
    yield executor
    executor.close()


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Half the bytes that workers may have."""
    monkeypatch.setenv("QDASH_MEMORY_FRACTION", "0.5")
    settings.cache_clear()
    yield this_machine().memory_bytes // 4
    settings.cache_clear()


def request_for(folder: Path) -> EvaluationRequest:
    variants = (Variant(model=str(folder), scheme="original"),)
    return EvaluationRequest(variants=variants, task="own", batch_size=1, max_new_tokens=24, baseline_dtype="float32")


@pytest.fixture(scope="module")
def undisturbed(endless_folder: Path) -> Iterator[Evaluation]:
    executor = InlineExecutor()
    *_, done = evaluate(request_for(endless_folder), executor, items=ITEMS)
    executor.close()
    assert isinstance(done, EvaluationDone)
    yield done.evaluation


def somebody_asks(executor: Either, spec: WorkerSpec, reserve_bytes: int, order: list[str]) -> Thread:
    """Who waits for the device by the time this returns."""

    def ask() -> None:
        assert result_of(executor.call(spec, "answer", QUESTION, 3, reserve_bytes=reserve_bytes)).new_tokens == 3
        order.append("answer")

    thread = Thread(target=ask)
    thread.start()
    while thread.is_alive() and not executor._turn._waiting:
        sleep(0.001)
    return thread


@pytest.mark.parametrize("all_the_memory", [False, True])
def test_answers_come_between_two_batches_of_an_evaluation(
    executor: Either, endless_folder: Path, half: int, undisturbed: Evaluation, all_the_memory: bool
) -> None:
    asker, found, order, waits = None, None, [], []
    for event in evaluate(request_for(endless_folder), executor, items=ITEMS):
        if isinstance(event, ItemsAnswered):
            order.append("batch")
            if asker is None:
                spec = spec_for(endless_folder, "original", "another")
                asker = somebody_asks(executor, spec, 2 * half - 1 if all_the_memory else 0, order)
        elif isinstance(event, EvaluationProgress) and event.detail.startswith("waiting"):
            waits.append(event.done)
        elif isinstance(event, EvaluationDone):
            found = event.evaluation
    assert asker is not None and found is not None
    asker.join(60)
    assert 0 < order.index("answer") < len(ITEMS) == order.count("batch"), "the answer came before the evaluation was over"
    assert waits[0] == order.index("answer"), "it was said that the device does something else"
    (result,), (expected,) = found.variants, undisturbed.variants
    assert (result.status, result.items, result.accuracy) == ("ok", expected.items, expected.accuracy)
    assert result.new_tokens == expected.new_tokens
    assert found.noise_floor is not None and found.noise_floor.changed == 0
