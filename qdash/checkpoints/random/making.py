"""Writes the checkpoint of an architecture into the cache, once (see `made_once`).

Chunks are drawn by a few threads (numpy lets go of the interpreter meanwhile) and written in order by this one, so little more than a
handful of chunks is ever in memory.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO

from qdash.checkpoints.files import INDEX
from qdash.checkpoints.made_once import STEP_S, Making, Steps, make_once
from qdash.checkpoints.random.architecture import TOKENIZER, Architecture, Shard
from qdash.checkpoints.random.vocabulary import tokenizer_json
from qdash.checkpoints.random.weights import chunk, chunks
from qdash.errors import QdashError
from qdash.records import Step


def make(
    architecture: Architecture, name: str, home: Path, stop: Event | None = None, threads: int | None = None
) -> Generator[Step, None, Path]:
    """Write the checkpoint `name` to a folder in `home` named by its digest, unless it is there, yielding progress; returns that folder.

    `threads`: how many draw weights; None, one a core. Raises as `make_once` does.
    """
    stopped = QdashError("Making random weights was stopped.", "Start again; it begins from scratch.", "cancelled")
    making = Making(
        name, architecture.weight_bytes, lambda part: _write(architecture, part, check, threads or os.cpu_count() or 1),
        architecture.is_complete, stopped,
    )  # fmt: skip
    check = partial(making.check, stop)
    return (yield from make_once(architecture.made_in(home), making, stop))


def _write(architecture: Architecture, part: Path, check: Callable[[], None], threads: int) -> Steps:
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
                    check()
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
