"""Trains tiny-vlm in two stages, each with a budget of minutes, and resumes either from its checkpoint.

python -m training.train see    --checkpoints DIR --minutes 20   # the vision tower, by dense supervision
python -m training.train answer --checkpoints DIR --minutes 80   # everything, by packed questions

"answer" starts from the weights that "see" ended with.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.checkpoint import load_checkpoint
from training.dense import dense_loss
from training.holdout import HELD_OUT_SEED
from training.loop import Run, run_until_spent
from training.optimizer import MasterOptimizer, copy_weights
from training.stream import StreamOptions, make_batch, scene_batches
from training.tokenizer import train_tokenizer
from training.trainee import Trainee, answer_loss, right_answers


@dataclass(frozen=True)
class Stage:
    """One stage's recipe; `first_seed` keeps its pictures apart from other stages'."""

    name: str
    batch_size: int
    peak_lr: float
    vision_scale: float
    first_seed: int
    answers: bool


STAGES = {
    "see": Stage("see", 128, 2e-3, 1.0, 1_000_000, answers=False),
    "answer": Stage("answer", 64, 2e-3, 0.5, 2_000_000_000, answers=True),
}

VALIDATION_SEED = HELD_OUT_SEED // 2
"""Pictures for watching progress: neither trained on nor in the held-out set."""

DENSE_WEIGHT = 0.15
"""Weight of dense supervision beside the answers, whose loss is much smaller than the sum of eight heads."""


def main() -> None:
    """Parses the command line and runs one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints and the PAUSE file")
    parser.add_argument("--minutes", type=float, required=True, help="training time of the stage, pauses excluded")
    parser.add_argument("--peak-lr", type=float, help="highest learning rate, instead of the stage's own")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0 leaves torch's choice")
    parser.add_argument("--compile", action="store_true", help="compile the decoder; needs a C++ compiler")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    stage = STAGES[args.stage]
    run_stage(replace(stage, peak_lr=args.peak_lr or stage.peak_lr), args.checkpoints, args.minutes * 60, args.compile)


def run_stage(stage: Stage, folder: Path, budget_s: float, compiled: bool = False) -> None:
    """Trains until `budget_s` seconds of work are used, going on from the stage's checkpoint or the earlier stage's."""
    torch.manual_seed(0)
    trainee = Trainee().to(torch.bfloat16)
    optimizer = MasterOptimizer(trainee, stage.peak_lr, stage.vision_scale)
    spent_s, history = restore(stage, folder, optimizer)
    if compiled:
        trainee.decode = torch.compile(trainee.decode)
    tokenizer = train_tokenizer() if stage.answers else None
    options = StreamOptions(stage.batch_size, stage.first_seed, optimizer.steps, tokenizer)
    stream = scene_batches(options)
    run_until_spent(
        Run(stage.name, folder, budget_s, stage.batch_size, "pictures"),
        optimizer,
        spent_s,
        history,
        lambda progress: train_step(stage, trainee, optimizer, next(stream), progress),
        lambda: validate(stage, trainee, optimizer, tokenizer),
    )


def restore(stage: Stage, folder: Path, optimizer: MasterOptimizer) -> tuple[float, dict[str, Any]]:
    """Loads the stage's own checkpoint, or starts "answer" from the averaged weights of "see".

    Returns the seconds spent and the facts of the runs that the weights come from.
    """
    state = load_checkpoint(folder, stage.name)
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
        return state["spent_s"], state["history"]
    earlier = load_checkpoint(folder, "see") if stage.answers else None
    if earlier is not None:
        optimizer.load_weights(earlier["optimizer"]["averaged"])
        return 0.0, training_facts(STAGES["see"], earlier)
    return 0.0, {}


def training_facts(stage: Stage, state: dict[str, Any]) -> dict[str, Any]:
    """Minutes, steps and pictures of every run that a checkpoint's weights come from, by name, in order."""
    steps = state["optimizer"]["steps"]
    facts = {"minutes": round(state["spent_s"] / 60, 1), "steps": steps, "pictures": steps * stage.batch_size}
    name = f"{stage.name}, continued" if stage.name in state["history"] else stage.name
    return state["history"] | {name: facts}


def train_step(stage: Stage, trainee: Trainee, optimizer: MasterOptimizer, batch: dict[str, Tensor], progress: float) -> dict[str, Any]:
    """One forward, backward and update; returns rounded losses and accuracies for the log."""
    features = trainee.features(batch["pixels"])
    loss, seen = dense_loss(trainee.heads(features), batch)
    report = {"dense": round(loss.item(), 3)}
    if stage.answers:
        logits, targets = trainee.answer_logits(features, batch)
        answers = answer_loss(logits, targets)
        loss = answers + DENSE_WEIGHT * loss
        report["answers"] = round(answers.item(), 4)
    loss.backward()
    report["norm"] = round(optimizer.step(progress), 2)
    return report | {name: round(value, 3) for name, value in seen.items()}


@torch.no_grad()
def validate(stage: Stage, trainee: Trainee, optimizer: MasterOptimizer, tokenizer: Any, rounds: int = 6) -> dict[str, Any]:
    """Accuracy of the averaged weights on pictures that training does not draw: of answers, or of the dense heads."""
    backup = [weight.clone() for weight in optimizer.weights]
    copy_weights(optimizer.weights, optimizer.averaged)
    options = StreamOptions(64, VALIDATION_SEED, 0, tokenizer)
    scores: dict[str, list[float]] = {}
    for step in range(rounds):
        batch = make_batch(options, step)
        features = trainee.features(batch["pixels"])
        _, seen = dense_loss(trainee.heads(features), batch)
        for name, value in seen.items():
            scores.setdefault(name, []).append(value)
        if stage.answers:
            for (type_, language), (right, asked) in right_answers(*trainee.answer_logits(features, batch), batch).items():
                for key in (f"~{type_}", "~en" if language == 0 else "~zh", "~all"):
                    scores.setdefault(key, []).extend([1.0] * right + [0.0] * (asked - right))
    copy_weights(optimizer.weights, backup)
    return {name: round(sum(values) / len(values), 3) for name, values in sorted(scores.items())}


if __name__ == "__main__":
    main()
