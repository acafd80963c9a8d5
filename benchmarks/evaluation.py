"""How much faster a task is answered in batches than in the second tutorial's loop, one by one, and whether the answers are the same.

    python -m benchmarks.evaluation [--model tiny-lm|random|FOLDER] [--limit 100] [--runs 5] [--out FILE]

The loop is the tutorial's: tokenize a passage, `generate` 10 greedy tokens, decode, look for the word among them. Beside it the
worker that the page and `qdash eval` use answers the same questions with the same model object, in batches of several sizes. Runs
alternate, and medians are compared: of the time that qdash reports, which begins after a warm-up of one batch, as the loop's begins
after a run that does not count; how long the call took with that batch stands beside it. `random` is a random Qwen3 of 216 M
parameters, whose answers mean nothing and whose times do. The last line is one JSON document. Run it on a quiet machine.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from benchmarks.cpu_schemes import random_qwen3
from qdash import checkpoints
from qdash.engine.prompting import tokenizer_of
from qdash.engine.worker import Worker
from qdash.machine import this_machine
from qdash.records import BatchAnswered, BatchRequest, Question
from qdash.runs.plan import worker_spec
from qdash.tasks import Item, bundled_items, stratified_sample

NEW_TOKENS = 10
BATCH_SIZES = (1, 8, 32, 64)
PACKAGES = ("torch", "transformers")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tiny-lm")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    items = stratified_sample(bundled_items("cloze") or (), chosen.limit)
    with tempfile.TemporaryDirectory() as folder:
        model = str(random_qwen3(Path(folder) / "qwen3-216m")) if chosen.model == "random" else chosen.model
        document = measured(model, items, chosen.runs)
    document["conditions"]["model"] = "random Qwen3, 216 M parameters" if chosen.model == "random" else Path(chosen.model).name
    if chosen.out:
        chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(document, ensure_ascii=False))
    return 0


def measured(model: str, items: Sequence[Item], runs: int) -> dict[str, Any]:
    """The loop and every batch size, each `runs` times in turn after one that does not count."""
    spec = worker_spec(checkpoints.locate(model), "original", "cpu", "float32")
    worker = Worker(spec)
    worker.load(emit=lambda _: None, stop=lambda: False)
    ways: dict[str, Callable[[], Run]] = {"loop": lambda: loop(worker, items)}
    ways |= {str(size): lambda size=size: batched(worker, items, size) for size in BATCH_SIZES}
    taken: dict[str, list[Run]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            print(f"run {run} of {runs}: {name} …", file=sys.stderr)
            started = perf_counter()
            done = way()
            if run:
                taken[name].append(replace(done, call_s=perf_counter() - started))
    machine = this_machine()
    conditions = {
        "device": machine.device_name, "threads": spec.threads, "dtype": "float32", "questions": len(items), "new_tokens": NEW_TOKENS,
        "runs": runs, "versions": {name: machine.packages[name] for name in PACKAGES},
    }  # fmt: skip
    results = [_result(name, taken, items) for name in ways]
    return {"benchmark": "evaluation", "conditions": conditions, "results": results}


@dataclass(frozen=True)
class Run:
    """One way once: the answers, seconds that count, and seconds of the whole call."""

    answers: list[str]
    total_s: float
    call_s: float = 0.0


def loop(worker: Worker, items: Sequence[Item]) -> Run:
    """The tutorial's loop, in transformers alone."""
    assert worker.held is not None
    model, tokenizer = worker.held.model, tokenizer_of(worker.held.processor)
    answers = []
    started = perf_counter()
    for item in items:
        inputs = tokenizer(item.question.prompt, return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            generating: Any = model  # its own class has `generate`, the type does not
            made = generating.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
        answers.append(str(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)))
    return Run(answers, perf_counter() - started)


def batched(worker: Worker, items: Sequence[Item], size: int) -> Run:
    """The same questions through the worker."""
    questions = tuple(Question(prompt=item.question.prompt, png=None) for item in items)
    answers = [""] * len(items)

    def keep(emitted: object) -> None:
        if isinstance(emitted, BatchAnswered):
            for reply in emitted.replies:
                answers[reply.index] = reply.text

    request = BatchRequest(questions=questions, plain=True, max_new_tokens=NEW_TOKENS, batch_size=size)
    done = worker.run_batches(request, emit=keep, stop=lambda: False)
    return Run(answers, done.total_s)


def _result(name: str, taken: dict[str, list[Run]], items: Sequence[Item]) -> dict[str, Any]:
    runs, answers, theirs = taken[name], taken[name][-1].answers, taken["loop"][-1].answers
    took = median(run.total_s for run in runs)
    return {
        "way": "one by one, the tutorial's loop" if name == "loop" else f"batches of {name}",
        "total_s": took, "per_item_s": took / len(items), "times_the_loop": median(run.total_s for run in taken["loop"]) / took,
        "call_s": median(run.call_s for run in runs), "runs_s": [run.total_s for run in runs],
        "right": sum(_among(item.question.answer, answer) for item, answer in zip(items, answers, strict=True)),
        "answers_as_the_loop": sum(own == other for own, other in zip(answers, theirs, strict=True)),
    }  # fmt: skip


def _among(target: str, answer: str) -> bool:
    """The tutorial's rule, written again; Chinese has no spaces to tell words by."""
    return target in re.split(r"[^\w'-]+", answer) if target.isascii() else target in answer


if __name__ == "__main__":
    sys.exit(main())
