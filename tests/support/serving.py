"""A real server in a process of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


# Generous: machines that run tests are busy.
START_TIMEOUT_S = 240


@dataclass(frozen=True)
class Server:
    """A running page."""

    url: str
    pid: int


@contextlib.contextmanager
def serving(arguments: list[str], folder: Path, cwd: Path | str = ROOT, **settings: str) -> Iterator[Server]:
    """A server of its own, run in `cwd`, with its cache and its history in `folder`."""
    port = free_port()
    environment = os.environ | {
        "QDASH_PORT": str(port), "QDASH_CACHE_DIR": str(folder), "QDASH_HISTORY": str(folder / "history.sqlite3"), "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1", **settings,
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process, folder / "log")
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_up(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            if response.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"The server did not come up:\n{log.read_text(errors='replace')}")


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
