"""Files and folders that a process needs for a while: named by its number, so that what a killed process has left can be told and deleted.

A number is given again to other processes, in a container at every start. So what counts is whether the process with that number
was there already when the file was last changed. Machines and containers may share a folder, so the name tells the machine as well.
"""

import os
import platform
import re
import shutil
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import psutil

CLOCK_S = 2.0
"""How far the start of a process, as the system tells it, may be from the time of a file."""

ELSEWHERE_S = 24 * 3600.0
"""After this many seconds without a change, the files of a process on another machine or container in a shared folder count as
abandoned."""

_NAME = re.compile(r"qdash-[a-z]+-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+")


def prefix(what: str) -> str:
    """How the name of something begins that this process needs for a while; `what`: a word of small letters."""
    return f"qdash-{what}-{_machine()}-{os.getpid()}-"


def scratch_folder(parent: Path, what: str) -> Path:
    """A new folder in `parent`, for this user alone; deleting it is the caller's affair."""
    return Path(tempfile.mkdtemp(prefix=prefix(what), dir=parent))


def sweep(parent: Path) -> None:
    """Delete what processes of this machine that are over have left in `parent`; whatever cannot be deleted stays."""
    entries: list[Path] = []
    with suppress(OSError):
        entries = list(parent.iterdir())
    for entry in entries:
        with suppress(OSError):
            found, changed_s = _NAME.fullmatch(entry.name), entry.lstat().st_mtime
            if found and not entry.is_symlink() and _is_left(found["machine"], int(found["process"]), changed_s):
                _delete(entry)


def _is_left(machine: str, process: int, changed_s: float) -> bool:
    """Whether nobody needs what `process` of `machine` made: of another machine's processes nothing is known, so only its age tells."""
    return _is_over(process, changed_s) if machine == _machine() else time.time() - changed_s > ELSEWHERE_S


def _machine() -> str:
    """A short name for this machine, or this container."""
    return sha256(platform.node().encode()).hexdigest()[:8]


def _is_over(process: int, changed_s: float) -> bool:
    try:
        found = psutil.Process(process)
        # One that nobody has asked about its end, as happens in containers, is over too.
        return found.status() == psutil.STATUS_ZOMBIE or found.create_time() > changed_s + CLOCK_S
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _delete(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
