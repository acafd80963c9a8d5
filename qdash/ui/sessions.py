"""What a tab has: files to take away, and what is read for it alone and is over with it. What it has started besides is in `runs`."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock


@dataclass
class Sessions:
    """Stop flags, by name, and a folder for files, per browser tab."""

    _stops: dict[tuple[str, str], Event] = field(default_factory=dict)
    _folders: dict[str, Path] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def start(self, session: str, name: str) -> Event:
        """A stop flag for something that begins now; what began under the same name before is stopped."""
        stop = Event()
        with self._lock:
            before = self._stops.get((session, name))
            self._stops[session, name] = stop
        if before is not None:
            before.set()
        return stop

    def stop(self, session: str, name: str) -> None:
        """Stop what runs under this name in this tab, and nothing else."""
        with self._lock:
            flag = self._stops.get((session, name))
        if flag is not None:
            flag.set()

    def folder(self, session: str) -> Path:
        """A folder for this tab's exports."""
        with self._lock:
            if session not in self._folders:
                self._folders[session] = Path(tempfile.mkdtemp(prefix="qdash-"))
            return self._folders[session]

    def close(self, session: str) -> None:
        """The tab is gone."""
        with self._lock:
            mine = [key for key in self._stops if key[0] == session]
            flags = [self._stops.pop(key) for key in mine]
            folder = self._folders.pop(session, None)
        for flag in flags:
            flag.set()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
