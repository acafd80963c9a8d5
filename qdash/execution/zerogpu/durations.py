"""How long a job needs the GPU: a guess from its sizes, corrected by how long the same models and schemes took in this process before.

The first guess is for eager PyTorch on a data-centre GPU, where a forward pass of a small batch takes about as long as launching its
kernels. Unit: seconds.
"""

import time
from collections import defaultdict, deque
from typing import Any

from qdash.execution.work import VariantWork, Work

START_S = 5.0
"""From the allocation of the GPU until a job begins: the fork, CUDA's context, the first kernels."""
LOAD_S = 1.5
LOAD_BYTES_PER_S = 1e9
PASS_S = 0.03

REMEMBERED = 3
"""The slowest of this many last runs counts, because one that failed early says little."""
CUT_OFF = 2.0
"""What was cut off needs more than it had; how much more is not known."""

_Key = tuple[str, str, str]


class Durations:
    """For each kind of job, model and scheme: measured time divided by guessed time, of the last runs."""

    def __init__(self) -> None:
        self._ratios: defaultdict[_Key, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def estimate_s(self, work: Work) -> float:
        """Seconds that `work` takes, the start of its process included."""
        return START_S + sum(_guess_s(part) * max(self._ratios.get(_key(part), (1.0,))) for part in work.variants)

    def remember(self, work: Work, spent: "Spent", cut_off: bool) -> None:
        """Learn from a job that came to its end, or was cut off in the variant of its last item."""
        for index, seconds in spent.by_variant.items():
            part = work.variants[index]
            slower = CUT_OFF if cut_off and index == spent.current else 1.0
            self._ratios[_key(part)].append(seconds * slower / _guess_s(part))


class Spent:
    """A stopwatch that splits a job's time among its variants: the time before an item belongs to the item's variant."""

    def __init__(self, variants: int) -> None:
        self._variants = variants
        self._since = time.monotonic()
        self.current = 0
        self.by_variant: dict[int, float] = {}

    def count(self, item: Any) -> None:
        """Time until now was spent on the variant of `item`."""
        self.current = getattr(item, "index", 0)
        self.lap()

    def lap(self) -> None:
        """Time until now was spent on the variant of the last item."""
        now = time.monotonic()
        if self.current < self._variants:
            self.by_variant[self.current] = self.by_variant.get(self.current, 0.0) + now - self._since
        self._since = now


def _guess_s(part: VariantWork) -> float:
    return LOAD_S + part.load_bytes / LOAD_BYTES_PER_S + part.passes * PASS_S


def _key(part: VariantWork) -> _Key:
    return part.kind, part.model, part.scheme
