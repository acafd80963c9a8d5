"""Whether everything that reads a person's text takes time in proportion to its length: twice the text, at most three times as long.

    python -m benchmarks.parsing [--repeats 5]

Each reader gets a long text of the kind that costs it most, and one twice as long. Both may be refused, but not slowly. The last line is
one JSON document: reader → milliseconds for both; the exit status tells whether all of them are in proportion.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.history import History, Limits
from qdash.history.exchange import import_runs
from qdash.inputs.texts import clean_text
from qdash.tasks import read_custom
from qdash.ui.controls.form import check_model, check_variants

GOAL = 3.0
SMALL_S = 0.002
"""Below this a doubling tells nothing."""


def readers(history: History) -> dict[str, tuple[Callable[[int], object], Callable[[Any], object]]]:
    """Name → what makes a text of a size, and what reads it."""
    return {
        "recipe of many rules": (lambda size: "".join(f"*.{at}=bnb-nf4," for at in range(size // 16)), find_scheme),
        "recipe of one long pattern": (lambda size: "*a" * (size // 2) + "=bnb-nf4", find_scheme),
        "question": (lambda size: "a\u200b\r\n\u0301" * (size // 5), clean_text),
        "model id": (lambda size: "a/" * (size // 2), check_model),
        "choice of schemes": (lambda size: ["bnb-nf4=" * 3] * (size // 24), lambda choice: check_variants("tiny-vlm", choice)),
        "CSV of quotes": (lambda size: b"prompt,answer\n" + b'"' * size, lambda data: read_custom(data, "own.csv")),
        "CSV of commas": (lambda size: b"prompt,answer\n" + b"," * size, lambda data: read_custom(data, "own.csv")),
        "CSV of rows": (lambda size: b"prompt,answer\n" + b"a,b\n" * (size // 4), lambda data: read_custom(data, "own.csv")),
        "JSON lines": (lambda size: b'{"prompt": "a", "answer": "b"}\n' * (size // 31), lambda data: read_custom(data, "own.jsonl")),
        "JSON in JSON": (lambda size: b"[" * size, lambda data: read_custom(data, "own.jsonl")),
        "history file": (lambda size: b'{"qdash_history": 1, "runs": [' + b"0," * (size // 2) + b"0]}",
                         lambda data: import_runs(history, data)),
        "search": (lambda size: "a " * (size // 2), lambda text: history.listing("", text[:200])),
    }  # fmt: skip


def main() -> int:
    """Read everything; 0 if all of it is in proportion."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder) / "history.sqlite3", Limits(10, 2**30, 2**30, all_may_go=False))
        found = {name: _timed(make, read, repeats) for name, (make, read) in readers(history).items()}
    for name, (one, two) in found.items():
        print(f"{name:28} {one * 1e3:8.1f} ms {two * 1e3:8.1f} ms  × {two / max(one, 1e-9):.1f}", file=sys.stderr)
    print(json.dumps({name: [round(time_s * 1e3, 2) for time_s in times] for name, times in found.items()}))
    return int(any(two > max(GOAL * one, SMALL_S) for one, two in found.values()))


def _timed(make: Callable[[int], object], read: Callable[[Any], object], repeats: int) -> tuple[float, float]:
    times = []
    for size in (500_000, 1_000_000):
        text, best = make(size), float("inf")
        for _ in range(repeats):
            began = time.perf_counter()
            with suppress(QdashError):
                read(text)
            best = min(best, time.perf_counter() - began)
        times.append(best)
    return times[0], times[1]


if __name__ == "__main__":
    raise SystemExit(main())
