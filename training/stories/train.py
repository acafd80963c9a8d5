"""Trains tiny-lm on stories told on the fly, with a budget of minutes, and resumes from its checkpoint.

    python -m training.stories.train --checkpoints DIR --minutes 80 --compile

Minutes are of processor time, summed over threads, so that it can run beside other work and still learn as much. The
checkpoint remembers how many are spent; with a larger budget it learns on.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import torch

from training.checkpoint import load_checkpoint
from training.loop import Run, run_until_spent
from training.optimizer import MasterOptimizer, copy_weights
from training.prefetch import Batch, batches
from training.stories.stream import StreamOptions, make_batch
from training.stories.tokenizer import train_tokenizer
from training.stories.trainee import Trainee, right_words, story_loss

NAME = "stories"
ROWS = 48
PEAK_LR = 2e-3
MENTIONS_WEIGHT = 0.1
VALIDATION_BATCHES = 4


def main() -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for the checkpoint and the PAUSE file")
    parser.add_argument("--minutes", type=float, required=True, help="processor time to train for")
    parser.add_argument("--peak-lr", type=float, default=PEAK_LR, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0 leaves torch's choice")
    parser.add_argument("--compile", action="store_true", help="compile the decoder; needs a C++ compiler")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    train(args.checkpoints, args.minutes * 60, args.peak_lr, args.compile)


def train(folder: Path, budget_s: float, peak_lr: float = PEAK_LR, compiled: bool = False, rows: int = ROWS) -> None:
    """Trains until `budget_s` seconds of work are used, going on from the checkpoint in the folder if there is one."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer()
    trainee = Trainee(tokenizer).to(torch.bfloat16)
    optimizer = MasterOptimizer(trainee, peak_lr)
    state = load_checkpoint(folder, NAME)
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
    if compiled:
        trainee.decode = torch.compile(trainee.decode)
    stream = batches(partial(make_batch, StreamOptions("train", rows, tokenizer)), optimizer.steps)
    held_back = [make_batch(StreamOptions("validation", rows, tokenizer), step) for step in range(VALIDATION_BATCHES)]
    run_until_spent(
        Run(NAME, folder, budget_s, rows, "rows", time.process_time),
        optimizer,
        state["spent_s"] if state else 0.0,
        state["history"] if state else {},
        lambda progress: train_step(trainee, optimizer, next(stream), progress),
        lambda: validate(trainee, optimizer, held_back),
    )


def train_step(trainee: Trainee, optimizer: MasterOptimizer, batch: Batch, progress: float) -> dict[str, Any]:
    """One forward, backward and update; returns the losses and the share of right last words for the log."""
    logits, predicted, early = trainee(batch)
    loss, last_words = story_loss(logits, predicted, batch)
    mentions = trainee.heads(early, batch)
    (loss + MENTIONS_WEIGHT * mentions).backward()
    norm = optimizer.step(progress)
    right, asked = map(sum, zip(*right_words(logits, predicted, batch).values(), strict=True))
    losses = {"loss": round(loss.item(), 3), "words": round(last_words.item(), 4), "mentions": round(mentions.item(), 3)}
    return losses | {"right": round(right / asked, 3), "norm": round(norm, 2)}


@torch.no_grad()
def validate(trainee: Trainee, optimizer: MasterOptimizer, held_back: list[Batch]) -> dict[str, float]:
    """The share of right last words that the averaged weights find: of all, by kind, by language."""
    backup = [weight.clone() for weight in optimizer.weights]
    copy_weights(optimizer.weights, optimizer.averaged)
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for batch in held_back:
        logits, predicted, _ = trainee(batch)
        for (kind, language), (good, count) in right_words(logits, predicted, batch).items():
            for key in ("all", kind, language):
                right[key] += good
                asked[key] += count
    copy_weights(optimizer.weights, backup)
    return {key: round(right[key] / count, 3) for key, count in asked.items() if count}


if __name__ == "__main__":
    main()
