"""The clockwork around training steps: a budget of minutes, a line of log now and then, checkpoints, the pause file.

A budget in time rather than steps means the learning rate reaches zero when the clock does. The clock is the wall's, or, where
training only gets what other work leaves, the processor's: `time.process_time` counts the work of all threads and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.checkpoint import save_checkpoint, wait_while_paused
from training.optimizer import MasterOptimizer

SAVE_EVERY_S = 150.0
LOG_EVERY = 20


@dataclass(frozen=True)
class Run:
    """What a run works on: its name, the folder of its checkpoints, its budget by a clock, and how many samples a step has."""

    name: str
    folder: Path
    budget_s: float
    samples: int
    unit: str
    clock: Callable[[], float] = time.monotonic


def run_until_spent(
    run: Run,
    optimizer: MasterOptimizer,
    spent_s: float,
    history: dict[str, Any],
    step: Callable[[float], dict[str, Any]],
    validate: Callable[[], dict[str, Any]],
) -> None:
    """Calls `step` with the progress (0–1) until the budget is spent; saves, then prints what `validate` finds, every `SAVE_EVERY_S`.

    Checkpoints hold "spent_s", "optimizer" and the given "history". Time paused is not counted.
    """
    saved_s, window = spent_s, time.monotonic()
    while spent_s < run.budget_s:
        started = run.clock()
        report = step(spent_s / run.budget_s)
        spent_s += run.clock() - started
        if optimizer.steps % LOG_EVERY == 0:
            rate = LOG_EVERY * run.samples / (time.monotonic() - window)
            print(f"{run.name} step {optimizer.steps} {spent_s / 60:.1f} min {rate:.0f} {run.unit}/s {report}", flush=True)
            window = time.monotonic()
        if spent_s - saved_s > SAVE_EVERY_S or spent_s >= run.budget_s:
            saved_s = spent_s
            save_checkpoint(run.folder, run.name, {"spent_s": spent_s, "optimizer": optimizer.state_dict(), "history": history})
            print(f"{run.name} {spent_s / 60:.1f} min validation {validate()}", flush=True)
        wait_while_paused(run.folder)
