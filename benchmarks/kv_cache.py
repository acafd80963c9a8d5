"""How far a KV cache of 8 and of 4 bits takes a model from its original along long answers, token by token.

    python -m benchmarks.kv_cache [--model tiny-lm] [--tokens 256] [--output benchmarks/results/kv_cache.json]

Every prompt is answered greedily by the original, end tokens ignored, so that each answer is long; then original and variants are scored
along it one token at a time, as they would write it. Up to 128 of the newest tokens stay floats: the prompt is rounded after it has been
read, tokens of the answer are when there are 128 of them. So each half of the answer is told by itself. Mean over all tokens of all
answers, in nats; the last line is one JSON document. Nothing here depends on how fast the machine is.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from qdash.catalog.models import MODELS
from qdash.catalog.schemes import find_scheme
from qdash.engine.generation import Watch, bare_probabilities, generate
from qdash.engine.prompting import build_inputs
from qdash.engine.worker import Worker
from qdash.records import Agreement, Question, WorkerSpec

SCHEMES = ("kv=int8", "kv=int4")
PROMPTS = (
    "Lucy has two nuts and Bob has three. How many nuts do they have together?",
    "Tell me a story about a dog.",
    "Why is the sky blue?",
    "Anna is in the garden. Then she goes to the kitchen. Where is Anna?",
)


def main() -> None:
    """Score every answer under every scheme."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tiny-lm", choices=[key for key, model in MODELS.items() if model.folder is not None])
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    chosen = parser.parse_args()
    workers = {key: _worker(chosen.model, key) for key in ("original", *SCHEMES)}
    answers = [(Question(prompt=prompt, png=None), _answer(workers["original"], prompt, chosen.tokens)) for prompt in PROMPTS]
    document = {
        "benchmark": "kv_cache",
        "model": chosen.model,
        "answers": len(answers),
        "tokens": chosen.tokens,
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "schemes": {key: _scored(workers["original"], workers[key], answers) for key in SCHEMES},
    }
    if chosen.output:
        chosen.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document))


def _worker(model: str, scheme: str) -> Worker:
    made = Worker(
        WorkerSpec(
            folder=str(MODELS[model].folder), revision="", task=MODELS[model].task, scheme=scheme, device="cpu", dtype="float32", threads=1
        )
    )
    made.load(emit=_ignore, stop=_never)
    return made


def _answer(original: Worker, prompt: str, tokens: int) -> tuple[int, ...]:
    assert original.held is not None
    model = original.held.model
    inputs = build_inputs(original.held.processor, prompt, None, model)
    with bare_probabilities(model, ends=False), torch.no_grad():
        return tuple(generate(model, inputs, Watch(model, _never), max_new_tokens=tokens))


def _scored(original: Worker, variant: Worker, answers: list[tuple[Question, tuple[int, ...]]]) -> dict[str, Any]:
    found = [_agreement(original, variant, question, tokens) for question, tokens in answers]
    nats = [[token.kl_nats or 0.0 for token in agreement.per_token] for agreement in found]
    halves = [[row[: len(row) // 2] for row in nats], [row[len(row) // 2 :] for row in nats]]
    loaded = variant.load(emit=_ignore, stop=_never)
    assert loaded.coverage.cache is not None
    told = {
        "kind": find_scheme(variant.spec.scheme or "").kind,
        "kl_mean_nats": mean(value for row in nats for value in row),
        "kl_first_half_nats": mean(value for row in halves[0] for value in row),
        "kl_second_half_nats": mean(value for row in halves[1] for value in row),
        "kl_mean_nats_each": [mean(row) for row in nats],
        "top1": mean(agreement.top1 for agreement in found),
        "token_bytes": loaded.coverage.cache.token_bytes,
        "float_token_bytes": loaded.coverage.cache.float_token_bytes,
    }
    words = {name: f"{value:.3g}" for name, value in told.items() if isinstance(value, float)}
    print(f"{variant.spec.scheme}: {words}", file=sys.stderr)
    return told


def _agreement(original: Worker, variant: Worker, question: Question, tokens: tuple[int, ...]) -> Agreement:
    reference = original.record_reference(question, tokens, True, emit=_ignore, stop=_never)
    return variant.compare_to_reference(question, reference, emit=_ignore, stop=_never)


def _ignore(event: object) -> None:
    """Nobody watches."""


def _never() -> bool:
    return False


if __name__ == "__main__":
    main()
