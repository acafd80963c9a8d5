"""Worker processes: what happens when they are killed, hang or cannot start, and what they may not see. Real workers on a tiny Qwen3."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest

from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.process import ProcessExecutor
from qdash.records import Emitted, Loaded, Step, WorkerSpec
from tests.execution.calls import Unreadable, answering, spec_for


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor()
    yield executor
    executor.close()


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


def test_a_worker_that_cannot_read_its_call_ends_and_is_replaced(executor: ProcessExecutor, spec: WorkerSpec) -> None:
    with pytest.raises(QdashError, match="ended unexpectedly") as error:
        result_of(executor.call(spec, "answer", Unreadable(), 2))
    assert error.value.kind == "worker_died"
    assert isinstance(result_of(executor.call(spec, "load")), Loaded)


def test_when_memory_runs_out_the_others_are_closed_and_the_call_is_repeated(executor: ProcessExecutor, endless_folder: Path) -> None:
    """The system ends a process with SIGKILL when memory runs out; so does this test."""
    warm, other = (spec_for(endless_folder, "original", revision) for revision in ("warm", "other"))
    result_of(executor.call(warm, "load"))
    call = executor.call(other, "load")
    while not executor.workers().get(other):
        next(call)
    os.kill(executor.workers()[other], signal.SIGKILL)
    steps: list[Emitted] = []
    assert isinstance(result_of(call, steps.append), Loaded)
    assert any("memory ran out" in step.detail for step in steps if isinstance(step, Step))
    assert list(executor.workers()) == [other]
    # Alone, there is nothing left to close.
    call = answering(executor, other)
    os.kill(executor.workers()[other], signal.SIGKILL)
    with pytest.raises(QdashError, match="killed"):
        result_of(call)


def test_held_bytes_are_what_live_workers_have_reserved(executor: ProcessExecutor, endless_folder: Path) -> None:
    executor.close()
    specs = [spec_for(endless_folder, "original", revision) for revision in "xy"]
    for spec, reserved in zip(specs, (1000, 500), strict=True):
        result_of(executor.call(spec, "load", reserve_bytes=reserved))
    assert executor.held_bytes("cpu") == 1500 and executor.held_bytes("cuda:0") == 0
    os.kill(executor.workers()[specs[0]], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while executor.held_bytes("cpu") == 1500 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert executor.held_bytes("cpu") == 500


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


LOADING = """
import os, sys
from qdash.errors import QdashError
from qdash.execution.process import ProcessExecutor
from qdash.records import WorkerSpec

if __name__ == "__main__":
    executor = ProcessExecutor()
    try:
        for _ in executor.call(WorkerSpec.model_validate_json(sys.argv[1]), "load"):
            pass
        print("loaded")
    except QdashError as error:
        print(error.kind, error)
    executor.close()
"""


def loading(site: str, spec: WorkerSpec, folder: Path) -> str:
    """What loading `spec` in a fresh parent comes to, where every Python process begins with `site`."""
    (folder / "sitecustomize.py").write_text(site)
    (folder / "parent.py").write_text(LOADING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.getcwd()])}
    command = [sys.executable, folder / "parent.py", spec.model_dump_json()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_worker_that_cannot_be_started_is_an_error_with_its_cause(spec: WorkerSpec, tmp_path: Path) -> None:
    site = "import os, sys\nif 'forkserver' in sys.orig_argv[-1]: os._exit(3)\n"
    said = loading(site, spec, tmp_path)
    assert said.startswith("worker_died The process of this variant could not be started (") and "doctor" in said


OLD_DRIVER = """
import torch
torch.cuda._raw_device_count_nvml = lambda: 1
def init(): raise RuntimeError("The NVIDIA driver on your system is too old (found version 12090).")
torch._C._cuda_init = init
"""


def test_a_driver_too_old_for_cuda_leaves_the_cpu_working(spec: WorkerSpec, tmp_path: Path) -> None:
    assert loading(OLD_DRIVER, spec.model_copy(update={"scheme": "bnb-nf4"}), tmp_path) == "loaded\n"
    refused = loading(OLD_DRIVER, spec.model_copy(update={"device": "cuda:0"}), tmp_path)
    assert refused.startswith("unavailable The device “cuda:0” cannot be used") and "too old" in refused
