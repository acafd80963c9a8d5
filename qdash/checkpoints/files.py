"""The files of a checkpoint, a folder or a hub repository seen alike, and what every check needs: reading, and how faults are said."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from qdash.checkpoints.record import TensorInfo
from qdash.errors import QdashError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class Files(Protocol):
    """The files of a checkpoint, wherever they are. `where` names it in messages; `sizes` maps each name to its bytes."""

    where: str
    sizes: Mapping[str, int]

    def read(self, name: str) -> bytes:
        """The contents of a small file; raises QdashError if it cannot be had."""
        ...

    def header(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors of a safetensors file; raises QdashError if its header is corrupt or the file too short for it."""
        ...

    def equal(self, first: tuple[str, str], second: tuple[str, str]) -> bool | None:
        """Whether two tensors, each a file and a name in it, hold the same bytes; None if their values are not here to be compared."""
        ...


def read_json(files: Files, name: str) -> dict[str, Any]:
    """Parse a JSON object; raises QdashError naming the file if it is none."""
    try:
        data = json.loads(files.read(name))
    except (ValueError, RecursionError) as error:
        raise damaged(files, name, f"it is not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise damaged(files, name, "it holds no JSON object")
    return data


def damaged(files: Files, name: str, why: str) -> QdashError:
    """The refusal of a file that cannot be used."""
    return QdashError(f"{files.where} holds a damaged {name}: {why}.", "Download or copy the checkpoint again.", "checkpoint")


def listed(names: Iterable[str], limit: int = 3) -> str:
    """The first `limit` names in order, and how many more there are."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:limit])
    return shown + (f" and {len(ordered) - limit} more" if len(ordered) > limit else "")
