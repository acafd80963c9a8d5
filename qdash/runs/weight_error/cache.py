"""Measured weight errors, kept for each checkpoint and scheme."""

from pathlib import Path

from qdash.records import SchemeWeights, WorkerSpec
from qdash.runs import kept

VERSION = 1
"""Counts up when figures or histograms change their meaning."""


def find(spec: WorkerSpec, scheme: str) -> SchemeWeights | None:
    """The kept result for the checkpoint and device of `spec`, or None."""
    return kept.find(_place(spec, scheme), SchemeWeights)


def keep(spec: WorkerSpec, result: SchemeWeights) -> None:
    """Keep a result."""
    kept.keep(_place(spec, result.scheme), result)


def _place(spec: WorkerSpec, scheme: str) -> kept.Place:
    healed = [folder for folder in spec.healed if Path(folder).name.startswith(f"{scheme}-")]
    return kept.Place("weights", VERSION, spec, [scheme, *healed])
