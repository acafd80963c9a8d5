"""A process under ZeroGPU that runs jobs for a test: commands come as JSON lines, events go back as JSON lines marked with “@”.
With the argument “page” it serves the page instead.

`spaces` patches torch and gradio for good, so this needs a process of its own. There is no GPU: nothing is set up on one in a fork, and its
workers compute on the CPU although their specs say CUDA. All else is what runs on a Space.
"""

import contextvars
import importlib
import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

MARK = "@"


def without_a_gpu() -> None:
    """Stand in for what needs one; to be called first."""
    importlib.import_module("qdash.zerogpu").activate()
    lent = importlib.import_module("spaces.zero.wrappers").torch
    lent.init = lambda uuid: None
    lent.move = lambda callback=None: None
    workers: Any = importlib.import_module("qdash.engine.worker")

    class OnCpu(workers.Worker):
        def __init__(self, spec: Any) -> None:
            super().__init__(spec.model_copy(update={"device": "cpu"}))

    workers.Worker = OnCpu


def main() -> None:
    """Run commands until standard input ends, or serve the page."""
    without_a_gpu()
    if sys.argv[1:] == ["page"]:
        importlib.import_module("qdash.ui.serve").main()
        return
    execution, settings = importlib.import_module("qdash.execution"), importlib.import_module("qdash.settings")
    executor = execution.create(settings.settings())
    commands: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    stop, close = Event(), Event()

    def listen() -> None:
        # Not sys.stdin: a fork closes that one, and would wait for its lock, which a reader holds.
        lines = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - as long as the process
        for line in lines:
            command = json.loads(line)
            if command["do"] in ("stop", "close"):
                (stop if command["do"] == "stop" else close).set()
            else:
                commands.put(command)
        commands.put(None)

    Thread(target=listen, daemon=True).start()
    _tell({"ready": type(executor).__name__, "decorated": len(importlib.import_module("spaces.zero.decorator").decorated_cache)})
    while (command := commands.get()) is not None:
        stop.clear()
        close.clear()
        context = contextvars.copy_context()
        if command.pop("signed_in", False):
            context.run(_sign_in)
        context.run(_do, _JOBS[command.pop("do")](executor, stop, **command), close)
    executor.close()
    os._exit(0)  # without taking torch apart, which takes seconds


def _do(steps: Generator[Any, None, Any], close: Event) -> None:
    errors = importlib.import_module("qdash.errors")
    try:
        while True:
            try:
                item = next(steps)
            except StopIteration as end:
                _tell({"end": "done", "result": end.value.model_dump(mode="json") if end.value is not None else None})
                return
            _tell(item.model_dump(mode="json"))
            if close.is_set():
                steps.close()
                _tell({"end": "closed"})
                return
    except errors.QdashError as error:
        _tell({"end": "error", "kind": error.kind, "message": error.message, "remedy": error.remedy})
    except BaseException as error:
        _tell({"end": "bug", "message": repr(error)})


def _tell(message: dict[str, Any]) -> None:
    print(MARK + json.dumps(message), flush=True)


def _sign_in() -> None:
    """As an event of the page in which Hugging Face's proxy has put a visitor's token."""
    local = importlib.import_module("gradio.context").LocalContext
    headers = importlib.import_module("starlette.datastructures").Headers({"x-ip-token": "e30.e30.e30"})
    local.request.set(SimpleNamespace(headers=headers))


def _compare(
    executor: Any, stop: Event, schemes: list[str], device: str = "auto", model: str = "tiny-lm", answer: int = 4, **timing: int
) -> Generator[Any, None, None]:
    records, planning = importlib.import_module("qdash.records"), importlib.import_module("qdash.runs.plan")
    measurement = records.Measurement(**{"runs": 1, "warmup": 0, "max_new_tokens": 4, "max_answer_tokens": answer} | timing)
    request = records.Request(
        variants=planning.variants_of(model, schemes), prompt="Once upon a time", measurement=measurement, device=device,
        baseline_dtype="float32",
    )  # fmt: skip
    yield from importlib.import_module("qdash.runs.compare").compare(request, None, executor, stop)


def _evaluate(executor: Any, stop: Event, schemes: list[str], limit: int, batch_size: int) -> Generator[Any, None, None]:
    records, planning = importlib.import_module("qdash.records"), importlib.import_module("qdash.runs.plan")
    request = records.EvaluationRequest(
        variants=planning.variants_of("tiny-lm", schemes), task="cloze", limit=limit, batch_size=batch_size, baseline_dtype="float32"
    )
    yield from importlib.import_module("qdash.runs.evaluate").evaluate(request, executor, stop)


def _measure_weight_error(executor: Any, stop: Event, schemes: list[str]) -> Generator[Any, None, Any]:
    return importlib.import_module("qdash.runs.weight_error").measure_weight_error("tiny-lm", schemes, executor, stop)


def _measure_layer(executor: Any, stop: Event, scheme: str, layer: str) -> Generator[Any, None, Any]:
    return importlib.import_module("qdash.runs.weight_error").measure_layer("tiny-lm", scheme, layer, executor, stop)


def _inspect(executor: Any, stop: Event, scheme: str) -> Generator[Any, None, Any]:
    records, planning = importlib.import_module("qdash.records"), importlib.import_module("qdash.runs.plan")
    request = records.Request(variants=planning.variants_of("tiny-lm", [scheme]), prompt="", baseline_dtype="float32")
    return importlib.import_module("qdash.runs.model_report").report_model(request, len(request.variants) - 1, executor, stop)


def _bug(executor: Any, stop: Event) -> Generator[Any, None, Any]:
    work = importlib.import_module("qdash.execution.work").Work("cuda:0")
    return executor.run(_broken, work, stop)


def _broken(executor: Any, stop: Any) -> Generator[Any, None, None]:
    yield importlib.import_module("qdash.records").Step()
    raise ValueError("a bug")


_JOBS: dict[str, Callable[..., Generator[Any, None, Any]]] = {
    "compare": _compare, "evaluate": _evaluate, "measure_weight_error": _measure_weight_error, "measure_layer": _measure_layer,
    "inspect": _inspect, "bug": _bug,
}  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    # Under its own name, so that jobs defined here can be pickled.
    importlib.import_module("tests.support.zerogpu_process").main()
