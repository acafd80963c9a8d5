"""The client of a worker has the worker's methods, and is the only place that has their names as strings."""

import ast
import inspect
from collections.abc import Generator
from pathlib import Path
from threading import Event
from typing import Any, get_args

import pytest

from qdash.engine.worker import Worker
from qdash.execution import Executor, Rank, StopSignal
from qdash.execution.client import WorkerClient, timed_part
from qdash.records import BatchRequest, Emitted, Measurement, WorkerSpec
from tests.execution.calls import QUESTION, spec_for

ROOT = Path(__file__).parents[2]
SIGNALS = ("emit", "stop", "pause")
SPEC = spec_for(Path("/nowhere"), "original")


def methods(owner: type) -> dict[str, Any]:
    """The public methods that `owner` itself defines."""
    return {name: method for name, method in vars(owner).items() if inspect.isfunction(method) and not name.startswith("_")}


CALLS = {name: method for name, method in methods(Worker).items() if "emit" in inspect.signature(method).parameters}


class Recording(Executor):
    """Notes how it was called."""

    def __init__(self) -> None:
        self.called: list[Any] = []

    def call(
        self, spec: WorkerSpec, method: str, *arguments: Any, reserve_bytes: int = 0, stop: StopSignal | None = None,
        rank: Rank | None = None, gives_way: bool = False,
    ) -> Generator[Any, None, Any]:  # fmt: skip
        self.called.append((spec, method, arguments, reserve_bytes, stop, rank, gives_way))
        yield from ()

    def round(self, *_: Any, **__: Any) -> Generator[Any, None, Any]:
        raise AssertionError("a client makes single calls")

    def close(self) -> None: ...


def test_every_call_of_a_worker_is_a_method_of_the_client() -> None:
    assert methods(WorkerClient).keys() == CALLS.keys() == methods(Worker).keys() - {"release"}


@pytest.mark.parametrize("name", CALLS)
def test_parameters_and_results_agree(name: str) -> None:
    theirs, ours = inspect.signature(CALLS[name]), inspect.signature(methods(WorkerClient)[name])
    asked = [parameter for parameter in ours.parameters.values() if parameter.name not in ("reserve_bytes", "gives_way")]
    assert asked == [parameter for parameter in theirs.parameters.values() if parameter.name not in SIGNALS]
    emitted, _, result = get_args(ours.return_annotation)
    assert result == theirs.return_annotation and set(get_args(emitted) or (emitted,)) <= set(get_args(Emitted))


@pytest.mark.parametrize("name", CALLS)
def test_each_calls_the_method_of_its_name(name: str) -> None:
    executor, stop, rank = Recording(), Event(), Rank()
    arguments = tuple(object() for each in inspect.signature(CALLS[name]).parameters if each not in ("self", *SIGNALS))
    list(getattr(WorkerClient(executor, SPEC, stop, rank), name)(*arguments, reserve_bytes=7))
    assert executor.called == [(SPEC, name, arguments, 7, stop, rank, False)]


def test_what_can_pause_may_give_way() -> None:
    for name, method in methods(WorkerClient).items():
        assert ("gives_way" in inspect.signature(method).parameters) == ("pause" in inspect.signature(CALLS[name]).parameters)
    executor = Recording()
    list(WorkerClient(executor, SPEC).run_batches(BatchRequest(questions=(), plain=True, max_new_tokens=1, batch_size=1), gives_way=True))
    assert executor.called[0][-1] is True


def test_a_part_of_a_round_is_made_of_calls_that_a_worker_takes() -> None:
    part = timed_part(SPEC, QUESTION, Measurement(max_new_tokens=5), loading_bytes=2, held_bytes=1)
    for call in (part.load, part.ready, part.run):
        inspect.signature(CALLS[call.method]).bind(None, *call.arguments, emit=None, stop=None)
    assert [call.method for call in (part.load, part.ready, part.run)] == ["load", "warm_up", "time"]
    assert (part.run.arguments, part.loading_bytes, part.held_bytes) == ((QUESTION, 5), 2, 1)


def test_names_of_methods_are_strings_in_one_place() -> None:
    for path in (ROOT / "qdash" / "execution").rglob("*.py"):
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert path.name == "client.py" or not constants & CALLS.keys(), path


def test_nothing_else_calls_a_worker_by_name() -> None:
    folders = [ROOT / "benchmarks", *(ROOT / "qdash" / layer for layer in ("cli", "runs", "ui"))]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert "call" not in {called.attr for called in calls if isinstance(called, ast.Attribute)}, path
