"""Writes the shipped folder from a checkpoint: averaged weights in bfloat16, processor, chat template, model card.

    python -m training.export --checkpoints DIR [--to assets/models/tiny-vlm]

Files are written beside the folder and moved into it one by one, each atomically, so a reader never meets half a file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from training.architecture import build_model, build_processor
from training.card import write_card
from training.checkpoint import load_checkpoint
from training.evaluate import MODEL_FOLDER
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
    """Exports the latest stage that has a checkpoint; raises FileNotFoundError when none has.

    An evaluation of earlier weights says nothing about these, so it is removed: run `training.evaluate` next.
    """
    stage, latest = STAGES["answer"], load_checkpoint(checkpoints, "answer")
    if latest is None:
        stage, latest = STAGES["see"], load_checkpoint(checkpoints, "see")
    if latest is None:
        raise FileNotFoundError(f"no checkpoint in {checkpoints}: run `python -m training.train see` first")
    model = build_model()
    weights = {name.removeprefix("vlm."): value for name, value in latest["optimizer"]["averaged"].items()}
    weights = {name: value for name, value in weights.items() if not name.startswith("heads.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"checkpoint does not fit the model: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    (folder / "evaluation.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        fresh = Path(name)
        model.bfloat16().save_pretrained(fresh)
        build_processor(train_tokenizer()).save_pretrained(fresh)
        (fresh / "training.json").write_text(json.dumps(training_facts(stage, latest), indent=2) + "\n", encoding="utf-8")
        for path in sorted(fresh.iterdir()):
            path.chmod(0o644)
            path.replace(folder / path.name)
    write_card(folder)


if __name__ == "__main__":
    main()
