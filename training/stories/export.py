"""Writes qdash/assets/models/tiny-lm from the checkpoint: averaged weights in bfloat16, tokenizer with chat template, model card.

    python -m training.stories.export --checkpoints DIR [--to DIR]

The weights of a checkpoint from the middle of training work too, only less well.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.checkpoint import load_checkpoint
from training.publishing import load_weights, publish
from training.stories.architecture import build_model
from training.stories.card import write_card
from training.stories.evaluate import MODEL_FOLDER
from training.stories.tokenizer import train_tokenizer
from training.stories.train import NAME, ROWS


def main() -> None:
    """Parses the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER)
    args = parser.parse_args()
    export(args.checkpoints, args.to)


def export(checkpoints: Path, folder: Path) -> None:
    """Exports, and removes an earlier evaluation; raises FileNotFoundError without a checkpoint. Run `evaluate` next."""
    state = load_checkpoint(checkpoints, NAME)
    if state is None:
        raise FileNotFoundError(f"no checkpoint in {checkpoints}: run `python -m training.stories.train` first")
    model = build_model()
    averaged = state["optimizer"]["averaged"]
    load_weights(model, {name.removeprefix("lm."): value for name, value in averaged.items() if name.startswith("lm.")})
    publish(folder, model, train_tokenizer(), training_facts(state))
    write_card(folder)


def training_facts(state: dict[str, Any]) -> dict[str, Any]:
    """Processor minutes, steps and packed rows of the run that a checkpoint comes from."""
    steps = state["optimizer"]["steps"]
    return {NAME: {"minutes": round(state["spent_s"] / 60, 1), "steps": steps, "rows": steps * ROWS}}


if __name__ == "__main__":
    main()
