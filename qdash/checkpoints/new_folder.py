"""A folder that a person asked for: whole, or not there.

It is filled beside its place, under a name that tells which process made it, and gets its own name when it is complete. What a killed
process has left beside it goes the next time something is made there. Nothing that is there is replaced unless that is asked for, and then
only what looks like a model.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qdash.checkpoints.disk import SPARE_BYTES, free_bytes
from qdash.errors import QdashError
from qdash.scratch import scratch_folder, sweep

_WHAT = "saving"
_OTHER = "Give another place, or free some space there."


@dataclass(frozen=True)
class NewFolder:
    """Where a model is to lie. `overwrite`: what lies there may be replaced; `zipped`: it is to be one file, `<path>.zip`, in place of
    a folder.
    """

    path: Path
    overwrite: bool = False
    zipped: bool = False

    @property
    def place(self) -> Path:
        """The folder or file that will be there."""
        return self.path.with_name(f"{self.path.name}.zip") if self.zipped else self.path

    def check(self, source: Path | None = None) -> None:
        """Raise QdashError if nothing can be made there; `source`: the folder of the model, which is never replaced."""
        place = self.place
        if source is not None and (place == source or place in source.parents or source in place.parents):
            raise QdashError(f"{place} holds the model itself, or lies in its folder.", "Give another place.")
        if not place.parent.is_dir():
            raise QdashError(f"There is no folder {place.parent}.", "Make it, or give another place.")
        if not os.access(place.parent, os.W_OK):
            raise QdashError(f"Nothing can be written in {place.parent}.", "Check its permissions, or give another place.")
        if _is_free(place):
            return
        if not self.overwrite:
            raise QdashError(f"{place} exists already.", "Give another place, or allow to replace it (on the command line: --overwrite).")
        if not (place.is_file() if self.zipped else (place / "config.json").is_file() and not place.is_symlink()):
            raise QdashError(f"{place} is not a saved model, so it is not replaced.", "Give another place, or remove it yourself.")

    def room_bytes(self) -> int:
        """What a model there may take; a zip file is made of a folder that is deleted afterwards, so both have to fit for a while."""
        return (free_bytes(self.path.parent) - SPARE_BYTES) // (2 if self.zipped else 1)

    def too_small(self, name: str, needed_bytes: int) -> QdashError:
        """The error for `needed_bytes` that do not fit."""
        needed = needed_bytes * (2 if self.zipped else 1)
        message = (
            f"{name} needs {needed / 2**30:.1f} GiB of disk; {self.path.parent} has {free_bytes(self.path.parent) / 2**30:.1f} GiB free."
        )
        return QdashError(message, _OTHER, "download")

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """An empty folder beside the place for as long as this lasts; `put` moves it, or a file in it, there. Then it is deleted."""
        sweep(self.path.parent)
        with disk_errors(self.place):
            part = scratch_folder(self.path.parent, _WHAT)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def put(self, made: Path) -> None:
        """Give `made`, a complete folder or file, its name."""
        with disk_errors(self.place):
            # Some libraries write for this user alone; whoever may read the place may read what is put there.
            mask = _umask()
            for path in (made, *made.rglob("*")):
                path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
            if _is_free(self.place) or self.place.is_file():
                made.replace(self.place)
                return
            # What was there goes once the new one has its name: a crash leaves one of the two.
            aside = scratch_folder(self.place.parent, _WHAT) / self.place.name
            self.place.rename(aside)
            made.rename(self.place)
            shutil.rmtree(aside.parent, ignore_errors=True)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that a person can act on."""
    try:
        yield
    except OSError as error:
        raise QdashError(f"{place} could not be written ({error.strerror or error}).", _OTHER, "download") from None


def _is_free(place: Path) -> bool:
    """Whether there is nothing, or an empty folder."""
    if place.is_dir() and not place.is_symlink():
        return not any(place.iterdir())
    return not os.path.lexists(place)


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
