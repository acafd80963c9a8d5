"""Calls of real workers on a tiny model, for every test of an executor."""

from collections.abc import Generator
from pathlib import Path
from threading import Event
from typing import Any

from qdash.execution import Executor
from qdash.execution.forward import result_of
from qdash.records import Answer, Question, TextSoFar, WorkerSpec

LONG = 100_000  # tokens nobody waits for: such an answer is always stopped
QUESTION = Question(prompt="What is in this picture?")


class Panic(BaseException):
    """As libraries in Rust raise."""


class Panicking:
    """A question that no worker survives reading, unless its executor catches everything."""

    png = None

    @property
    def prompt(self) -> str:
        raise Panic("a slice index")


class Unreadable:
    """What can be sent and not be read."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("no number",)


def spec_for(folder: Path, scheme: str, revision: str = "test") -> WorkerSpec:
    return WorkerSpec(
        folder=str(folder), revision=revision, task="text-generation", scheme=scheme, device="cpu", dtype="float32", threads=1
    )


def answering(executor: Executor, spec: WorkerSpec, stop: Event | None = None) -> Generator[Any, None, Answer]:
    """An endless answer, advanced to its first text."""
    result_of(executor.call(spec, "load"))
    call = executor.call(spec, "answer", QUESTION, LONG, stop=stop)
    while not isinstance(next(call), TextSoFar):
        pass
    return call
