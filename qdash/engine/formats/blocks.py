"""A tensor in blocks of rows that fit the caches of the cores, for work made of many small operations.

Torch splits each operation between its threads, which then wait for each other. While nothing else runs that halves the time on two cores;
on a busy machine every wait lasts until the scheduler comes round, and the same work takes a hundred times as long. So blocks are timed,
and after one that took far too long the next go to one thread for a while. (Python threads with a block each gain nothing: operations
of microseconds are over before another thread has woken up and taken the interpreter's lock.)
"""

from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor

BLOCK = 64_000  # numbers for each thread: they fit a core's L2 cache with their scratch
SLOW_BLOCK_S = 0.003  # for one block of least effort: ten times what it takes, a fraction of what it takes on a busy machine
GPU_BLOCK = 1 << 24
ALONE_S = 1.0  # on one thread after many threads were slow: trying one block each second costs little

_alone_until = 0.0


def in_blocks(source: Tensor, target: Tensor, effort: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of both, together, block by block; what is done with a block sets the pace.

    `effort`: how many times as long a block takes as one that is only rounded. On a GPU all rows are one block, which is quickest; where
    more is done, scratch has a limit. The number of torch's threads may differ while the iterator is in use; it is put back when that ends.
    """
    global _alone_until
    if source.device.type != "cpu":
        rows = len(source) if effort == 1 else max(1, GPU_BLOCK // source[0].numel())
        yield from zip(source.split(rows), target.split(rows), strict=True)
        return
    threads, start = torch.get_num_threads(), 0
    try:
        while start < len(source):
            began = perf_counter()
            used = threads if began >= _alone_until else 1
            torch.set_num_threads(used)
            stop = start + max(1, BLOCK * used // source[0].numel())
            yield source[start:stop], target[start:stop]
            if used > 1 and perf_counter() - began > SLOW_BLOCK_S * effort:
                _alone_until = perf_counter() + ALONE_S
            start = stop
    finally:
        torch.set_num_threads(threads)
