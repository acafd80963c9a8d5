"""A history in memory, for as long as the process lives: where the file cannot be used, as on a read-only disk or a share without locks.

It starts as a copy of the file, if the file can be read. One connection serves all threads, one at a time.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock


@dataclass(frozen=True)
class Memory:
    """A database at `connection`; `reason`: why the file cannot be used, in the system's words."""

    connection: sqlite3.Connection
    reason: str
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, alone with it; what is done is undone if it ends with an exception."""
        with self._lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


def copy_in_memory(path: Path, most_bytes: int) -> sqlite3.Connection:
    """A database in memory: a copy of the one at `path`, if that can be read, is sound and has at most `most_bytes`, else an empty one."""
    with suppress(sqlite3.Error, OSError):
        if path.stat().st_size <= most_bytes:
            return _copied(path)
    return _empty()


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _copied(path: Path) -> sqlite3.Connection:
    copy = _empty()
    try:
        # Immutable: read without locks, which the disk may not have.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as source:
            source.backup(copy)
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError(f"{path} is damaged")
    except BaseException:
        copy.close()
        raise
    return copy
