"""Files and folders that a process needs for a while: named by its number, so that what a killed process has left can be told and deleted.

A number is given again to other processes, in a container at every start. So what counts is whether the process with that number
was there already when the file was last changed.
"""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

CLOCK_S = 2.0
"""How far the start of a process, as the system tells it, may be from the time of a file."""

_OURS = re.compile(r"qdash-[a-z]+-(\d+)-\w+")


def prefix(what: str) -> str:
    """How the name of something begins that this process needs for a while; `what`: a word of small letters."""
    return f"qdash-{what}-{os.getpid()}-"


def scratch_folder(parent: Path, what: str) -> Path:
    """A new folder in `parent`, for this user alone; deleting it is the caller's affair."""
    return Path(tempfile.mkdtemp(prefix=prefix(what), dir=parent))


def sweep(parent: Path) -> None:
    """Delete what processes that are over have left in `parent`; whatever cannot be deleted stays."""
    with suppress(OSError):
        for entry in list(parent.iterdir()):
            found = _OURS.fullmatch(entry.name)
            if found and not entry.is_symlink() and _is_over(int(found[1]), entry.lstat().st_mtime):
                _delete(entry)


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
