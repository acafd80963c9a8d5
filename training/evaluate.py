"""Measures the shipped folder on the held-out set, by the path that a user takes: processor, chat template, generate.

    python -m training.evaluate                        # all schemes, writes evaluation.json and the model card's tables
    python -m training.evaluate --schemes float32 --per-cell 10 --no-write    # a quick look

An answer counts only if it equals the true one exactly. Quantized schemes load through `BitsAndBytesConfig`, as anyone's
code would.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig

from qdash.tasks.generators.drawing import draw_scene
from training.card import write_card
from training.holdout import HeldOutItem, digest, held_out_items

MODEL_FOLDER = Path(__file__).parent.parent / "qdash" / "assets" / "models" / "tiny-vlm"

SCHEMES: dict[str, Callable[[], dict[str, Any]]] = {
    "float32": lambda: {},
    "bnb-int8": lambda: {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)},
    "bnb-nf4": lambda: {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")},
}
"""Keyword arguments of `from_pretrained` by scheme; everything computes in float32."""

MAX_NEW_TOKENS = 64


def main() -> None:
    """Parses the command line, evaluates, prints one JSON document and writes it into the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--per-cell", type=int, default=110, help="questions of each type in each language")
    parser.add_argument("--no-write", action="store_true", help="leave evaluation.json and the card as they are")
    parser.add_argument("--mistakes", type=int, default=0, help="print up to so many wrong answers of each scheme")
    args = parser.parse_args()
    items = held_out_items(args.per_cell)
    report: dict[str, Any] = {"questions": len(items), "digest": digest(items), "schemes": {}}
    for scheme in args.schemes:
        report["schemes"][scheme] = evaluate_scheme(args.model, scheme, items, args.mistakes)
    print(json.dumps(report, indent=2))
    if not args.no_write:
        (args.model / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        write_card(args.model)


def evaluate_scheme(folder: Path, scheme: str, items: list[HeldOutItem], mistakes: int = 0) -> dict[str, Any]:
    """Exact-match accuracy (0–1) of a scheme: overall, by type, by language, and by both."""
    started = time.monotonic()
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, **SCHEMES[scheme]())
    answers = answer_items(model, processor, items)
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for item, answer in zip(items, answers, strict=True):
        question, hit = item.question, answer == item.question.answer
        right["overall"]["all"].append(hit)
        right["types"][question.type].append(hit)
        right["languages"][question.language].append(hit)
        right["cells"][f"{question.type}/{question.language}"].append(hit)
        if not hit and mistakes > 0:
            mistakes -= 1
            print(f"{scheme} {item.scene.seed} {question.type}: {question.text} → {answer!r}, not {question.answer!r}")
    shares = {part: {key: round(sum(v) / len(v), 4) for key, v in cells.items()} for part, cells in right.items()}
    return {"overall": shares.pop("overall")["all"], **shares, "seconds": round(time.monotonic() - started, 1)}


def answer_items(model: Any, processor: Any, items: list[HeldOutItem], batch_size: int = 50) -> list[str]:
    """The model's greedy answers, in order; items are batched by length so that padding stays short."""
    order = sorted(range(len(items)), key=lambda i: len(items[i].question.text) + 99 * (items[i].question.type == "describe"))
    answers = [""] * len(items)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        conversations = [
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": items[i].question.text}]}] for i in chosen
        ]
        prompts = [processor.apply_chat_template(c, add_generation_prompt=True) for c in conversations]
        pictures = [[draw_scene(items[i].scene)] for i in chosen]
        inputs = processor(images=pictures, text=prompts, padding=True, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
        texts = processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(chosen, texts, strict=True):
            answers[index] = text
    return answers


if __name__ == "__main__":
    main()
