"""A look at the disk before something large is written to it."""

import shutil
from pathlib import Path

from qdash.errors import QdashError
from qdash.remedies import by_reader
from qdash.settings import settings

SPARE_BYTES = 256 * 2**20  # nobody wants a disk filled to the last byte


def free_bytes(folder: Path) -> int:
    """What is free where `folder` is or will be."""
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free


def check_disk(name: str, needed_bytes: int, folder: Path, setting: str) -> None:
    """Raise QdashError("download") if `needed_bytes` for `name` do not fit in `folder`, which the variable `setting` would move."""
    free = free_bytes(folder)
    if free < needed_bytes + SPARE_BYTES:
        where = "this server" if settings().public else folder
        message = f"{name} needs {needed_bytes / 2**30:.1f} GiB of disk; {where} has {free / 2**30:.1f} GiB free."
        free_some = f"Free some space, set {setting} to another disk, or choose a smaller model."
        said = by_reader(owner=free_some, visitor="Choose a smaller model.")
        raise QdashError(message, said, "download")
