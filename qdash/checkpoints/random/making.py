"""Writes the checkpoint of an architecture into the cache, once, with progress, a look at the disk first, and a stop that works.

Chunks are drawn by a few threads (numpy lets go of the interpreter meanwhile) and written in order by this one, so little more than a
handful of chunks is ever in memory. Everything goes into a folder beside the target, which gets its name when it is complete; a lock lets
a second process wait for the first instead of doing the same work.
"""

import os
import re
import shutil
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO

from filelock import FileLock, Timeout

from qdash.checkpoints.disk import check_disk
from qdash.checkpoints.files import INDEX
from qdash.checkpoints.random.architecture import TOKENIZER, Architecture, Shard
from qdash.checkpoints.random.vocabulary import tokenizer_json
from qdash.checkpoints.random.weights import chunk, chunks
from qdash.errors import QdashError
from qdash.records import Step
from qdash.remedies import TELL, by_reader

_LOCK = ".lock"
_VERSION = re.compile(r"[0-9a-f]{12}(\.part)?")

POLL_S = 0.1
STEP_S = 0.1
"""Seconds between two reports of progress."""


def make(
    architecture: Architecture, name: str, home: Path, stop: Event | None = None, threads: int | None = None
) -> Generator[Step, None, Path]:
    """Write the checkpoint `name` to a folder in `home` named by its digest, unless it is there, yielding progress; returns that folder.

    `threads`: how many draw weights; None, one a core. Other versions in `home` are removed. Raises QdashError: "download" if the disk
    is too small or fails, "cancelled" when `stop` is set; then nothing is left behind.
    """
    lock = FileLock(home / _LOCK)
    with _disk_errors(name):
        home.mkdir(parents=True, exist_ok=True)
        yield from _acquire(lock, name, stop)
    target = architecture.made_in(home)
    part = target.with_name(f"{target.name}.part")
    try:
        if architecture.is_complete(target):
            return target
        _clear(home)
        check_disk(name, architecture.weight_bytes, home, "QDASH_CACHE_DIR")
        with _disk_errors(name):
            yield from _write(architecture, name, part, stop, threads or os.cpu_count() or 1)
            part.rename(target)
        return target
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()


def sweep(homes: Path) -> None:
    """Delete what killed processes have left below `homes`; what is being made stays."""
    for part in list(homes.rglob("*.part")):
        with suppress(OSError, Timeout), FileLock(part.parent / _LOCK).acquire(timeout=0):
            shutil.rmtree(part, ignore_errors=True)


def _acquire(lock: FileLock, name: str, stop: Event | None) -> Generator[Step, None, None]:
    while True:
        _check(stop)
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            yield Step(detail=f"waiting for another program that is making {name}")
            time.sleep(POLL_S)


def _clear(home: Path) -> None:
    """Remove versions of before, incomplete ones, and parts that a killed process left."""
    for old in home.iterdir():
        if _VERSION.fullmatch(old.name):
            shutil.rmtree(old, ignore_errors=True)


def _write(architecture: Architecture, name: str, part: Path, stop: Event | None, threads: int) -> Generator[Step, None, None]:
    part.mkdir()
    for file in architecture.copied:
        (part / file).write_bytes(architecture.read(file))
    (part / TOKENIZER).write_text(tokenizer_json(architecture.vocab_size, architecture.special_tokens), encoding="utf-8")
    if len(architecture.shards) > 1:
        (part / INDEX).write_bytes(architecture.index())
    total, done, reported = architecture.weight_bytes, 0, 0.0
    with ThreadPoolExecutor(threads) as pool:
        for shard in architecture.shards:
            with (part / shard.name).open("wb") as file:
                for size in _write_shard(shard, file, pool, 2 * threads):
                    done += size
                    _check(stop)
                    if time.monotonic() - reported > STEP_S:
                        reported = time.monotonic()
                        yield Step(fraction=done / total, detail=f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


def _write_shard(shard: Shard, file: BinaryIO, pool: ThreadPoolExecutor, ahead: int) -> Iterator[int]:
    """Write a weight file, `ahead` chunks being drawn while one is written; yields how many bytes each write took."""
    yield file.write(shard.header)
    waiting: deque[Future[bytes]] = deque()
    try:
        for draw in (partial(chunk, tensor, number) for tensor in shard.tensors for number in range(chunks(tensor))):
            waiting.append(pool.submit(draw))
            if len(waiting) > ahead:
                yield file.write(waiting.popleft().result())
        while waiting:
            yield file.write(waiting.popleft().result())
    finally:
        for future in waiting:
            future.cancel()


def _check(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise QdashError("Making random weights was stopped.", "Start again; it begins from scratch.", "cancelled")


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = by_reader(owner="Free some space, or set QDASH_CACHE_DIR to another disk.", visitor=f"Choose another model. {TELL}")
        raise QdashError(f"{name} could not be saved: {error.strerror}.", said, "download") from None
