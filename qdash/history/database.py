"""The file behind the history: SQLite with a write-ahead log, one connection an operation, so that a kill in the middle costs nothing kept.

Nothing a person has is ever thrown away here: a file that is damaged is moved aside under a name that says so, one of a newer qdash or of
another program is left alone, and either is said. Only then is there a reason to look at the file itself.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from qdash.errors import QdashError
from qdash.settings import settings

APPLICATION = int.from_bytes(b"qdas")
VERSION = 1
BUSY_S = 20.0
CHECKED_BYTES = 128 * 2**20
"""Files up to this size are checked as a whole when first opened; of larger ones, damage shows where it is read."""

SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at TEXT NOT NULL,
    model TEXT NOT NULL,
    labels TEXT NOT NULL,
    headline TEXT NOT NULL,
    asked TEXT NOT NULL,
    words TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    deleted_at REAL,
    share TEXT UNIQUE,
    share_prompt INTEGER NOT NULL DEFAULT 0,
    share_picture INTEGER NOT NULL DEFAULT 0,
    UNIQUE (owner, digest)
);
CREATE TABLE contents (
    number INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    picture BLOB,
    record TEXT NOT NULL
);
CREATE INDEX runs_in_order ON runs (owner, created_at);
CREATE INDEX runs_to_go ON runs (pinned, number, bytes);
"""

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_checked: set[tuple[int, int]] = set()


class DamagedHistory(QdashError):
    """The file was damaged and has been moved aside; the next operation begins a new one."""


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on the database at `path`, which is made if there is none; raises QdashError, DamagedHistory for a damaged file."""
    seen = _identity(path)
    try:
        with closing(_opened(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise _explained(error, path, seen) from None
    except OSError as error:
        raise _unusable(path, error.strerror or "unknown reason") from None


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _created(path)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # What a person deletes is to be gone, not to lie in free pages.
        connection.execute("PRAGMA secure_delete = ON")
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _created(path: Path) -> None:
    """An empty file for its owner alone: questions are nobody else's business, and the log takes the permissions of the file.

    Never on a file that is there: closing it here would end the locks that SQLite has on it for this process's other threads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """See that this is a history, of a version that is known; make it one if the file is empty."""
    if not _tables(connection) and not _pragma(connection, "application_id"):
        _create(connection)
    # Only read now: tables and numbers come in one transaction, which may have been another process's a moment ago.
    application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if application != APPLICATION:
        raise _refused(path, "is a database of another program", "Set QDASH_HISTORY to another file.")
    if version > VERSION:
        what = f"was written by a newer qdash (version {version} of the file, {VERSION} is known here)"
        raise _refused(path, what, "Update qdash, or set QDASH_HISTORY to another file.")
    _check(connection, path)


def _create(connection: sqlite3.Connection) -> None:
    _write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if not _tables(connection):  # another process may have been quicker
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Changing the journal does not wait for locks as everything else does."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Once in a process: a damaged index would not complain, it would leave runs out."""
    identity = _identity(path)
    if identity is None or identity in _checked or path.stat().st_size > CHECKED_BYTES:
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _damage(found)
    _checked.add(identity)


def _damage(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _tables(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _explained(error: sqlite3.DatabaseError, path: Path, seen: tuple[int, int] | None) -> QdashError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extended codes add
    if code in _DAMAGE:
        return _set_aside(path, seen)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return QdashError("The history is busy with something else.", "Try again in a moment.", "unavailable")
    return _unusable(path, str(error))


def _set_aside(path: Path, seen: tuple[int, int] | None) -> DamagedHistory:
    aside = path.with_name(f"{path.stem}-damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}{path.suffix}")
    if seen is None or seen == _identity(path):  # else another process has done so already
        # The log before the file, so that no new file is ever found beside an old log.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    message = f"The history was damaged. It is kept as {_spoken(aside)}, and a new one was begun."
    return DamagedHistory(message, f"Much of it can often be got back: sqlite3 {aside.name} .recover", "unavailable")


def _refused(path: Path, what: str, remedy: str) -> QdashError:
    return QdashError(f"The history {_spoken(path)} {what}. It is left as it is.", remedy, "unavailable")


def _unusable(path: Path, why: str) -> QdashError:
    message = f"The history {_spoken(path)} cannot be used ({why})."
    return QdashError(message, "Check the folder's permissions and free space, or set QDASH_HISTORY to another file.", "unavailable")


def _spoken(path: Path) -> str:
    """Strangers are not told where things lie on a server."""
    return path.name if settings().public else str(path)
