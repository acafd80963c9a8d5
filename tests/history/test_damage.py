"""Kills in the middle of writing, several writers at once, and files that are damaged, newer or another program's."""

import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.history import DamagedHistory, History
from qdash.history.schema import VERSION
from tests.history.examples import comparison, history_in
from tests.report.examples import COMPARISON
from tests.support.history_writer import history_writer


def _begun(folder: Path, journal: str) -> History:
    """An empty history with this journal, which the file remembers."""
    history = history_in(folder)
    assert history.listing().total == 0
    connection = sqlite3.connect(history.path)
    assert connection.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
    connection.close()
    return history


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("after", [1, 20, 57])
def test_a_kill_in_the_middle_of_writing_loses_nothing_that_was_kept(tmp_path: Path, after: int, journal: str) -> None:
    history = _begun(tmp_path, journal)
    writer = history_writer(tmp_path, 0, 100_000)
    assert writer.stdout is not None
    kept = [writer.stdout.readline().strip() for _ in range(after)]
    time.sleep(0.003 * after)  # into whatever it is doing
    os.kill(writer.pid, signal.SIGKILL)
    kept += writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    there = history.all_keys()
    assert set(kept) <= set(there) and len(there) <= len(kept) + 1
    for key in there:
        history.open(key)
    connection = sqlite3.connect(history.path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    history.keep(comparison(-1))


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_processes_and_threads_write_at_once(tmp_path: Path, journal: str) -> None:
    history = _begun(tmp_path, journal)
    writers = [history_writer(tmp_path, 1000 * number, 1000 * number + 40) for number in range(2)]
    with ThreadPoolExecutor(4) as threads:
        kept = list(threads.map(lambda number: history.keep(comparison(5000 + number)), range(40)))
    kept += [key for writer in writers for key in writer.communicate(timeout=120)[0].split()]
    assert len(kept) == 120 and set(history.all_keys()) == set(kept)
    connection = sqlite3.connect(history.path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_damage_is_set_aside_and_said(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history.path.write_bytes(b"this is no database, but somebody's bytes" * 100)
    before = history.path.read_bytes()
    with pytest.raises(DamagedHistory, match="damaged") as raised:
        history.listing()
    (aside,) = tmp_path.glob("history-damaged-*.sqlite3")
    assert aside.name in str(raised.value) and aside.read_bytes() == before
    assert history.listing().total == 0


def test_damage_in_the_middle_is_found_and_the_new_run_is_kept(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    for number in range(50):
        history.keep(comparison(number))
    connection = sqlite3.connect(history.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(history.path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    # As when a machine starts anew: another file, and nobody remembers having checked it.
    damaged = tmp_path / "again" / "history.sqlite3"
    damaged.parent.mkdir()
    damaged.write_bytes(content)
    again = history_in(damaged.parent)
    with pytest.raises(DamagedHistory):
        again.keep(comparison(99))
    assert again.listing().total == 1
    (aside,) = damaged.parent.glob("*damaged*")
    assert aside.read_bytes() == bytes(content)


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history.keep(COMPARISON)
    with sqlite3.connect(history.path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    for action in (history.listing, lambda: history.keep(comparison(1))):
        with pytest.raises(QdashError, match="newer qdash"):
            action()
    with sqlite3.connect(history.path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.close()
    assert history.listing().total == 1


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    with sqlite3.connect(history.path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(QdashError, match="another program"):
        history.keep(COMPARISON)
    with sqlite3.connect(history.path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    connection.close()


def test_a_run_of_another_version_stays_in_the_list(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    with sqlite3.connect(history.path) as connection:
        connection.execute("UPDATE contents SET record = replace(record, 'noise_floor', 'of_the_future')")
    connection.close()
    assert history.listing().total == 1
    with pytest.raises(QdashError, match="another version"):
        history.open(key)
