"""What every executor keeps to: warm reuse, cancel, eviction, one kind of error. Real workers on a tiny Qwen3."""

import importlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

import pytest

from qdash import execution
from qdash.errors import QdashError
from qdash.execution import Executor, Part, PartMoved, Rank, Round
from qdash.execution.client import timed_part
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.execution.pool import PooledExecutor
from qdash.execution.process import ProcessExecutor
from qdash.execution.wire import Call
from qdash.execution.work import Work
from qdash.machine import this_machine
from qdash.records import Answer, Loaded, Measurement, TimedRun, WorkerSpec
from qdash.settings import Settings, settings
from tests.execution.calls import QUESTION, Panic, Panicking, answering, spec_for

Either = ProcessExecutor | InlineExecutor


@pytest.fixture(scope="module", params=[ProcessExecutor, InlineExecutor])
def executor(request: pytest.FixtureRequest) -> Iterator[Either]:
    executor = request.param()
    yield executor
    executor.close()


def test_submodules_do_not_hide_what_the_choice_needs() -> None:
    importlib.import_module("qdash.execution.zerogpu.durations")
    assert execution.on_zerogpu() is False


@pytest.mark.parametrize(("forced", "expected"), [("auto", ProcessExecutor), ("process", ProcessExecutor), ("inline", InlineExecutor)])
def test_settings_choose_the_executor(forced: Any, expected: type) -> None:
    executor = execution.create(Settings(execution=forced))
    assert type(executor) is expected
    executor.close()


def test_an_executor_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(QdashError, match=r"QDASH_EXECUTION is “cloud”. It should be one of auto, process, inline."):
        execution.create(Settings(execution="cloud"))


def test_a_worker_stays_warm(executor: Either, spec: WorkerSpec) -> None:
    first: Loaded = result_of(executor.call(spec, "load"))
    assert result_of(executor.call(spec, "load")) == first  # the seconds it took, too
    assert spec in executor.workers()


def test_cancel_stops_between_tokens_and_keeps_the_worker(executor: Either, spec: WorkerSpec) -> None:
    loaded, stop = result_of(executor.call(spec, "load")), Event()
    call = answering(executor, spec, stop)
    stop.set()
    with pytest.raises(QdashError) as error:
        result_of(call)
    assert error.value.kind == "cancelled"
    answer: Answer = result_of(executor.call(spec, "answer", QUESTION, 3))
    assert answer.new_tokens == 3
    assert result_of(executor.call(spec, "load")) == loaded


def test_what_is_stopped_already_does_not_begin(executor: Either, endless_folder: Path) -> None:
    spec, stop = spec_for(endless_folder, "original", "never"), Event()
    stop.set()
    with pytest.raises(QdashError) as error:
        result_of(executor.call(spec, "load", stop=stop))
    assert error.value.kind == "cancelled" and spec not in executor.workers()


def test_closing_the_generator_cancels_the_call(executor: Either, spec: WorkerSpec) -> None:
    call = answering(executor, spec)
    call.close()
    result_of(executor.call(spec, "load"))
    answer: Answer = result_of(executor.call(spec, "answer", QUESTION, 2))
    assert answer.new_tokens == 2


def test_a_job_gets_the_executor_and_the_signal(executor: Either, spec: WorkerSpec) -> None:
    stop = Event()

    def job(here: Executor, signal: Any) -> Generator[Any, None, Loaded]:
        assert here is executor and signal is stop
        loaded: Loaded = yield from here.call(spec, "load", stop=signal)
        yield "between two calls"
        return loaded

    seen: list[Any] = []
    assert isinstance(result_of(executor.run(job, Work("cpu"), stop), seen.append), Loaded) and seen[-1] == "between two calls"


def test_the_least_recently_used_worker_makes_room(executor: Either, endless_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert executor.held_bytes("cpu") == 2 * (half - 1)
        with pytest.raises(QdashError) as error:
            result_of(executor.call(specs[1], "load", reserve_bytes=3 * half))
        assert error.value.kind == "out_of_memory"
    finally:
        settings.cache_clear()


def test_a_bug_is_reported_as_one_and_the_worker_goes_on(executor: Either, spec: WorkerSpec) -> None:
    result_of(executor.call(spec, "load"))
    with pytest.raises(QdashError, match="TypeError") as error:
        result_of(executor.call(spec, "answer"))
    assert error.value.kind == "internal"
    assert spec in executor.workers()


def test_a_library_that_panics_is_a_bug_and_the_worker_goes_on(executor: Either, spec: WorkerSpec) -> None:
    with pytest.raises(QdashError, match="Panic: a slice index") as error:
        result_of(executor.call(spec, "answer", Panicking(), 2))
    assert error.value.kind == "internal" and spec in executor.workers()


def test_what_no_pipe_can_carry_is_a_bug_too(executor: Either, spec: WorkerSpec) -> None:
    result_of(executor.call(spec, "load"))
    with pytest.raises(QdashError) as error:
        result_of(executor.call(spec, "answer", lambda: None, 2))
    assert error.value.kind == "internal"
    answer: Answer = result_of(executor.call(spec, "answer", QUESTION, 2))
    assert answer.new_tokens == 2


def test_a_job_with_a_bug_raises_a_qdash_error(executor: Either) -> None:
    def job(here: Executor, stop: Any) -> Generator[str, None, None]:
        yield "begun"
        raise KeyError("a bug")

    steps = executor.run(job, Work("cpu"))
    assert next(steps) == "begun"
    with pytest.raises(QdashError, match="KeyError") as error:
        next(steps)
    assert error.value.kind == "internal"


class Unstartable(PooledExecutor):
    """Fails where nobody expects it: outside the worker."""

    def _reserved(self) -> dict[WorkerSpec, int]:
        return {}

    def _attempt(self, spec: WorkerSpec, call: Call, reserve_bytes: int, stop: Any, pause: Any) -> Generator[Any, None, Any]:
        raise RuntimeError("can't start new thread")
        yield

    def close(self) -> None: ...


def test_no_raw_exception_gets_through_and_the_turn_goes_on(pair: tuple[WorkerSpec, WorkerSpec]) -> None:
    executor = Unstartable()
    for _ in range(2):
        with pytest.raises(QdashError, match="RuntimeError: can't start new thread") as error:
            result_of(executor.call(pair[0], "answer", QUESTION, 2))
        assert error.value.kind == "internal"
        outcome = result_of(executor.round([part(spec) for spec in pair]))
        assert [isinstance(result, QdashError) and result.kind for result in outcome.results] == ["internal", "internal"]


def test_a_round_of_nothing_is_a_bug(executor: Either) -> None:
    with pytest.raises(QdashError) as error:
        result_of(executor.round([]))
    assert error.value.kind == "internal"


def test_inline_a_library_that_panics_while_loading_is_a_bug_too(spec: WorkerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: Any, *, emit: Any, stop: Any) -> None:
        raise Panic("a slice index")

    executor = InlineExecutor()
    monkeypatch.setattr("qdash.engine.worker.Worker.load", load)
    with pytest.raises(QdashError, match="Panic: a slice index") as error:
        result_of(executor.call(spec, "load"))
    assert error.value.kind == "internal"


def test_inline_memory_that_runs_out_closes_the_others_and_repeats_the_call(endless_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = InlineExecutor()
    warm, other = (spec_for(endless_folder, "original", revision) for revision in ("warm", "other"))
    result_of(executor.call(warm, "load", reserve_bytes=1))
    calls: list[tuple[WorkerSpec, ...]] = []

    def load(self: Any, *, emit: Any, stop: Any) -> None:
        calls.append(executor.workers())
        raise QdashError("The GPU's memory ran out.", "Choose fewer bits.", "out_of_memory")

    monkeypatch.setattr("qdash.engine.worker.Worker.load", load)
    with pytest.raises(QdashError) as error:
        result_of(executor.call(other, "load", reserve_bytes=1))
    assert error.value.kind == "out_of_memory" and calls == [(warm, other), (other,)]


# ── rounds ───────────────────────────────────────────────────────────────────────────────────────────────────────

SHORT = Measurement(max_new_tokens=3)


def part(spec: WorkerSpec) -> Part:
    return timed_part(spec, QUESTION, SHORT, loading_bytes=2, held_bytes=1)


@pytest.fixture
def pair(endless_folder: Path) -> tuple[WorkerSpec, WorkerSpec]:
    return spec_for(endless_folder, "original", "one"), spec_for(endless_folder, "original", "two")


def test_a_round_makes_everybody_ready_and_times_each_once(executor: Either, pair: tuple[WorkerSpec, WorkerSpec]) -> None:
    moved: list[Any] = []
    outcome: Round = result_of(executor.round([part(spec) for spec in pair]), moved.append)
    assert moved == [PartMoved(0, 0), PartMoved(0, 1), PartMoved(1, 0), PartMoved(1, 1)]
    assert all(isinstance(run, TimedRun) and run.tokens == 3 and 0 < run.ttft_s < run.total_s for run in outcome.results)
    assert outcome.busy is None or 0 <= outcome.busy <= 1
    assert executor.held_bytes("cpu") >= 2 and set(pair) <= set(executor.workers())


def test_a_part_that_fails_costs_itself_only(executor: Either, pair: tuple[WorkerSpec, WorkerSpec]) -> None:
    broken = replace(part(pair[0]), ready=Call("warm_up", ()))
    outcome: Round = result_of(executor.round([broken, part(pair[1])]))
    failed, run = outcome.results
    assert isinstance(failed, QdashError) and failed.kind == "internal" and isinstance(run, TimedRun)


def test_those_that_are_not_held_together_are_made_ready_one_by_one(
    executor: Either, pair: tuple[WorkerSpec, WorkerSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.close()
    monkeypatch.setattr("qdash.execution.pool.memory_budget_bytes", lambda device, held_bytes: 2)
    parts = [replace(part(spec), held_bytes=2) for spec in (*pair, pair[0])]
    outcome: Round = result_of(executor.round(parts, together=False))
    assert all(isinstance(run, TimedRun) for run in outcome.results) and tuple(executor.workers()) == pair[:1]


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_round_can_be_ended_and_leaves_the_turn_to_others(executor: Either, pair: tuple[WorkerSpec, WorkerSpec], how: str) -> None:
    stop = Event()
    steps = executor.round([part(spec) for spec in pair], stop)
    while next(steps) != PartMoved(0, 1):
        pass
    if how == "close":
        steps.close()
    else:
        stop.set()
        with pytest.raises(QdashError) as error:
            result_of(steps)
        assert error.value.kind == "cancelled"
    answer: Answer = result_of(executor.call(pair[1], "answer", QUESTION, 2))
    assert answer.new_tokens == 2


def test_nobody_gets_into_a_round_and_answers_go_before_the_next(executor: Either, pair: tuple[WorkerSpec, WorkerSpec]) -> None:
    order: list[str] = []

    def timing(name: str, rank: Rank) -> None:
        result_of(executor.round([part(spec) for spec in pair], rank=rank))
        order.append(name)

    def answer(name: str, rank: Rank) -> None:
        result_of(executor.call(pair[0], "answer", QUESTION, 2, rank=rank))
        order.append(name)

    steps = executor.round([part(spec) for spec in pair])
    while next(steps) != PartMoved(0, 1):
        pass
    jobs = [(timing, "b times", Rank(True, 2)), (timing, "a times", Rank(True, 1)), (answer, "d asks", Rank(False, 4))]
    threads = [Thread(target=job, args=(name, rank)) for job, name, rank in jobs]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(executor._turn._waiting) < number:
            sleep(0.01)
    result_of(steps)
    order.append("first round")
    for thread in threads:
        thread.join(60)
    assert order == ["first round", "d asks", "a times", "b times"]


def test_calls_and_rounds_from_many_threads_all_come_to_their_end(executor: Either, pair: tuple[WorkerSpec, WorkerSpec]) -> None:
    """Some generators are held open, some closed, some stopped: nobody else notices."""
    done: list[str] = []

    def one(number: int) -> None:
        stop = Event()
        if number % 4 == 0:
            steps = executor.round([part(spec) for spec in pair], stop, Rank(True))
            next(steps)
            if number % 8:
                steps.close()
            else:
                result_of(steps)
        elif number % 4 == 1:
            call = answering(executor, pair[number // 4 % 2], stop)
            stop.set()
            with suppress(QdashError):
                result_of(call)
        elif number % 4 == 2:
            answering(executor, pair[0]).close()
        else:
            assert result_of(executor.call(pair[1], "answer", QUESTION, 2)).new_tokens == 2
        done.append(str(number))

    threads = [Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(done) == 12
    assert isinstance(result_of(executor.round([part(spec) for spec in pair])).results[1], TimedRun)
