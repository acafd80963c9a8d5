"""Whether the standard last-word accuracy is lm-eval's: the same checkpoint and questions in both, question by question.

    python -m benchmarks.lm_eval [--model tiny-lm|FOLDER] [--limit 1000] [--out FILE]

Needs `pip install lm-eval==0.4.13`, which is not among qdash's own requirements. The task is lm-eval's `lambada_openai` with another
data set: every question's prompt and the text that would continue it. Of the original, lm-eval loads the checkpoint itself; of other
schemes it gets the model that qdash has loaded. The last line is one JSON document; the exit status is 1 if any question differs.
"""

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from qdash import checkpoints
from qdash.engine.prompting import tokenizer_of
from qdash.engine.worker import Worker
from qdash.machine import this_machine
from qdash.records import BatchAnswered, BatchRequest, Question
from qdash.runs.plan import worker_spec
from qdash.tasks import Item, bundled_items, stratified_sample

SCHEMES = ("original", "bnb-nf4", "int3-g64")
BATCH_SIZE = 32

Hits = list[bool]


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tiny-lm")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    items = stratified_sample(bundled_items("cloze") or (), chosen.limit)
    results = [compared(chosen.model, scheme, items) for scheme in SCHEMES]
    packages = {"lm_eval": metadata.version("lm_eval")} | {name: this_machine().packages[name] for name in ("torch", "transformers")}
    conditions = {"model": Path(chosen.model).name, "questions": len(items), "dtype": "float32", "versions": packages}
    document = {"benchmark": "lm_eval", "conditions": conditions, "results": results}
    if chosen.out:
        chosen.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))
    return int(any(result["questions_that_differ"] for result in results))


def compared(model: str, scheme: str, items: Sequence[Item]) -> dict[str, Any]:
    """Both accuracies of one scheme."""
    worker = Worker(worker_spec(checkpoints.locate(model), scheme, "cpu", "float32"))
    worker.load(emit=lambda _: None, stop=lambda: False)
    ours, theirs = by_qdash(worker, items), by_lm_eval(worker, items)
    different = sum(a != b for a, b in zip(ours, theirs, strict=True))
    return {
        "scheme": scheme, "qdash": sum(ours) / len(items), "lm_eval": sum(theirs) / len(items), "questions_that_differ": different
    }  # fmt: skip


def by_qdash(worker: Worker, items: Sequence[Item]) -> Hits:
    """Whether greedy decoding makes each target, in batches."""
    hits = [False] * len(items)

    def keep(emitted: object) -> None:
        if isinstance(emitted, BatchAnswered):
            for reply in emitted.replies:
                hits[reply.index] = bool(reply.on_target)

    questions, targets = tuple(Question(prompt=item.question.prompt, png=None) for item in items), tuple(item.target for item in items)
    request = BatchRequest(questions=questions, targets=targets, plain=True, max_new_tokens=8, batch_size=BATCH_SIZE)
    worker.run_batches(request, emit=keep, stop=lambda: False)
    return hits


def by_lm_eval(worker: Worker, items: Sequence[Item]) -> Hits:
    """`acc` of every sample, as lm-eval logs it."""
    lm_eval: Any = importlib.import_module("lm_eval")
    huggingface: Any = importlib.import_module("lm_eval.models.huggingface")
    tasks: Any = importlib.import_module("lm_eval.api.task")
    assert worker.held is not None
    original = worker.spec.scheme == "original"
    source = {"pretrained": worker.spec.folder, "dtype": "float32"} if original else {"pretrained": worker.held.model}
    tokenizer = worker.spec.folder if original else tokenizer_of(worker.held.processor)
    model = huggingface.HFLM(**source, tokenizer=tokenizer, device="cpu", batch_size=BATCH_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "questions.jsonl"
        file.write_text("".join(json.dumps({"prompt": item.question.prompt, "target": item.target}) + "\n" for item in items))
        task = tasks.ConfigurableTask(config=task_config(file, Path(folder)))
        found = lm_eval.simple_evaluate(model=model, tasks=[task], log_samples=True, bootstrap_iters=0)
    samples = sorted(found["samples"]["last_word"], key=lambda sample: sample["doc_id"])
    hits = [bool(sample["acc"]) for sample in samples]
    assert abs(found["results"]["last_word"]["acc,none"] - sum(hits) / len(hits)) < 1e-9
    return hits


def task_config(file: Path, cache: Path) -> dict[str, Any]:
    """lm-eval's lambada_openai.yaml, but for the data set and what is left of a prompt after its template."""
    return {
        "task": "last_word", "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(cache)},
        "test_split": "test", "output_type": "loglikelihood", "doc_to_text": "{{prompt}}", "doc_to_target": "{{target}}",
        "target_delimiter": "", "should_decontaminate": False,
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        ],
        "metadata": {"version": 1.0},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
