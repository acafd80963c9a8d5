"""Who is running what: the one piece of state that outlives an event, because Stop and closing the tab come as events of their own."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock


@dataclass
class Sessions:
    """Stop flags and a folder for files, per browser tab."""

    _stops: dict[str, set[Event]] = field(default_factory=dict)
    _named: dict[tuple[str, str], Event] = field(default_factory=dict)
    _folders: dict[str, Path] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def start(self, session: str, only: str = "") -> Event:
        """A stop flag for something that begins now. Of what begins under a name, `only` the last goes on: the one before is stopped."""
        stop = Event()
        with self._lock:
            self._stops.setdefault(session, set()).add(stop)
            before = self._named.get((session, only)) if only else None
            if only:
                self._named[session, only] = stop
        if before is not None:
            before.set()
        return stop

    def finish(self, session: str, stop: Event) -> None:
        """What `stop` belonged to is over."""
        with self._lock:
            self._stops.get(session, set()).discard(stop)

    def stop(self, session: str) -> None:
        """Stop everything that runs in this tab, and nothing else."""
        with self._lock:
            running = list(self._stops.get(session, ()))
        for flag in running:
            flag.set()

    def folder(self, session: str) -> Path:
        """A folder for this tab's exports."""
        with self._lock:
            if session not in self._folders:
                self._folders[session] = Path(tempfile.mkdtemp(prefix="qdash-"))
            return self._folders[session]

    def close(self, session: str) -> None:
        """The tab is gone."""
        self.stop(session)
        with self._lock:
            self._stops.pop(session, None)
            self._named = {key: stop for key, stop in self._named.items() if key[0] != session}
            folder = self._folders.pop(session, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
