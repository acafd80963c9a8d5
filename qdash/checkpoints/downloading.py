"""Downloading a hub model into huggingface_hub's cache, with progress, a look at the disk first, and a stop that works.

The work is done by `fetch` in a process of its own; this side watches the cache grow and reports it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from threading import Event

from huggingface_hub import constants

import qdash
from qdash.checkpoints.disk import check_disk
from qdash.checkpoints.hub import cache_folder, cached_folder
from qdash.checkpoints.record import Checkpoint
from qdash.errors import QdashError
from qdash.records import ErrorRecord, Step

POLL_S = 0.1
GRACE_S = 0.5  # for removing the part of a file that was downloaded


def download(checkpoint: Checkpoint, stop: Event | None = None) -> Generator[Step, None, Checkpoint]:
    """Fetch the files of `checkpoint` at its revision, yielding progress; returns it with `folder` set.

    Raises QdashError: "download" if the disk is too small, the hub refuses or cannot be reached; "cancelled" when `stop` is set.
    """
    if checkpoint.folder is not None:
        return checkpoint
    yield from download_files(checkpoint, stop)
    folder = cached_folder(str(checkpoint.repo))
    if folder is None:
        raise _failure("", str(checkpoint.repo))
    return checkpoint.model_copy(update={"folder": str(folder), "download_bytes": 0})


def download_files(checkpoint: Checkpoint, stop: Event | None = None) -> Generator[Step, None, None]:
    """Fetch the files of a checkpoint whose weights are not here; raises the same."""
    assert checkpoint.repo is not None
    check_disk(checkpoint.repo, checkpoint.download_bytes, Path(constants.HF_HUB_CACHE).absolute(), "HF_HOME")
    process = _start(checkpoint)
    try:
        yield from _watch(process, checkpoint, stop)
        output = process.communicate()[0]
    finally:
        _end(process)
    if process.returncode:
        raise _failure(output, checkpoint.repo)


def _start(checkpoint: Checkpoint) -> subprocess.Popen[str]:
    # The child may start in any folder, so it is told where this package lies.
    path = os.pathsep.join([str(Path(qdash.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "qdash.checkpoints.fetch", str(checkpoint.repo), checkpoint.revision, *checkpoint.files]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
    )  # fmt: skip


def _watch(process: subprocess.Popen[str], checkpoint: Checkpoint, stop: Event | None) -> Generator[Step, None, None]:
    total = max(checkpoint.download_bytes, 1)
    while process.poll() is None:
        if stop is not None and stop.is_set():
            raise QdashError("The download was stopped.", "Start again; completed files are kept.", "cancelled")
        done = min(_downloaded_bytes(checkpoint), total)
        yield Step(fraction=done / total, detail=f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB of {checkpoint.repo}")
        time.sleep(POLL_S)


def _downloaded_bytes(checkpoint: Checkpoint) -> int:
    """Bytes of complete and growing files. They change names meanwhile, so one may vanish between listing and looking."""
    cache = cache_folder(str(checkpoint.repo))
    complete = [cache / "snapshots" / checkpoint.revision / name for name in checkpoint.files]
    done = 0
    for file in (*complete, *cache.glob("blobs/*.incomplete")):
        try:
            done += file.stat().st_size
        except OSError:
            continue
    return done


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _failure(output: str, repo: str) -> QdashError:
    lines = output.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return ErrorRecord.model_validate_json(lines[-1]).raised()
    return QdashError(f"Downloading {repo} ended unexpectedly.", "Try again; completed files are kept.", "download")
