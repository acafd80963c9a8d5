"""All that a worker can do, in one go, for tests that compare what comes of it on two devices."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from qdash.engine.worker import Worker
from qdash.records import BatchAnswered, BatchRequest, LayerDetail, Measurement, Question, WeightReport, WorkerSpec

SAMPLE = Path(__file__).parents[2] / "qdash" / "assets" / "samples" / "t1-square.png"
FORMATS = ("fp6-e2m3", "int3-g64", "nvfp4")
NEW_TOKENS = 4


def spec_on(device: str, folder: str, scheme: str | None) -> WorkerSpec:
    """A worker's spec in float32; the task follows from the checkpoint."""
    task = "image-text-to-text" if (Path(folder) / "processor_config.json").exists() else "text-generation"
    return WorkerSpec(folder=folder, revision="", task=task, scheme=scheme, device=device, dtype="float32", threads=1)


def everything(worker: Worker, after: Callable[[str], None] = lambda method: None) -> dict[str, Any]:
    """What each method that needs a model returns, and the texts that `run_batches` emitted; calls `after` with each name."""
    sees = worker.spec.task == "image-text-to-text"
    question = Question(prompt="What is in this picture?" if sees else "Once upon a time", png=SAMPLE.read_bytes() if sees else None)
    batches: list[Any] = []

    def call(method: str, *arguments: Any) -> Any:
        made = getattr(worker, method)(*arguments, emit=batches.append, stop=lambda: False)
        after(method)
        return made

    made = {"load": call("load"), "answer": call("answer", question, NEW_TOKENS)}
    made["warm_up"] = call("warm_up", question, Measurement(warmup=1, max_new_tokens=NEW_TOKENS))
    made["time"] = call("time", question, NEW_TOKENS)
    reference = call("record_reference", question, made["answer"].tokens)
    made["compare_to_reference"] = call("compare_to_reference", question, reference)
    asked = BatchRequest(questions=(question,) * 3, targets=(), plain=False, max_new_tokens=NEW_TOKENS, batch_size=2, batches=None)
    made["run_batches"] = call("run_batches", asked)
    made["report_model"] = call("report_model", None)
    replies = [reply for batch in batches if isinstance(batch, BatchAnswered) for reply in batch.replies]
    return {**made, "replies": [reply.text for reply in sorted(replies, key=lambda reply: reply.index)]}


def measured(worker: Worker, schemes: Sequence[str] = FORMATS) -> tuple[WeightReport, list[LayerDetail]]:
    """What schemes do to the weights of a model, and to its first layer from near."""
    quiet = {"emit": lambda item: None, "stop": lambda: False}
    report = worker.measure_weight_error(schemes, **quiet)
    return report, [worker.measure_layer(key, report.schemes[0].layers[0].name, None, 0, **quiet) for key in schemes]


def assert_alike(found: Any, expected: Any) -> None:
    """Whole numbers are equal; the order in which floats were added up may show in the last digits."""
    if isinstance(expected, dict | list):
        pairs = expected.items() if isinstance(expected, dict) else enumerate(expected)
        assert len(found) == len(expected)
        for key, value in pairs:
            assert_alike(found[key], value)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9)
    else:
        assert found == expected
