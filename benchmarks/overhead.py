"""What qdash's own watching adds to a timed token: its loop against a bare `model.generate` of the same tokens.

    python -m benchmarks.overhead [--runs 15] [--tokens 50] [--threads N]

Both run in one process on the same model and inputs, in turn, so that a machine that slows down slows both. The overhead is the ratio of
the two medians; the goal is at most 3 %. Models: the bundled one if it is there, a random Qwen3 as small (where overhead is
largest), and one of 200 M parameters. The last line is one JSON document; the exit status tells whether the goal was met.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
import transformers

from qdash.engine.generation import generate, greedy
from qdash.engine.prompting import Inputs, build_inputs, read_image
from qdash.engine.timing import Clock, CudaClock
from qdash.engine.worker import Worker
from qdash.records import Question, WorkerSpec

GOAL = 0.03
BUNDLED = Path(__file__).parents[1] / "assets" / "models" / "tiny-vlm"
SAMPLES = BUNDLED.parents[1] / "samples"
Subject = tuple[str, transformers.PreTrainedModel, Inputs]


def main() -> int:
    """Measure every subject, print a line each and the JSON document; 0 if all meet the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found = []
    for name, model, inputs in subjects(chosen.threads):
        found.append(overhead(name, model, inputs, chosen.tokens, chosen.runs))
        print("{model}: {bare_ms:.3f} ms a token bare, {qdash_ms:.3f} ms in qdash, {overhead:+.2%}".format(**found[-1]))
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


def subjects(threads: int) -> Iterator[Subject]:
    """The models with inputs for them."""
    if (BUNDLED / "config.json").exists():
        yield _bundled(threads)
    yield _random_qwen3("random Qwen3, 4 layers of 256", hidden=256, layers=4, vocab=4096)
    yield _random_qwen3("random Qwen3, 12 layers of 1024", hidden=1024, layers=12, vocab=32_000)


def _bundled(threads: int) -> Subject:
    dtype, device = ("float16", "cuda") if torch.cuda.is_available() else ("float32", "cpu")
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
    made = model.generate(**inputs, min_new_tokens=tokens, max_new_tokens=tokens)  # type: ignore[operator]
    assert made.shape[1] == inputs["input_ids"].shape[1] + tokens


def _watched(model: transformers.PreTrainedModel, inputs: Inputs, tokens: int) -> None:
    clock = CudaClock(model, lambda: False) if model.device.type == "cuda" else Clock(model, lambda: False)
    clock.start()
    generate(model, inputs, clock, min_new_tokens=tokens, max_new_tokens=tokens)
    clock.first_and_last_s()


def _timed(run: Callable[[], None]) -> float:
    started = perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - started


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    sys.exit(main())
