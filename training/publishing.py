"""Puts a trained model into its shipped folder, and reads back what the folder's card is written from.

Files are written beside the folder and moved into it one by one, each atomically, so a reader never meets half a file. Numbers in a
card come from these files and are never typed by hand, so a card cannot disagree with the measurement.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor
from transformers import LlavaProcessor, PreTrainedModel, PreTrainedTokenizerFast


def load_weights(model: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
    """Fills a model with tied embeddings from weights by name; raises ValueError if they are not the model's."""
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"checkpoint does not fit the model: missing {missing}, unexpected {unexpected}")
    model.tie_weights()


def publish(folder: Path, model: PreTrainedModel, processor: LlavaProcessor | PreTrainedTokenizerFast, facts: dict[str, Any]) -> None:
    """Writes the model in bfloat16, its processor or tokenizer, and training.json.

    An evaluation of earlier weights says nothing about these, so it is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        fresh = Path(name)
        model.bfloat16().save_pretrained(fresh)
        processor.save_pretrained(fresh)
        (fresh / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        for path in sorted(fresh.iterdir()):
            path.chmod(0o644)
            path.replace(folder / path.name)


def write_card_text(folder: Path, text: str) -> None:
    """Writes `<folder>/README.md` atomically."""
    partial = folder / "README.md.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / "README.md")


def read_facts(path: Path) -> dict[str, Any]:
    """A JSON file of the folder; empty if it is not there yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def weights_size(folder: Path) -> tuple[int, int]:
    """The number of parameters and of bytes in model.safetensors."""
    path = folder / "model.safetensors"
    with safe_open(path, "pt") as tensors:
        return sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys()), path.stat().st_size  # noqa: SIM118


def accuracy_table(schemes: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Mapping[str, str]]) -> str:
    """Shares (0–1) as a Markdown table: a column for each scheme, a row for "overall" and for every key of each part.

    `parts` names the parts in order, and their keys where those are not words for people.
    """
    first = next(iter(schemes.values()))
    rows = ["| | " + " | ".join(schemes) + " |", "|---|" + "---:|" * len(schemes)]
    rows.append(_row("**overall**", [scheme["overall"] for scheme in schemes.values()]))
    for part, names in parts.items():
        rows += [_row(names.get(key, key), [scheme[part][key] for scheme in schemes.values()]) for key in first[part]]
    return "\n".join(rows) + "\n"


def _row(name: str, shares: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"
