"""Many visitors at once on a public page, over a backend that plays a script: answers are one's own, clicks are answered, nothing grows.

    python -m benchmarks.visitors [--visitors 50] [--seconds 900] [--arriving 30] [--out benchmarks/results/visitors.json]

The visitors arrive one after another within `--arriving` seconds (0: all at once). Each opens a tab, presses Compare with a question of
its own, reads its stream to the end, and starts again, sometimes in a new tab and sometimes by leaving in the middle. Everything is on the
loopback address; each has a network address of its own, as a proxy would tell it. The goals: no answer is mixed up, 95% of clicks are
answered within a second, and the server's memory does not grow by more than 150 MB after the first quarter. The last line is one JSON
document, and the exit status tells whether the goals were met.
"""

import argparse
import json
import os
import random
import re
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from threading import Lock, Thread
from typing import Any

import psutil

from qdash.machine import this_machine
from tests.support.serving import serving
from tests.support.visiting import press_compare, stream

GOAL_S = 1.0
GOAL_BYTES = 150 * 10**6
MARK = re.compile(r"visitor-(\d+)-turn-\d+-asks")


@dataclass
class Findings:
    """What all visitors have seen. `mixed`: streams that had somebody else's question; `refused`: clicks answered by an error."""

    clicks: list[float] = field(default_factory=list)
    mixed: int = 0
    refused: int = 0
    finished: int = 0
    left: int = 0
    growth_bytes: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def p95_s(self) -> float:
        """Seconds within which 95% of the clicks were answered."""
        return quantiles(self.clicks, n=20)[-1] if len(self.clicks) > 1 else float("inf")

    @property
    def median_s(self) -> float:
        """Seconds within which half of the clicks were answered."""
        return median(self.clicks) if self.clicks else float("inf")

    @property
    def good(self) -> bool:
        """Whether all goals were met."""
        return self.mixed == 0 and self.finished > 0 and self.p95_s <= GOAL_S and self.growth_bytes <= GOAL_BYTES


def main() -> int:
    """Run, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--arriving", type=float, default=30, help="seconds within which the visitors arrive")
    parser.add_argument("--out", type=Path, help="where to write the document, beside the last line")
    chosen = parser.parse_args()
    conditions = {"visitors": chosen.visitors, "seconds": chosen.seconds, "arriving_s": chosen.arriving}
    document = told(run(chosen.visitors, chosen.seconds, chosen.arriving), conditions)
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))
    return 0 if document["met"] else 1


def told(found: Findings, conditions: dict[str, Any]) -> dict[str, Any]:
    """What was found, and under which conditions, as a document."""
    machine = {"device": this_machine().cpu_name, "cores": os.cpu_count(), "load_average": os.getloadavg()[0]}
    counts = {name: getattr(found, name) for name in ("mixed", "refused", "finished", "left", "growth_bytes")}
    return {
        "benchmark": "visitors",
        "goal": {"p95_s": GOAL_S, "growth_bytes": GOAL_BYTES},
        "met": found.good,
        "conditions": conditions | machine,
        "results": {"clicks": len(found.clicks), "median_s": round(found.median_s, 3), "p95_s": round(found.p95_s, 3), **counts},
    }


def run(visitors: int, seconds: float, arriving: float = 0) -> Findings:
    """Let so many visitors, who arrive within `arriving` seconds, use a server of their own for so long."""
    found = Findings()
    limits = {"QDASH_PUBLIC": "1", "QDASH_MAX_QUEUE": str(2 * visitors + 8)}
    with tempfile.TemporaryDirectory() as folder, serving(["-m", "tests.support.scripted"], Path(folder), **limits) as server:
        with urllib.request.urlopen(f"{server.url}/config", timeout=60) as response:
            config = json.load(response)
        until = time.monotonic() + seconds
        threads = [Thread(target=_visit, args=(server.url, config, number, until, found), daemon=True) for number in range(visitors)]
        for thread in threads:
            thread.start()
            time.sleep(arriving / visitors)
        process = psutil.Process(server.pid)
        time.sleep(max(seconds / 4 - arriving, 0))
        warm = process.memory_info().rss
        for thread in threads:
            thread.join(timeout=max(until - time.monotonic(), 0) + 120)
        found.growth_bytes = max(process.memory_info().rss - warm, 0)
    return found


def _visit(url: str, config: dict[str, Any], number: int, until: float, found: Findings) -> None:
    draw, tab, turn = random.Random(number), f"tab{number}x0", 0
    address = f"8.{number // 250 + 1}.{number % 250 + 1}.8"
    while time.monotonic() < until:
        turn += 1
        if draw.random() < 0.2:
            tab = f"tab{number}x{turn}"
        leaves = draw.random() < 0.1
        began, clicked, seen, ended, refused = time.monotonic(), None, set(), False, False
        press_compare(url, config, tab, f"visitor-{number}-turn-{turn}-asks", address)
        for line in stream(url, tab, address):
            clicked = clicked or time.monotonic() - began
            seen |= set(MARK.findall(line))
            refused = refused or "waiting already" in line
            ended = '"process_completed"' in line
            if ended or leaves:
                break
        with found.lock:
            found.clicks += [] if clicked is None else [clicked]
            found.mixed += bool(seen - {str(number)})
            found.refused += refused
            found.finished += ended and str(number) in seen
            found.left += leaves
        time.sleep(draw.uniform(0, 1))


if __name__ == "__main__":
    raise SystemExit(main())
