"""Folders of the cache that are made once: with progress, a look at the disk first, and a stop that works.

Everything goes into a folder beside the target, which gets its name when it is complete; a lock lets a second process wait for the first
instead of doing the same work.
"""

import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from qdash.checkpoints.disk import check_disk
from qdash.errors import QdashError
from qdash.records import Step
from qdash.remedies import TELL, by_reader

_LOCK = ".lock"
_VERSION = re.compile(r"[0-9a-f]{12}(\.part)?")

POLL_S = 0.1
STEP_S = 0.1
"""Seconds between two reports of progress."""

Steps = Generator[Step, None, None]


@dataclass(frozen=True)
class Making:
    """How a folder is made: `write` fills one that is empty with about `size_bytes` and yields progress; `is_complete` tells whether one
    that is there can be used. `stopped` is the error of a stop.
    """

    name: str
    size_bytes: int
    write: Callable[[Path], Steps]
    is_complete: Callable[[Path], bool]
    stopped: QdashError

    def check(self, stop: Event | None) -> None:
        """Raise `stopped` if `stop` is set."""
        if stop is not None and stop.is_set():
            raise self.stopped


def make_once(target: Path, making: Making, stop: Event | None = None) -> Generator[Step, None, Path]:
    """Make the folder `target`, named by twelve hexadecimal digits, unless it is there, yielding progress; returns it.

    Other versions beside it are removed. Raises QdashError: "download" if the disk is too small or fails, "cancelled" when `stop` is set;
    then nothing is left behind.
    """
    home = target.parent
    lock = FileLock(home / _LOCK)
    with _disk_errors(making.name):
        home.mkdir(parents=True, exist_ok=True)
        yield from _acquire(lock, making, stop)
    part = target.with_name(f"{target.name}.part")
    try:
        if making.is_complete(target):
            return target
        _clear(home)
        check_disk(making.name, making.size_bytes, home, "QDASH_CACHE_DIR")
        with _disk_errors(making.name):
            part.mkdir()
            yield from making.write(part)
            part.rename(target)
        return target
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()


def sweep(homes: Path) -> None:
    """Delete what killed processes have left below `homes`; what is being made stays."""
    for part in list(homes.rglob("*.part")):
        with suppress(OSError, Timeout), FileLock(part.parent / _LOCK).acquire(timeout=0):
            shutil.rmtree(part, ignore_errors=True)


def _acquire(lock: FileLock, making: Making, stop: Event | None) -> Steps:
    while True:
        making.check(stop)
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            yield Step(detail=f"waiting for another program that is making {making.name}")
            time.sleep(POLL_S)


def _clear(home: Path) -> None:
    """Remove versions of before, incomplete ones, and parts that a killed process left."""
    for old in home.iterdir():
        if _VERSION.fullmatch(old.name):
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = by_reader(owner="Free some space, or set QDASH_CACHE_DIR to another disk.", visitor=f"Choose another model. {TELL}")
        raise QdashError(f"{name} could not be saved: {error.strerror}.", said, "download") from None
