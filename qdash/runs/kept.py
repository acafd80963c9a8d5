"""Results kept on disk so that they are there at once the next time: one JSON file each, in a folder for each kind.

A file's name is a digest of everything its result depends on, so no file is ever out of date; the least recently used are deleted when
there are too many. What cannot be read or written costs time, never a result.
"""

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from qdash import __version__
from qdash.catalog.schemes import libraries
from qdash.machine import this_machine
from qdash.records import Record, WorkerSpec
from qdash.settings import settings
from qdash.whole_files import write_whole

MOST_BYTES = 256 * 2**20
"""Of one kind."""

Kept = TypeVar("Kept", bound=Record)


@dataclass(frozen=True)
class Place:
    """Where the result of `kind` lies that the worker of `spec` made of `subject`. `version` counts up when its figures change meaning."""

    kind: str
    version: int
    spec: WorkerSpec
    subject: str | list[Any]

    @property
    def path(self) -> Path:
        """The file."""
        packages, spec = this_machine().packages, self.spec
        versions = {name: packages.get(name) for name in libraries()}
        place = this_machine().on(spec.device)
        known = [
            self.version, __version__, spec.revision, spec.device, spec.dtype, self.subject, versions,
            place.device_name, place.platform,
        ]  # fmt: skip
        return settings().cache_dir / self.kind / f"{sha256(json.dumps(known).encode()).hexdigest()[:32]}.json"


def find(place: Place, kind: type[Kept]) -> Kept | None:
    """The kept result, or None."""
    path = place.path
    try:
        found = kind.model_validate_json(path.read_bytes())
        os.utime(path)  # it was used just now
    except (OSError, ValidationError):
        return None
    return found


def keep(place: Place, result: Record) -> None:
    """Keep a result, all of it or nothing, and make room for it."""
    path = place.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, result.model_dump_json())
    except OSError as error:
        logging.getLogger("qdash").info("a result of the kind “%s” was not kept: %s", place.kind, error)
        return
    with suppress(OSError):  # others may delete files meanwhile
        _make_room(path.parent)


def _make_room(folder: Path) -> None:
    newest_first = sorted(((entry.stat(), entry) for entry in folder.iterdir()), key=lambda file: file[0].st_mtime, reverse=True)
    total = 0
    for status, entry in newest_first:
        total += status.st_size
        if total > MOST_BYTES:
            with suppress(OSError):
                entry.unlink()
