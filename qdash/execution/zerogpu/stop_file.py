"""A stop signal that reaches a process which is forked already: a file that is there, or not. Asking costs microseconds."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StopFile:
    """Set once the file at `path` exists. Picklable, as `threading.Event` is not."""

    path: str

    def is_set(self) -> bool:
        """Whether to stop."""
        return os.path.exists(self.path)

    def set(self) -> None:
        """Ask to stop. Without effect once the folder is gone, as then nothing runs any more."""
        with suppress(FileNotFoundError):
            Path(self.path).touch()
