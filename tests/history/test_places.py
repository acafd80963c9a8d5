"""Disks without shared memory, read-only, full or failing: what can be kept is kept, and it is told where."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.history import History, database
from qdash.history.memory import Memory
from tests.history.examples import ROOMY, comparison, history_in
from tests.report.examples import COMPARISON

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")


def _failure(words: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


def _answers(connection: sqlite3.Connection) -> sqlite3.Cursor:
    return connection.execute("PRAGMA journal_mode")


def _breaks(code: int, words: str) -> Callable[[sqlite3.Connection], sqlite3.Cursor]:
    def broken(_connection: sqlite3.Connection) -> sqlite3.Cursor:
        raise _failure(words, code)

    return broken


IOERR_SHMMAP = sqlite3.SQLITE_IOERR | 21 << 8
WITHOUT_SHARED_MEMORY = {
    "says no": _answers,
    "cannot map": _breaks(IOERR_SHMMAP, "disk I/O error"),
    "cannot lock": _breaks(sqlite3.SQLITE_PROTOCOL, "locking protocol"),
}

Disk = Callable[..., None]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """`disk("PRAGMA …", what)`: statements that begin so are answered by `what(connection)`, in every connection from now on."""
    connect = sqlite3.connect

    def installed(beginning: str, what: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> None:
        class Odd(sqlite3.Connection):
            def execute(self, sql: str, *values) -> sqlite3.Cursor:
                if sql.startswith(beginning) and not self._in_memory():
                    return what(self)
                return super().execute(sql, *values)

            def _in_memory(self) -> bool:
                return super().execute("PRAGMA database_list").fetchone()[2] == ""

        monkeypatch.setattr(sqlite3, "connect", lambda *given, **options: connect(*given, **{"factory": Odd, **options}))

    return installed


def _journal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Forget what this process knows about files, as when it begins."""
    lives: list[dict[Path, Memory]] = []

    def forget() -> None:
        lives.append({})
        monkeypatch.setattr(database, "_proven", set())
        monkeypatch.setattr(database, "_memories", lives[-1])

    forget()
    yield forget
    for memories in lives:
        for memory in memories.values():
            memory.connection.close()


@pytest.mark.parametrize("how", WITHOUT_SHARED_MEMORY)
def test_without_shared_memory_the_file_has_a_rollback_journal(
    how: str, tmp_path: Path, disk: Disk, restarted: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk("PRAGMA journal_mode = WAL", WITHOUT_SHARED_MEMORY[how])
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    assert history.why_in_memory() is None and history.path.exists()
    restarted()
    monkeypatch.undo()
    assert _journal(history.path) == "delete"
    assert history_in(tmp_path).open(key).record == COMPARISON


def test_with_shared_memory_the_log_is_written_ahead(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history.keep(COMPARISON)
    assert _journal(history.path) == "wal"


@pytest.mark.parametrize(("code", "words"), [(IOERR_SHMMAP, "disk I/O error"), (sqlite3.SQLITE_CANTOPEN, "unable to open database file")])
def test_a_file_that_comes_from_a_disk_with_shared_memory_loses_its_log_and_no_run(
    code: int, words: str, tmp_path: Path, disk: Disk, restarted: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    restarted()
    plain = sqlite3.connect

    def reads(connection: sqlite3.Connection) -> sqlite3.Cursor:
        with closing(plain(history.path)) as other:
            logged = other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        if logged:
            raise _failure(words, code)
        return sqlite3.Cursor(connection).execute("SELECT count(*) FROM sqlite_master")

    disk("SELECT count(*) FROM sqlite_master", reads)
    assert history.open(key).record == COMPARISON and history.why_in_memory() is None
    monkeypatch.undo()
    assert _journal(history.path) == "delete"


FAILURES = [
    (sqlite3.SQLITE_IOERR, "disk I/O error"),
    (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    (sqlite3.SQLITE_PROTOCOL, "locking protocol"),
    (sqlite3.SQLITE_NOLFS, "large file support is disabled"),
]


@pytest.mark.parametrize(("code", "words"), FAILURES)
@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "COMMIT", "PRAGMA user_version = "])
def test_where_nothing_can_be_written_runs_are_kept_in_memory(
    statement: str, code: int, words: str, tmp_path: Path, disk: Disk, restarted: Callable[[], None]
) -> None:
    disk(statement, _breaks(code, words))
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    why = history.why_in_memory()
    assert why is not None and f"{history.path} cannot be used ({words})" in why.message and "QDASH_HISTORY" in why.remedy
    assert history_in(tmp_path).open(key).record == COMPARISON, "another History of this process has the same runs"
    assert history.delete([key]) == 1 and history.undelete([key]) == 1
    history.pin(key, True)
    assert history.listing().entries[0].pinned


def test_the_runs_of_a_file_that_cannot_be_written_are_there(tmp_path: Path, disk: Disk, restarted: Callable[[], None]) -> None:
    history = history_in(tmp_path)
    first = history.keep(comparison(1))
    before = history.path.read_bytes()
    restarted()
    disk("BEGIN IMMEDIATE", _breaks(*FAILURES[1]))
    second = history.keep(comparison(2))
    assert history.why_in_memory() is not None
    assert history.all_keys() == [second, first] and history.open(first).record == comparison(1)
    assert history.path.read_bytes() == before


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Root may write anywhere; for as long as this lasts, the test is somebody else's."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a history of one run, which nobody may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = history_in(folder)
        history.keep(comparison(1))
        history.path.chmod(0o444)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@posix
def test_a_read_only_folder_is_read(read_only: Path, restarted: Callable[[], None]) -> None:
    with _unprivileged():
        history = history_in(read_only)
        assert history.listing().total == 1
        history.keep(comparison(2))
        assert history.listing().total == 2
        why = history.why_in_memory()
        new = History(read_only / "new.sqlite3", ROOMY)
        new.keep(comparison(3))
    assert why is not None and "readonly" in why.message
    assert new.why_in_memory() is not None and not new.path.exists()


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, restarted: Callable[[], None]) -> None:
    (tmp_path / "file").write_text("in the way")
    history = History(tmp_path / "file" / "history.sqlite3", ROOMY)
    key = history.keep(COMPARISON)
    why = history.why_in_memory()
    assert why is not None and str(history.path) in why.message and "File exists" in why.message and "QDASH_HISTORY" in why.remedy
    assert history.open(key).record == COMPARISON


def test_another_programs_database_is_not_copied(tmp_path: Path, disk: Disk) -> None:
    history = history_in(tmp_path)
    with closing(sqlite3.connect(history.path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    disk("PRAGMA foreign_keys", _breaks(*FAILURES[0]))
    for _ in range(2):
        with pytest.raises(QdashError, match="another program"):
            history.keep(COMPARISON)


def test_a_damaged_file_that_cannot_be_moved_aside_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = history_in(tmp_path)
    history.path.write_bytes(b"this is no database, but somebody's bytes" * 100)

    def refuse(_path: Path, _target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(QdashError, match="damaged, and it cannot be moved aside: Operation not permitted"):
        history.listing()


def test_a_full_disk_is_told_and_tried_again(tmp_path: Path, disk: Disk) -> None:
    history = history_in(tmp_path)
    first = history.keep(comparison(1))
    room = 0

    def begin(connection: sqlite3.Connection) -> sqlite3.Cursor:
        cursor = sqlite3.Cursor(connection)
        cursor.execute(f"PRAGMA max_page_count = {cursor.execute('PRAGMA page_count').fetchone()[0] + room}")
        return cursor.execute("BEGIN IMMEDIATE")

    disk("BEGIN IMMEDIATE", begin)
    with pytest.raises(QdashError, match="full"):
        history.keep(comparison(2))
    assert history.why_in_memory() is None and history.all_keys() == [first]
    room = 1000
    history.keep(comparison(2))
    assert history.listing().total == 2


def test_a_disk_that_fails_later_is_told_and_tried_again(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    history = history_in(tmp_path)
    first = history.keep(comparison(1))
    disk("COMMIT", _breaks(*FAILURES[0]))
    with pytest.raises(QdashError, match="disk I/O error"):
        history.keep(comparison(2))
    monkeypatch.undo()
    assert history.all_keys() == [first] and history.why_in_memory() is None


def test_memory_is_spared(tmp_path: Path, disk: Disk, restarted: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.history.store.MOST_MEMORY_BYTES", 1)
    disk("BEGIN IMMEDIATE", _breaks(*FAILURES[0]))
    history = history_in(tmp_path)
    keys = [history.keep(comparison(number)) for number in range(3)]
    assert history.all_keys() == keys[-1:]


def test_threads_share_what_is_in_memory(tmp_path: Path, disk: Disk, restarted: Callable[[], None]) -> None:
    disk("BEGIN IMMEDIATE", _breaks(*FAILURES[0]))
    history = history_in(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(lambda number: history.keep(comparison(number)), range(40)))
    assert set(history.all_keys()) == set(kept) and len(set(kept)) == 40
