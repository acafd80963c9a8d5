"""Measures the shipped folder on the cloze set: the plain prompt, greedy generation, the first word of what comes.

    python -m training.stories.evaluate                                # all formats; writes evaluation.json and the model card
    python -m training.stories.evaluate --limit 200 --no-write --mistakes 10    # a quick look

An answer counts only if it equals the true one exactly. Beside it stands how far a format moves the probabilities of what comes
next: right and wrong are too coarse for small steps. Everything computes in float32; the small formats are those that the
dashboard simulates, on every linear layer but the head, which is tied to the embedding.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qdash.engine.formats import round_trip
from training.stories.card import write_card
from training.stories.holdout import CLOZE_FILE, Item

MODEL_FOLDER = Path(__file__).parents[2] / "qdash" / "assets" / "models" / "tiny-lm"

FORMATS: tuple[str | None, ...] = (None, "int8-row", "int4-row", "int3-g64", "int2-g64")
"""Keys of number formats; None keeps float32."""

MAX_NEW_TOKENS = 8


def main() -> None:
    """Parses the command line, evaluates, prints one JSON document and writes it into the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--limit", type=int, default=1000, help="measure on so many items, spread over the set")
    parser.add_argument("--no-write", action="store_true", help="leave evaluation.json and the card as they are")
    parser.add_argument("--mistakes", type=int, default=0, help="print up to so many wrong answers of each format")
    args = parser.parse_args()
    items = read_items()[:: max(1, 1000 // args.limit)]
    report = evaluate_formats(args.model, items, FORMATS, args.mistakes)
    print(json.dumps(report, indent=2))
    if not args.no_write:
        (args.model / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        write_card(args.model)


def read_items(path: Path = CLOZE_FILE) -> list[Item]:
    """The items of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluate_formats(folder: Path, items: list[Item], formats: tuple[str | None, ...], mistakes: int = 0) -> dict[str, Any]:
    """Every format's measurement by its key; the first format is what the others' divergence is from."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = list(batches(tokenizer, [item["prompt"] for item in items]))
    schemes: dict[str, dict[str, Any]] = {}
    reference: Tensor | None = None
    for key in formats:
        started = time.monotonic()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        if key is not None:
            round_layers(model, key)
        words = next_words(model, asked)
        reference = words if reference is None else reference
        measured = accuracy(key, items, answer_batches(model, tokenizer, asked), mistakes) | divergence(reference, words)
        schemes[key or "float32"] = measured | {"seconds": round(time.monotonic() - started, 1)}
    return {"items": len(items), "schemes": schemes}


def accuracy(key: str | None, items: list[Item], answers: list[str], mistakes: int = 0) -> dict[str, Any]:
    """Shares (0–1) of exact answers: overall, by language, by kind, and by both; prints up to so many mistakes."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for item, answer in zip(items, answers, strict=True):
        hit = answer == item["answer"]
        for part, cell in _cells(item):
            right[part][cell].append(hit)
        if not hit and mistakes > 0:
            mistakes -= 1
            print(f"{key or 'float32'} {item['kind']}: {item['prompt']} → {answer!r}, not {item['answer']!r}")
    shares = {part: {cell: round(sum(hits) / len(hits), 4) for cell, hits in cells.items()} for part, cells in right.items()}
    return {"overall": shares.pop("overall")["all"], **shares}


def divergence(reference: Tensor, words: Tensor) -> dict[str, float]:
    """Kullback–Leibler divergence in nats of log-probabilities (n, vocabulary) from the reference's: mean and standard error."""
    each = (reference.exp() * (reference - words)).sum(-1)
    return {"kl_mean_nats": float(f"{each.mean():.3g}"), "kl_se": float(f"{each.std() / len(each) ** 0.5:.2g}")}


def _cells(item: Item) -> tuple[tuple[str, str], ...]:
    kind, language = item["kind"], item["language"]
    return ("overall", "all"), ("languages", language), ("kinds", kind), ("cells", f"{kind}/{language}")


@torch.no_grad()
def round_layers(model: PreTrainedModel, key: str) -> None:
    """Rounds the weights of the decoder's linear layers to a number format, in place."""
    for layer in model.get_submodule("model").modules():
        if isinstance(layer, torch.nn.Linear):
            round_trip(layer.weight, key, out=layer.weight)


@dataclass(frozen=True)
class Asked:
    """Some prompts as one batch, and where they stand in the list."""

    places: list[int]
    inputs: dict[str, Tensor]


def batches(tokenizer: PreTrainedTokenizerBase, prompts: list[str], size: int = 100) -> Iterator[Asked]:
    """All prompts, by length so that padding stays short."""
    order = sorted(range(len(prompts)), key=lambda place: len(tokenizer.encode(prompts[place])))
    for start in range(0, len(order), size):
        places = order[start : start + size]
        encoded = tokenizer([prompts[place] for place in places], padding=True, return_tensors="pt", return_token_type_ids=False)
        yield Asked(places, dict(encoded))


@torch.inference_mode()
def next_words(model: PreTrainedModel, asked: list[Asked]) -> Tensor:
    """Log-probabilities float64 (prompts, vocabulary) of the token that follows each prompt, in the list's order."""
    found = torch.cat([model(**batch.inputs).logits[:, -1].double().log_softmax(-1) for batch in asked])
    return found[torch.tensor([place for batch in asked for place in batch.places]).argsort()]


@torch.inference_mode()
def answer_batches(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: list[Asked]) -> list[str]:
    """The first word that greedy generation adds to each prompt, in the list's order."""
    answers: dict[int, str] = {}
    for batch in asked:
        output: Any = model.generate(**batch.inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)  # pyright: ignore[reportCallIssue]
        texts = tokenizer.batch_decode(output[:, batch.inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answers |= {place: first_word(text) for place, text in zip(batch.places, texts, strict=True)}
    return [answers[place] for place in sorted(answers)]


def first_word(text: str) -> str:
    """What stands before the first full stop or other mark, without spaces around it: " kitchen. The" → "kitchen"."""
    return re.split(r"[.,!?。，！？\n]", text, maxsplit=1)[0].strip()


if __name__ == "__main__":
    main()
