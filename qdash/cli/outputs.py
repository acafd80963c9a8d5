"""The files a command writes. They are checked before anything runs, so that no result is lost."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdash.errors import QdashError
from qdash.whole_files import write_whole

STDOUT = "-"


@dataclass(frozen=True)
class Outputs:
    """`paths`: option ("json") → file; "-" is standard output, None not wanted."""

    paths: Mapping[str, str | None]

    def check(self) -> None:
        """Raise QdashError if one of the files could not be written."""
        wanted = [path for path in self.paths.values() if path is not None]
        if len(set(wanted)) < len(wanted):
            raise QdashError("Two outputs go to the same file.", "Give each its own.")
        for option, path in self.paths.items():
            if path not in (None, STDOUT):
                _check(f"--{option}", Path(path))

    @property
    def to_stdout(self) -> bool:
        """Whether standard output carries a file's contents only."""
        return STDOUT in self.paths.values()

    def write(self, record: Any, writers: Mapping[str, Callable[[Any], str]]) -> None:
        """Write the wanted files of `record`; `writers`: option → text of the file."""
        for option, path in self.paths.items():
            if path is None:
                continue
            text = writers[option](record)
            if path == STDOUT:
                sys.stdout.write(text)
            else:
                _write(f"--{option}", Path(path), text)


def _check(option: str, path: Path) -> None:
    folder = path.absolute().parent
    if path.is_dir():
        raise QdashError(f"{option} {path} is a folder.", "Give the name of a file.")
    if not folder.is_dir():
        raise QdashError(f"{option} {path}: there is no folder {folder}.", "Make it, or give another.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise QdashError(f"{option} {path} cannot be written.", "Check its permissions, or give another.")


def _write(option: str, path: Path, text: str) -> None:
    try:
        _replace(path, text)
    except OSError as error:
        raise QdashError(f"{option} {path} could not be written ({error.strerror}).", "Free some space or give another.") from None


def _replace(path: Path, text: str) -> None:
    """Write the file, replacing the old one only when the new one is complete; CSV has its own line ends."""
    if (path.exists() and not path.is_file()) or not os.access(path.resolve().parent, os.W_OK):
        path.write_text(text, encoding="utf-8", newline="")  # a device or a pipe, or a file that may be written in a folder that may not
    else:
        path = path.resolve()
        write_whole(path, text, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
