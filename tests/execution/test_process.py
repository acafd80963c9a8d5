"""Worker processes: warm reuse, cancel, kill, eviction, and what they may not see. Real workers on a tiny Qwen3."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest

from qdash.errors import QdashError
from qdash.execution.process import ProcessExecutor
from qdash.machine import this_machine
from qdash.records import Answer, Loaded, Question, TextSoFar, WorkerSpec
from qdash.settings import settings

LONG = 100_000  # tokens nobody waits for: such an answer is always stopped
QUESTION = Question(prompt="What is in this picture?")


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor()
    yield executor
    executor.close()


@pytest.fixture
def spec(endless_folder: Path) -> WorkerSpec:
    return spec_for(endless_folder, "original")


@pytest.fixture(scope="module")
def endless_folder(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with room for `LONG` tokens that never ends by itself."""
    folder = tmp_path_factory.mktemp("endless")
    for file in checkpoint("qwen3").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("config.json", "generation_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("1024", str(10 * LONG)).replace('"eos_token_id": 2', '"eos_token_id": 319'))
    return folder


def spec_for(folder: Path, scheme: str, revision: str = "test") -> WorkerSpec:
    return WorkerSpec(
        folder=str(folder), revision=revision, task="text-generation", scheme=scheme, device="cpu", dtype="float32", threads=1
    )


def result_of(call: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(call)
        except StopIteration as end:
            return end.value


def answering(executor: ProcessExecutor, spec: WorkerSpec, stop: Event | None = None) -> Generator[Any, None, Answer]:
    """An endless answer, advanced to its first text."""
    result_of(executor.call(spec, "load"))
    call = executor.call(spec, "answer", QUESTION, LONG, stop=stop)
    while not isinstance(next(call), TextSoFar):
        pass
    return call


def test_a_worker_stays_warm(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    first: Loaded = result_of(executor.call(spec, "load"))
    process = executor.workers()[spec]
    assert result_of(executor.call(spec, "load")) == first
    assert executor.workers()[spec] == process


def test_cancel_stops_between_tokens_and_keeps_the_worker(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    stop = Event()
    call = answering(executor, spec, stop)
    process = executor.workers()[spec]
    stop.set()
    with pytest.raises(QdashError) as error:
        result_of(call)
    assert error.value.kind == "cancelled"
    answer: Answer = result_of(executor.call(spec, "answer", QUESTION, 3))
    assert answer.new_tokens == 3
    assert executor.workers()[spec] == process


def test_a_worker_killed_in_the_middle_of_an_answer_is_reported_and_replaced(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    call = answering(executor, spec)
    killed = executor.workers()[spec]
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(QdashError, match="killed") as error:
        result_of(call)
    assert error.value.kind == "worker_died"
    result_of(executor.call(spec, "load"))
    assert executor.workers()[spec] != killed


def test_a_hung_worker_is_ended_when_stopped(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    stop = Event()
    call = answering(executor, spec, stop)
    process = psutil.Process(executor.workers()[spec])
    process.suspend()
    stop.set()
    with pytest.raises(QdashError) as error:
        result_of(call)
    assert error.value.kind == "cancelled"
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert spec not in executor.workers()


def test_closing_the_generator_cancels_the_call(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    call = answering(executor, spec)
    call.close()
    answer: Answer = result_of(_loaded_answer(executor, spec))
    assert answer.new_tokens == 2


def _loaded_answer(executor: ProcessExecutor, spec: WorkerSpec) -> Generator[Any, None, Answer]:
    yield from executor.call(spec, "load")
    answer: Answer = yield from executor.call(spec, "answer", QUESTION, 2)
    return answer


def test_the_least_recently_used_worker_makes_room(
    executor: ProcessExecutor, endless_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDASH_MEMORY_FRACTION", "0.5")
    settings.cache_clear()
    try:
        half = this_machine().memory_bytes // 4
        specs = [spec_for(endless_folder, "original", revision) for revision in "abc"]
        for spec in (specs[0], specs[1], specs[0], specs[2]):
            result_of(executor.call(spec, "load", reserve_bytes=half - 1))
        assert [spec in executor.workers() for spec in specs] == [True, False, True]
        # What is loaded already does not grow: neither worker has to go, though loading would take more.
        result_of(executor.call(specs[0], "load", reserve_bytes=2 * half - 1))
        result_of(executor.call(specs[0], "load", reserve_bytes=half - 1))
        assert [spec in executor.workers() for spec in specs] == [True, False, True]
        with pytest.raises(QdashError) as error:
            result_of(executor.call(specs[1], "load", reserve_bytes=3 * half))
        assert error.value.kind == "out_of_memory"
    finally:
        settings.cache_clear()


def test_a_bug_is_reported_as_one_and_the_worker_goes_on(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    result_of(executor.call(spec, "load"))
    with pytest.raises(QdashError, match="TypeError") as error:
        result_of(executor.call(spec, "answer"))
    assert error.value.kind == "internal"
    assert spec in executor.workers()


ORPHANS = """
import os, sys
from qdash.execution.process import ProcessExecutor
from qdash.records import WorkerSpec

if __name__ == "__main__":
    executor = ProcessExecutor()
    spec = WorkerSpec.model_validate_json(sys.argv[1])
    for _ in executor.call(spec, "load"):
        pass
    print(*executor.workers().values(), "torch" in sys.modules, flush=True)
    os._exit(1)
"""


def test_workers_end_with_their_parent_which_never_loads_torch(spec: WorkerSpec, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS)
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "HF_TOKEN": "hf_secret"}
    parent = subprocess.run([sys.executable, script, spec.model_dump_json()], env=environment, capture_output=True, text=True, check=False)
    process, torch_loaded = parent.stdout.split()
    assert torch_loaded == "False"
    deadline = time.monotonic() + 60
    while psutil.pid_exists(int(process)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(process))
