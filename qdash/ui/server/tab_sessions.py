"""What belongs to one tab: files to download, and streams that end with it. Runs that a tab has started are in `runs`.

Each process has one folder for all of them, deleted at its end; the next process deletes what a killed one left.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from qdash.scratch import scratch_folder
from qdash.ui.server.file_quota import make_room

Item = TypeVar("Item")


@dataclass
class Sessions:
    """Stop flags, by name, and a folder for files, per browser tab. `is_here` tells whether a tab still listens.

    All files together take `most_bytes` at most before another is written, the oldest go first; None: any number.
    """

    is_here: Callable[[str], bool] = lambda session: True
    most_bytes: int | None = None
    _parent: Path | None = None
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

    def stream(self, session: str, name: str, items: Callable[[Event], Iterator[Item]]) -> Iterator[Item]:
        """What `items` yields, given a stop flag as from `start`. The flag is set once the stream is left, however that happens."""
        stop = self.start(session, name)
        try:
            yield from items(stop)
        finally:
            stop.set()

    def stop(self, session: str, name: str) -> None:
        """Stop what runs under this name in this tab, and nothing else."""
        with self._lock:
            flag = self._stops.get((session, name))
        if flag is not None:
            flag.set()

    def folder(self, session: str) -> Path:
        """A folder for this tab's exports. Those of tabs that are gone are deleted."""
        with self._lock:
            gone = [other for other in {*self._folders, *(tab for tab, _ in self._stops)} - {session} if not self.is_here(other)]
        for other in gone:
            self.close(other)
        with self._lock:
            if self._parent is None:
                self._parent = _parent_folder()
            if self.most_bytes is not None:
                make_room(self._parent, self.most_bytes)
            folder = self._folders.get(session)
            if folder is None or not folder.is_dir():
                folder = self._folders[session] = Path(tempfile.mkdtemp(dir=self._parent))
            return folder

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


def _parent_folder() -> Path:
    """A folder that only this user can read, in the system's folder for temporary files: Gradio serves files from there."""
    parent = scratch_folder(Path(tempfile.gettempdir()), "exports")
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    return parent
