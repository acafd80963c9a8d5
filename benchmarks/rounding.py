"""How far better rounding brings a format back to the original: the same bits, rounded to nearest and chosen otherwise.

    python -m benchmarks.rounding [--models tiny-lm smollm2-135m] [--prompts 40] [--tokens 24] [--out FILE]

The original answers each prompt of the task `cloze` with so many tokens, and every scheme follows these answers. Printed are the mean KL
divergence over the prompts, its ratio to that of rounding to nearest, and the mean difference with its 95% interval, prompt by prompt.
Nothing is timed, so other programs may run. The last line is one JSON document.
"""

import argparse
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from qdash import checkpoints, execution
from qdash.catalog.schemes import find_scheme
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import result_of
from qdash.execution.work import VariantWork, Work
from qdash.machine import this_machine
from qdash.records import Question, Reference, Step, TextSoFar
from qdash.runs.plan import with_worker, worker_spec
from qdash.settings import settings
from qdash.stats.means import mean_interval
from qdash.tasks import bundled_items, stratified_sample

MODELS = ("tiny-lm", "smollm2-135m")
SAME_FORMAT = {
    "int4-g64": ("gptq-int4", "awq-int4", "hqq-int4"),
    "int3-g64": ("gptq-int3", "hqq-int3"),
    "int2-g64": ("gptq-int2",),
}

Job = Generator[Step | TextSoFar, None, dict[str, list[float]]]


def main() -> int:
    """Measure, print a line for each scheme and the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    found: list[dict[str, Any]] = []
    for model in chosen.models:
        found += compared(model, chosen.prompts, chosen.tokens)
        if chosen.out:
            chosen.out.write_text(json.dumps(document_of(found, chosen.prompts, chosen.tokens), indent=1) + "\n")
    print(json.dumps(document_of(found, chosen.prompts, chosen.tokens)))
    return 0


def document_of(found: list[dict[str, Any]], prompts: int, tokens: int) -> dict[str, Any]:
    """The results with their conditions."""
    machine = this_machine()
    conditions = {
        "prompts": prompts, "tokens": tokens, "device": machine.cpu_name, "dtype": "float32",
        "versions": {name: machine.packages[name] for name in ("torch", "transformers") if name in machine.packages},
    }  # fmt: skip
    return {"benchmark": "rounding", "conditions": conditions, "results": found}


def compared(model: str, prompts: int, tokens: int) -> list[dict[str, Any]]:
    """Every scheme beside rounding to nearest in its format."""
    questions = [
        Question(prompt=item.question.prompt, plain=True, png=None) for item in stratified_sample(bundled_items("cloze") or (), prompts)
    ]
    keys = [key for plain, others in SAME_FORMAT.items() for key in (plain, *others)]
    work = Work("cpu", (VariantWork("rounding", model, "original", passes=len(questions) * (tokens + len(keys))),))
    with closing(execution.create(settings())) as executor:
        nats = result_of(executor.run(partial(_followed, model, keys, questions, tokens), work, None))
    found = [_result(model, plain, key, nats) for plain, others in SAME_FORMAT.items() for key in (plain, *others)]
    for result in found:
        print(json.dumps(result), file=sys.stderr)
    return found


def _followed(
    model: str, keys: Sequence[str], questions: Sequence[Question], tokens: int, executor: Executor, stop: StopSignal | None
) -> Job:
    """Mean divergence in nats along each answer, by scheme."""
    own = yield from _loaded(model, "original", executor, stop)
    references: list[Reference] = []
    for question in questions:
        answer = yield from own.answer(question, tokens)
        references.append((yield from own.record_reference(question, answer.tokens)))
    found: dict[str, list[float]] = {}
    for key in keys:
        worker = yield from _loaded(model, key, executor, stop)
        for question, reference in zip(questions, references, strict=True):
            agreement = yield from worker.compare_to_reference(question, reference)
            found.setdefault(key, []).append(float("nan") if agreement.kl_mean_nats is None else agreement.kl_mean_nats)
    return found


def _loaded(model: str, key: str, executor: Executor, stop: StopSignal | None) -> Generator[Step, None, WorkerClient]:
    checkpoint = yield from checkpoints.obtain(checkpoints.locate(model))
    sizes = checkpoints.sizes_of(checkpoint, find_scheme(key), "float32", "cpu", wait_s=0)
    worker = WorkerClient(executor, worker_spec(checkpoint, key, "cpu", "float32"), stop)
    yield from worker.load(reserve_bytes=with_worker(sizes.loading_bytes, "cpu"))
    return worker


def _result(model: str, plain: str, key: str, nats: dict[str, list[float]]) -> dict[str, Any]:
    mean, low, high = mean_interval(nats[key])
    known = {"model": model, "scheme": key, "kl_mean_nats": mean, "kl_low": max(0.0, low), "kl_high": high}
    if key == plain:
        return known
    differences = [ours - theirs for ours, theirs in zip(nats[key], nats[plain], strict=True)]
    return known | {"nearest": plain, "ratio": fmean(nats[key]) / fmean(nats[plain]), "difference_nats": list(mean_interval(differences))}


if __name__ == "__main__":
    sys.exit(main())
