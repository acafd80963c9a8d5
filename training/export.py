"""Writes the shipped folder from a checkpoint: averaged weights in bfloat16, processor, chat template, model card.

    python -m training.export --checkpoints DIR [--to qdash/assets/models/tiny-vlm]

The latest stage that has a checkpoint is taken.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training.architecture import build_model, build_processor
from training.card import write_card
from training.checkpoint import load_checkpoint
from training.evaluate import MODEL_FOLDER
from training.publishing import load_weights, publish
from training.tokenizer import train_tokenizer
from training.train import STAGES, training_facts


def main() -> None:
    """Parses the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER)
    args = parser.parse_args()
    export(args.checkpoints, args.to)


def export(checkpoints: Path, folder: Path) -> None:
    """Exports, and removes an earlier evaluation; raises FileNotFoundError without a checkpoint. Run `training.evaluate` next."""
    stage, latest = STAGES["answer"], load_checkpoint(checkpoints, "answer")
    if latest is None:
        stage, latest = STAGES["see"], load_checkpoint(checkpoints, "see")
    if latest is None:
        raise FileNotFoundError(f"no checkpoint in {checkpoints}: run `python -m training.train see` first")
    model = build_model()
    weights = {name.removeprefix("vlm."): value for name, value in latest["optimizer"]["averaged"].items()}
    weights = {name: value for name, value in weights.items() if not name.startswith("heads.")}
    load_weights(model, weights)
    publish(folder, model, build_processor(train_tokenizer()), training_facts(stage, latest))
    write_card(folder)


if __name__ == "__main__":
    main()
