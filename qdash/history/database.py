"""The file behind the history: SQLite with a write-ahead log, one connection an operation, so that a kill in the middle costs nothing kept.

Network shares and mounted buckets may lack the shared memory that such a log takes: there the file has a rollback journal. Where it cannot
be written at all, the runs are kept in memory (see `memory`). The choice is made when a process first opens the file.

Nothing a person has is ever thrown away here: a file that is damaged is moved aside under a name that says so, one of a newer qdash or of
another program is left alone, and either is said. Only then is there a reason to look at the file itself.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal

from qdash.errors import QdashError
from qdash.history.memory import Memory, copy_in_memory
from qdash.history.schema import APPLICATION, VERSION, complete, create, pragma, tables
from qdash.remedies import TELL, by_reader
from qdash.settings import settings

BUSY_S = 20.0
CHECKED_BYTES = 128 * 2**20
"""Files up to this size are checked as a whole when first opened; of larger ones, damage shows where it is read."""

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PASSING = (*_BUSY, sqlite3.SQLITE_FULL)
"""Conditions that pass: another process's lock, a full disk."""
_WITHOUT_SHARED_MEMORY = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL)
"""How a write-ahead log fails where it cannot share memory."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

Journal = Literal["WAL", "DELETE"]
_proven: set[tuple[int, int]] = set()
"""Files that this process has checked and written. A later failure of one is reported, and the next operation tries the file again."""
_memories: dict[Path, Memory] = {}
_deciding = Lock()


class DamagedHistory(QdashError):
    """The file was damaged and has been moved aside; the next operation begins a new one."""


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on the database at `path`, which is made if there is none; raises QdashError, DamagedHistory for a damaged file."""
    seen = _identity(path)
    try:
        opened = _opened(path)
        if isinstance(opened, Memory):
            with opened.transaction() as connection:
                yield connection
            return
        with closing(opened) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise _explained(error, path, seen) from None
    except OSError as error:
        raise _unusable(path, error.strerror or "unknown reason") from None


def why_in_memory(path: Path) -> QdashError | None:
    """Why runs are kept in memory and not in the file, and the remedy; None where the file is used. Raises QdashError as `connected`."""
    if path not in _memories and _identity(path) not in _proven:
        with connected(path):
            pass
    memory = _memories.get(path)
    return _unusable(path, memory.reason) if memory else None


def _opened(path: Path) -> sqlite3.Connection | Memory:
    if path not in _memories and _identity(path) in _proven:
        return _with_journal(path, "WAL")
    with _deciding:
        return _memories[path] if path in _memories else _decided(path)


def _decided(path: Path) -> sqlite3.Connection | Memory:
    try:
        return _with_some_journal(path)
    except sqlite3.OperationalError as error:
        if _code(error) in _PASSING:
            raise
        return _in_memory(path, str(error))
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return _in_memory(path, error.strerror or "unknown reason")


def _with_some_journal(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _created(path)
    try:
        return _with_journal(path, "WAL")
    except sqlite3.OperationalError as error:
        if _code(error) not in _WITHOUT_SHARED_MEMORY:
            raise
        failure = error
    try:
        _leave_write_ahead(path)
        return _with_journal(path, "DELETE")
    except sqlite3.OperationalError as error:
        raise (error if _code(error) in _PASSING else failure) from None


def _leave_write_ahead(path: Path) -> None:
    """Give the file a rollback journal. SQLite needs no shared memory while it has a file to itself."""
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")


def _with_journal(path: Path, journal: Journal) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # What a person deletes is to be gone, not to lie in free pages.
        connection.execute("PRAGMA secure_delete = ON")
        _prepare(connection, path, journal)
    except BaseException:
        connection.close()
        raise
    return connection


def _in_memory(path: Path, reason: str) -> Memory:
    """The database in memory that stands in for the file from now on, with its runs as far as they can be read."""
    _memories[path] = Memory(_set_up(copy_in_memory(path, CHECKED_BYTES), path), reason)
    return _memories[path]


def _set_up(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        if not tables(connection):
            create(connection)
        _recognize(connection, path)
        complete(connection)
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


def _prepare(connection: sqlite3.Connection, path: Path, journal: Journal) -> None:
    """See that this is a history, of a version that is known, and that it can be written; make it one if the file is empty."""
    if not tables(connection) and not pragma(connection, "application_id"):
        if journal == "WAL":
            _write_ahead(connection)
        create(connection)
    # Only read now: tables and numbers come in one transaction, which may have been another process's a moment ago.
    _recognize(connection, path)
    identity = _identity(path)
    if identity is not None and identity not in _proven:
        _check(connection, path)
        _rewrite(connection)
        _proven.add(identity)


def _recognize(connection: sqlite3.Connection, path: Path) -> None:
    application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    if application != APPLICATION:
        raise _refused(path, "is a database of another program", by_reader(owner="Set QDASH_HISTORY to another file.", visitor=TELL))
    if version > VERSION:
        what = f"was written by a newer qdash (version {version} of the file; this qdash reads up to {VERSION})"
        raise _refused(path, what, by_reader(owner="Update qdash, or set QDASH_HISTORY to another file.", visitor=TELL))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Changing the journal does not wait for locks as everything else does."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Once in a process: a damaged index would not complain, it would leave runs out."""
    if path.stat().st_size > CHECKED_BYTES:
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _damage(found)


def _rewrite(connection: sqlite3.Connection) -> None:
    """Write, if only what is there: on some disks reading and locking work, and writing does not."""
    connection.execute("BEGIN IMMEDIATE")
    complete(connection)
    connection.execute(f"PRAGMA user_version = {pragma(connection, 'user_version')}")
    connection.execute("COMMIT")


def _damage(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extended codes add


def _explained(error: sqlite3.DatabaseError, path: Path, seen: tuple[int, int] | None) -> QdashError:
    if _code(error) in _DAMAGE:
        try:
            return _set_aside(path, seen)
        except OSError as failure:
            return _unusable(path, f"damaged, and it cannot be moved aside: {failure.strerror}")
    if _code(error) in _BUSY:
        return QdashError("The history is busy with something else.", "Try again in a moment.", "unavailable")
    return _unusable(path, str(error))


def _set_aside(path: Path, seen: tuple[int, int] | None) -> DamagedHistory:
    aside = path.with_name(f"{path.stem}-damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}{path.suffix}")
    if seen is None or seen == _identity(path):  # else another process has done so already
        # The log before the file, so that no new file is ever found beside an old log.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    message = f"The history was damaged. It is kept as {_spoken(aside)}, and a new one was started."
    recover = f"Much of it can often be recovered: sqlite3 {aside.name} .recover"
    return DamagedHistory(message, by_reader(owner=recover, visitor=TELL), "unavailable")


def _refused(path: Path, what: str, what_to_do: str) -> QdashError:
    return QdashError(f"The history {_spoken(path)} {what}. It was not changed.", what_to_do, "unavailable")


def _unusable(path: Path, why: str) -> QdashError:
    message = f"The history {_spoken(path)} cannot be used ({why})."
    check = "Check the folder's permissions and free space, or set QDASH_HISTORY to another file."
    return QdashError(message, by_reader(owner=check, visitor=TELL), "unavailable")


def _spoken(path: Path) -> str:
    """Strangers are not told where things lie on a server."""
    return path.name if settings().public else str(path)
