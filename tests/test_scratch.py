"""What processes have left is told from what is needed: by the process, by the machine, by its age."""

import os
import platform
import time
from pathlib import Path

import psutil
import pytest

from qdash import scratch


def of_a_dead_process() -> str:
    """How the name of what such a process of this machine has left begins."""
    dead = next(pid for pid in range(99_999, 10**6) if not psutil.pid_exists(pid))
    return scratch.prefix("exports").replace(f"-{os.getpid()}-", f"-{dead}-")


def test_what_processes_that_are_over_have_left_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = of_a_dead_process()
    with monkeypatch.context() as patched:
        patched.setattr(platform, "node", lambda: "another machine, which shares the folder")
        elsewhere = of_a_dead_process()
    for name in (f"{scratch.prefix('exports')}a", f"{here}b", f"{elsewhere}c", f"{elsewhere}d", "qdash-exports-mine", "other"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / f"{elsewhere}d", (0, time.time() - 2 * scratch.ELSEWHERE_S))
    scratch.sweep(tmp_path)
    assert {path.name.rpartition("-")[2] for path in tmp_path.iterdir()} == {"a", "c", "mine", "other"}


def test_one_that_cannot_be_deleted_keeps_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{of_a_dead_process()}{letter}" for letter in "abc"]
    for name in names:
        (tmp_path / name).touch()
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name == names[1]:
            raise PermissionError("it is somebody else's")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    scratch.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [names[1]]
