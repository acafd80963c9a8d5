"""Folders that no other user of this machine may read or write, because code is loaded from them and they hold private files."""

import os
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make the folder `path` if it is missing, and close it to all other users; raises OSError if it is another user's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        check_own(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    return path


def check_own(path: Path) -> None:
    """Raise OSError if `path` is another user's, or one that others may write."""
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if not path.is_dir() and status.st_mode & 0o022:
        raise PermissionError(f"{path} can be written by other users")
