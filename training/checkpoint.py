"""Checkpoints that survive a kill at any moment, and the pause file.

A checkpoint is written beside its name and then renamed, so a reader never sees half of one. A file named PAUSE in the
same folder makes training sleep until it is gone, so that someone can measure on a quiet machine.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(folder: Path, stage: str, state: dict[str, Any]) -> None:
    """Writes `<folder>/<stage>.pt` atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{stage}.pt.partial"
    torch.save(state, partial)
    partial.replace(folder / f"{stage}.pt")


def load_checkpoint(folder: Path, stage: str) -> dict[str, Any] | None:
    """The stage's last checkpoint, None when there is none."""
    path = folder / f"{stage}.pt"
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def wait_while_paused(folder: Path, poll_s: float = 2.0) -> float:
    """Sleeps while `<folder>/PAUSE` exists; returns the seconds slept."""
    started = time.monotonic()
    while (folder / "PAUSE").exists():
        time.sleep(poll_s)
    return time.monotonic() - started
