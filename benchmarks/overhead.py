"""What qdash's own watching adds to a timed token: its loop against a bare `model.generate` of the same tokens.

    python -m benchmarks.overhead [--runs 15] [--tokens 50] [--threads N] [--worker-only]

Both run in one process on the same model and inputs, in turn, so that a machine that slows down slows both. The overhead is the ratio of
the two medians; the goal is at most 3 %. Models: the bundled one if it is there, a random Qwen3 as small (where overhead is
largest), and one of 200 M parameters. Then the way of `qdash run`: timed runs of a bundled model in a worker process, against a bare loop
over the same model in a Python process of its own, pair by pair; here the overhead is the median of the pairs' ratios. The last line is one
JSON document; the exit status tells whether the goal was met.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
import transformers

from qdash import execution
from qdash.engine.accelerator import synchronize
from qdash.engine.generation import generate
from qdash.engine.generation_config import greedy
from qdash.engine.prompting import Inputs, build_inputs, read_image
from qdash.engine.timing import clock_for
from qdash.engine.worker import Worker
from qdash.execution.client import WorkerClient
from qdash.execution.forward import result_of
from qdash.records import Measurement, Question, WorkerSpec
from qdash.settings import settings

GOAL = 0.03
BUNDLED = Path(__file__).parents[1] / "qdash" / "assets" / "models" / "tiny-vlm"
BUNDLED_TEXT = BUNDLED.parent / "tiny-lm"
SAMPLES = BUNDLED.parents[1] / "samples"
PROMPT = "Once upon a time"
BARE = """
import os, sys, time
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, prompt, tokens, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
def run():
    started = time.perf_counter()
    inputs = tokenizer(prompt, return_tensors="pt")
    model.generate(**inputs, min_new_tokens=tokens, max_new_tokens=tokens, do_sample=False)
    return time.perf_counter() - started
run()
for line in sys.stdin:
    print(run(), flush=True)
"""
Subject = tuple[str, transformers.PreTrainedModel, Inputs]


def main() -> int:
    """Measure every subject, print a line each and the JSON document; 0 if all meet the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--worker-only", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found = []
    said = "{model}: {bare_ms:.3f} ms a token bare, {qdash_ms:.3f} ms in qdash, {overhead:+.2%}"
    for name, model, inputs in () if chosen.worker_only else subjects(chosen.threads):
        found.append(overhead(name, model, inputs, chosen.tokens, chosen.runs))
        print(said.format(**found[-1]))
    if BUNDLED_TEXT.exists():
        found.append(overhead_of_worker(chosen.tokens, chosen.runs, chosen.threads))
        print(said.format(**found[-1]))
    met = all(result["overhead"] <= GOAL for result in found)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    conditions = {"tokens": chosen.tokens, "runs": chosen.runs, "threads": chosen.threads, "device": str(_device()), **versions}
    print(json.dumps({"benchmark": "overhead", "goal": GOAL, "met": met, "conditions": conditions, "results": found}))
    return 0 if met else 1


def overhead(name: str, model: transformers.PreTrainedModel, inputs: Inputs, tokens: int, runs: int) -> dict[str, str | float]:
    """Milliseconds per token of both loops (medians over `runs`, interleaved) and their ratio − 1."""
    bare_s, qdash_s = [], []
    for turn in range(runs + 1):
        # Whichever goes first finds the caches as the other left them: take turns.
        pair = [(_bare, bare_s), (_watched, qdash_s)]
        for run, times in pair if turn % 2 else reversed(pair):
            seconds = _timed(lambda run=run: run(model, inputs, tokens))
            times += [seconds / tokens] if turn else []  # the first turn warms up
    bare, ours = median(bare_s), median(qdash_s)
    return {"model": name, "parameters": model.num_parameters(), "bare_ms": bare * 1e3, "qdash_ms": ours * 1e3, "overhead": ours / bare - 1}


def overhead_of_worker(tokens: int, runs: int, threads: int) -> dict[str, str | float]:
    """A worker process against a bare process: milliseconds per token of a run, and the median of the pairs' ratios − 1."""
    known = {"folder": str(BUNDLED_TEXT), "revision": "", "task": "text-generation", "scheme": "original"}
    spec = WorkerSpec.model_validate({**known, "device": "cpu", "dtype": "float32", "threads": threads})
    question, pairs = Question(prompt=PROMPT, png=None), []
    command = [sys.executable, "-c", BARE, str(BUNDLED_TEXT), PROMPT, str(tokens), str(threads)]
    bare = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with bare, closing(execution.create(settings())) as executor:
        assert bare.stdin is not None and bare.stdout is not None
        _ask_bare(bare)
        worker = WorkerClient(executor, spec)
        result_of(worker.warm_up(question, Measurement(warmup=2, max_new_tokens=tokens)))
        for turn in range(runs):
            before = _ask_bare(bare) if turn % 2 else None
            run = result_of(worker.time(question, tokens))
            pairs.append((before or _ask_bare(bare), run.total_s))
        bare.stdin.close()
    ratio = median(ours / theirs for theirs, ours in pairs)
    bare_ms, qdash_ms = (median(seconds) / tokens * 1e3 for seconds in zip(*pairs, strict=True))
    return {"model": "tiny-lm in a worker", "bare_ms": bare_ms, "qdash_ms": qdash_ms, "overhead": ratio - 1}


def _ask_bare(bare: "subprocess.Popen[str]") -> float:
    """Seconds of one run of the bare process."""
    assert bare.stdin is not None and bare.stdout is not None
    bare.stdin.write("go\n")
    bare.stdin.flush()
    return float(bare.stdout.readline())


def subjects(threads: int) -> Iterator[Subject]:
    """The models with inputs for them."""
    if (BUNDLED / "config.json").exists():
        yield _bundled(threads)
    yield _random_qwen3("random Qwen3, 4 layers of 256", hidden=256, layers=4, vocab=4096)
    yield _random_qwen3("random Qwen3, 12 layers of 1024", hidden=1024, layers=12, vocab=32_000)


def _bundled(threads: int) -> Subject:
    device = _device().type
    dtype = "float32" if device == "cpu" else "float16"
    spec = {"folder": str(BUNDLED), "revision": "", "task": "image-text-to-text", "scheme": "original"}
    worker = Worker(WorkerSpec.model_validate({**spec, "device": device, "dtype": dtype, "threads": threads}))
    worker.load(emit=lambda event: None, stop=lambda: False)
    assert worker.held is not None
    sample = next(iter(sorted(SAMPLES.glob("*.png"))), None)
    question = Question(prompt="这张图片中有什么？请描述一下。", png=sample.read_bytes() if sample else None)
    model = worker.held.model
    return "tiny-vlm", model, build_inputs(worker.held.processor, question.prompt, read_image(question), model)


def _random_qwen3(name: str, hidden: int, layers: int, vocab: int) -> Subject:
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers, num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128), head_dim=64, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    with _device():
        model = transformers.Qwen3ForCausalLM(config).eval()
    model.generation_config = greedy(model.generation_config)
    tokens = torch.randint(1, vocab, (1, 64), device=_device())
    return name, model, {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


def _bare(model: transformers.PreTrainedModel, inputs: Inputs, tokens: int) -> None:
    generating: Any = model  # its own class has `generate`, the type does not
    made = generating.generate(**inputs, min_new_tokens=tokens, max_new_tokens=tokens)
    assert made.shape[1] == inputs["input_ids"].shape[1] + tokens


def _watched(model: transformers.PreTrainedModel, inputs: Inputs, tokens: int) -> None:
    clock = clock_for(model, lambda: False)
    clock.start()
    generate(model, inputs, clock, min_new_tokens=tokens, max_new_tokens=tokens)
    clock.first_and_last_s()


def _timed(run: Callable[[], None]) -> float:
    started = perf_counter()
    run()
    synchronize(_device())
    return perf_counter() - started


def _device() -> torch.device:
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


if __name__ == "__main__":
    sys.exit(main())
