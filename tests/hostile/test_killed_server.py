"""The whole server, killed in the middle of runs and while it writes its history: the next one serves the page and has all that was saved.

SOAK=1 kills 50 servers, and 50 times a program that does nothing but write runs.
"""

import json
import os
import random
import signal
import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import psutil
import pytest

from tests.support.history_writer import history_writer
from tests.support.serving import Server, serving
from tests.support.visiting import press_compare, stream

SOAK = bool(os.environ.get("SOAK"))
SERVERS = 25 if SOAK else 2
WRITERS = 50 if SOAK else 3
QUICK = {"Timed runs": 2, "Warm-up": 0, "Tokens": 8}
"""What visitors change in the form, so that the first run is soon saved."""
GONE_S = 60
"""How long processes may take to notice that their server is dead: one may be importing its libraries."""


def _kept(path: Path) -> set[str]:
    """The keys of all runs in the history at `path`, which is sound; none if there is no file yet."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]:
            return set()
        return {key for (key,) in connection.execute("SELECT key FROM runs")}


@contextmanager
def _visited(server: Server, visitors: int) -> Iterator[None]:
    """So many visitors press Compare again and again until the server is gone."""
    with urllib.request.urlopen(f"{server.url}/config", timeout=60) as response:
        config = json.load(response)

    def visit(number: int) -> None:
        address = f"8.8.{number}.8"
        try:
            for turn in range(10_000):
                tab = f"tab{number}x{turn}"
                press_compare(server.url, config, tab, f"visitor-{number}-turn-{turn}-asks", address, QUICK)
                for line in stream(server.url, tab, address):
                    if '"process_completed"' in line:
                        break
        except OSError:
            return  # the server was killed

    threads = [Thread(target=visit, args=(number,), daemon=True) for number in range(visitors)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(timeout=GONE_S)
        assert not thread.is_alive()


def _is_over(process: psutil.Process) -> bool:
    """One that nobody has asked about its end is over, too."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _kill(server: Server) -> None:
    """Kill the server alone; all that worked for it end by themselves."""
    process = psutil.Process(server.pid)
    others = process.children(recursive=True)
    process.kill()
    until = time.monotonic() + GONE_S
    while not all(map(_is_over, others)) and time.monotonic() < until:
        time.sleep(0.1)
    assert [other.cmdline() for other in others if not _is_over(other)] == []


def _left(*places: Path) -> set[Path]:
    """What processes have for a while, in the folder for temporary files and in the cache."""
    return {path for place in places for path in place.glob("qdash-*")}


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files; its path is short, as sockets need."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _killed_again_and_again(command: list[str], folder: Path, temporary: Path, visitors: int, longest_s: float) -> tuple[int, int]:
    """Kill so many servers at random moments; how many runs they have saved, and how many things of dead ones were deleted."""
    history, draw, saved, left, swept = folder / "history.sqlite3", random.Random(3), set[str](), set[Path](), 0
    for number in range(SERVERS):
        with serving(command, folder, QDASH_PUBLIC="1", TMPDIR=str(temporary), QDASH_HISTORY_RUNS="10000") as server:
            assert not left & _left(temporary, folder), "what dead servers have left is gone"
            swept += len(left)
            assert saved <= _kept(history)
            with _visited(server, visitors):
                _wait_for(history, 1 if number == 0 else 0)
                time.sleep(draw.uniform(0, longest_s))
                saved = _kept(history)
                _kill(server)
        assert saved <= _kept(history)
        left = _left(temporary, folder)
    return len(saved), swept


def _wait_for(history: Path, runs: int) -> None:
    until = time.monotonic() + 240
    while len(_kept(history)) < runs:
        assert time.monotonic() < until, "no run was saved"
        time.sleep(0.2)


def test_a_server_killed_in_the_middle_of_a_run(tmp_path: Path, temporary: Path) -> None:
    saved, swept = _killed_again_and_again(["app.py"], tmp_path, temporary, visitors=1, longest_s=10)
    print(f"{SERVERS} servers killed in runs: {saved} runs saved, {swept} folders of theirs deleted")
    assert saved > 0 and swept > 0


def test_a_server_killed_while_many_runs_are_saved(tmp_path: Path, temporary: Path) -> None:
    saved, _ = _killed_again_and_again(["-m", "tests.support.scripted"], tmp_path, temporary, visitors=6, longest_s=4)
    print(f"{SERVERS} servers killed while runs were saved: {saved} runs saved")
    assert saved > 0


def test_the_history_of_a_program_killed_while_it_writes(tmp_path: Path) -> None:
    draw, known = random.Random(4), set[str]()
    for number in range(WRITERS):
        with history_writer(tmp_path, number * 100_000, (number + 1) * 100_000) as writer:
            assert writer.stdout is not None
            known.add(writer.stdout.readline().strip())
            time.sleep(draw.uniform(0, 0.5))
            os.kill(writer.pid, signal.SIGKILL)
            # The last line may be half a key, of a run that is there all the same.
            known |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        assert known <= _kept(tmp_path / "history.sqlite3")
    print(f"{WRITERS} writers killed: {len(known)} runs saved")
    assert len(known) > WRITERS
