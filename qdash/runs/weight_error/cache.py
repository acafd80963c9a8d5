"""Measured weight errors, kept on disk so that they are there at once the next time: one JSON file for each checkpoint and scheme.

A file's name is a digest of everything its result depends on, so no file is ever out of date; the least recently used are deleted when
there are too many. A cache that cannot be read or written costs time, never a result.
"""

import json
import logging
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from qdash import __version__
from qdash.catalog.schemes import libraries
from qdash.machine import this_machine
from qdash.records import SchemeWeights, WorkerSpec
from qdash.settings import settings
from qdash.whole_files import write_whole

VERSION = 1
"""Counts up when figures or histograms change their meaning."""

MOST_BYTES = 256 * 2**20


def find(spec: WorkerSpec, scheme: str) -> SchemeWeights | None:
    """The cached result for the checkpoint and device of `spec`, or None."""
    path = _path(spec, scheme)
    try:
        found = SchemeWeights.model_validate_json(path.read_bytes())
        os.utime(path)  # it was used just now
    except (OSError, ValidationError):
        return None
    return found


def keep(spec: WorkerSpec, result: SchemeWeights) -> None:
    """Keep a result, all of it or nothing, and make room for it."""
    path = _path(spec, result.scheme)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, result.model_dump_json())
    except OSError as error:
        logging.getLogger("qdash").info("the weight error under a scheme was not cached: %s", error)
        return
    with suppress(OSError):  # others may delete files meanwhile
        _make_room(path.parent)


def _path(spec: WorkerSpec, scheme: str) -> Path:
    packages = this_machine().packages
    versions = {name: packages.get(name) for name in libraries()}
    place = this_machine().on(spec.device)
    known = [VERSION, __version__, spec.folder, spec.revision, spec.device, spec.dtype, scheme, versions, place.device_name, place.platform]
    return settings().cache_dir / "weights" / f"{sha256(json.dumps(known).encode()).hexdigest()[:32]}.json"


def _make_room(folder: Path) -> None:
    newest_first = sorted(((entry.stat(), entry) for entry in folder.iterdir()), key=lambda file: file[0].st_mtime, reverse=True)
    total = 0
    for status, entry in newest_first:
        total += status.st_size
        if total > MOST_BYTES:
            with suppress(OSError):
                entry.unlink()
