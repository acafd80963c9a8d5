"""Workers that are killed at a random moment, as the system does when memory runs out: it costs the variant at most, and nothing stays.

Memory that runs out is tried again with all other workers closed, so a worker that is killed once may still answer. One that is killed
whenever it comes back cannot. SOAK=1 kills 200 times.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from qdash.errors import QdashError
from qdash.execution.failures import KILLED
from qdash.execution.process import ProcessExecutor
from qdash.records import Comparison, ComparisonDone, Measurement, Request, Variant
from qdash.runs.compare import compare
from qdash.runs.model_report import report_model
from qdash.settings import Settings

KILLS = 200 if os.environ.get("SOAK") else 5
SCHEMES = ("original", "bnb-nf4", "int3-g64")
INSPECTED_EVERY = 6
CHECKED_EVERY = 10


class Killer(Thread):
    """Kills a random worker of `executor` after `delay_s`, or as soon as there is one; `again`: and the same whenever it is back."""

    def __init__(self, executor: ProcessExecutor, draw: random.Random, delay_s: float, *, again: bool) -> None:
        super().__init__(daemon=True)
        self.executor, self.draw, self.delay_s, self.again = executor, draw, delay_s, again
        self.over, self.victim, self.killed = Event(), "", 0

    def run(self) -> None:
        self.over.wait(self.delay_s)
        while not self.over.is_set():
            workers = {spec.scheme or "": pid for spec, pid in self.executor.workers().items()}
            self.victim = self.victim or self.draw.choice([*workers, ""])
            if pid := workers.get(self.victim):
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1
                if not self.again:
                    return
            time.sleep(0.005)

    def end(self) -> None:
        self.over.set()
        self.join()


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessExecutor]:
    monkeypatch.setattr("qdash.runs.model_report.settings", lambda: Settings(cache_dir=tmp_path))
    monkeypatch.setattr("qdash.busyness.OthersLoad.share", lambda load: 0.0)  # no round is taken again
    executor = ProcessExecutor()
    yield executor
    executor.close()


@pytest.fixture
def request_(checkpoint: Callable[[str], Path]) -> Request:
    variants = tuple(Variant(model=str(checkpoint("qwen3")), scheme=scheme) for scheme in SCHEMES)
    return Request(variants=variants, prompt="What?", measurement=Measurement(runs=2, warmup=0, max_new_tokens=4, max_answer_tokens=4))


def _compared(request: Request, executor: ProcessExecutor) -> Comparison:
    *_, last = compare(request, None, executor)
    assert isinstance(last, ComparisonDone)
    return last.comparison


def _check_failed(failed: dict[str, QdashError], victim: str) -> None:
    """Whoever failed was killed, and is told so in words that a person can use."""
    assert set(failed) <= {victim}
    for error in failed.values():
        assert (error.kind, error.message) == ("worker_died", KILLED) and "Close other programs" in error.remedy


def _one_kill(request: Request, executor: ProcessExecutor, killer: Killer, inspected: int | None) -> int:
    """A comparison or an inspection with `killer` at work; how many variants failed."""
    killer.start()
    failed: dict[str, QdashError] = {}
    try:
        if inspected is None:
            done = _compared(request, executor)
            assert [result.scheme for result in done.variants] == list(SCHEMES)
            assert all((result.status == "ok") == (result.error is None) for result in done.variants)
            failed = {result.scheme: result.error.raised() for result in done.variants if result.error is not None}
        else:
            for _ in report_model(request, inspected, executor):
                pass
    except QdashError as error:
        assert inspected is not None
        failed[SCHEMES[inspected]] = error
    finally:
        killer.end()
    _check_failed(failed, killer.victim)
    return len(failed)


def test_a_killed_worker_costs_its_variant_at_most(executor: ProcessExecutor, request_: Request, tmp_path: Path) -> None:
    draw, before, whole_s = random.Random(11), _folders(), 0.0
    for _ in range(2):  # the first starts what workers are forked from
        began = time.monotonic()
        assert all(result.status == "ok" for result in _compared(request_, executor).variants)
        whole_s = time.monotonic() - began
    killed = failed = tries = 0
    while killed < KILLS and tries < 3 * KILLS:
        tries += 1
        killer = Killer(executor, draw, draw.uniform(0, whole_s), again=tries % 2 == 0)
        inspected = draw.randrange(len(SCHEMES)) if tries % INSPECTED_EVERY == 0 else None
        began = time.monotonic()
        failed += _one_kill(request_, executor, killer, inspected)
        whole_s = min(whole_s, time.monotonic() - began)  # beside other programs the first ones took longer
        killed += killer.killed > 0
        assert len(executor.workers()) <= len(SCHEMES)
        if tries % CHECKED_EVERY == 0:
            print(f"{killed} kills, {failed} variants failed, {tries} runs", flush=True)
            assert all(result.status == "ok" for result in _compared(request_, executor).variants), "the next run works"
    print(f"{killed} kills, {failed} variants failed, {tries} runs")
    assert killed == KILLS and failed > 0
    assert all(result.status == "ok" for result in _compared(request_, executor).variants)
    _check_nothing_left(executor, tmp_path, before)


def _folders() -> set[str]:
    """Temporary folders of this program, other tests' of this process among them."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("qdash-*")}


def _children(parents: set[int]) -> set[int]:
    """The processes that those of `parents` which still run have started."""
    found = set[int]()
    for parent in parents:
        with suppress(psutil.NoSuchProcess):
            found |= {child.pid for child in psutil.Process(parent).children()}
    return found


def _check_nothing_left(executor: ProcessExecutor, cache: Path, before: set[str]) -> None:
    here = set(executor.workers().values())
    parents = {psutil.Process(pid).ppid() for pid in here}
    assert here and _children(parents) == here
    executor.close()
    assert _children(parents) == set()
    own = f"qdash-workers-{os.getpid()}-"
    assert not list(cache.iterdir())
    left = {name for name in _folders() - before if not name.startswith(own)}
    assert not [name for name in left if f"-{os.getpid()}-" in name]
