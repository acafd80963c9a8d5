"""The configuration files of a located checkpoint, whose weights may not be here yet."""

import json
from pathlib import Path
from typing import Any

from qdash.checkpoints.record import Checkpoint
from qdash.checkpoints.tables import configured_folder
from qdash.errors import QdashError


def configuration(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json, and what is said of the processor, empty where nothing is; raises QdashError if the first cannot be had."""
    if checkpoint.folder is None and checkpoint.gguf is not None:
        message = "The memory for a context cannot be told for this model: its GGUF file has not been unpacked yet."
        raise QdashError(message, "Compare the model once, which unpacks it.", "unavailable")
    folder = configured_folder(checkpoint)
    found = _read(folder / "config.json")
    if not found:
        message = "The memory for a context cannot be told for this model: its config.json cannot be read."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint")
    return found, _read(folder / "processor_config.json") or _read(folder / "preprocessor_config.json")


def _read(file: Path) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
