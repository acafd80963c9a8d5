"""A model that never ends its answer, and the process that runs jobs on ZeroGPU."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qdash.records import WorkerSpec
from tests.execution.calls import LONG, spec_for
from tests.support.zerogpu_jobs import Jobs
from tests.support.zerogpu_scheduler import Scheduler


@pytest.fixture(scope="session")
def endless_folder(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with room for `LONG` tokens that never ends by itself."""
    folder = tmp_path_factory.mktemp("endless")
    for file in checkpoint("qwen3").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("config.json", "generation_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("1024", str(10 * LONG)).replace('"eos_token_id": 2', '"eos_token_id": 319'))
    return folder


@pytest.fixture
def spec(endless_folder: Path) -> WorkerSpec:
    return spec_for(endless_folder, "original")


@pytest.fixture(scope="package")
def lender() -> Iterator[Scheduler]:
    with Scheduler().serving() as scheduler:
        yield scheduler


@pytest.fixture(scope="package")
def job_process(lender: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
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
def jobs(job_process: Jobs) -> Jobs:
    return job_process
