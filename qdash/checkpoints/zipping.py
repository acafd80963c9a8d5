"""One zip file of a folder: weights do not get smaller by it, so they are stored as they are."""

import zipfile
from collections.abc import Generator
from pathlib import Path
from threading import Event

from qdash.errors import QdashError
from qdash.records import Step

_PIECE = 2**23  # bytes


def zip_folder(folder: Path, file: Path, name: str, stop: Event | None = None) -> Generator[Step, None, None]:
    """Write all of `folder` into the new `file`, below `name`, yielding progress; raises OSError, and QdashError("cancelled")."""
    sources = sorted(path for path in folder.rglob("*") if path.is_file())
    total, done = max(1, sum(path.stat().st_size for path in sources)), 0
    with zipfile.ZipFile(file, "x", zipfile.ZIP_STORED) as archive:
        for path in sources:
            entry = zipfile.ZipInfo.from_file(path, f"{name}/{path.relative_to(folder).as_posix()}")
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    if stop is not None and stop.is_set():
                        raise QdashError("Saving was stopped.", "Start again; nothing was left behind.", "cancelled")
                    target.write(piece)
                    done += len(piece)
                    yield Step(fraction=done / total, detail="writing the zip file")
