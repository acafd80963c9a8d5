"""What qdash says of speeds while other programs come and go: the original, the same thing again, and a truly slower scheme.

    python -m benchmarks.busy [--runs 20] [--model tiny-lm] [--slower bnb-int8] [--tokens 12] [--programs 2]

Each run is a comparison through worker processes while so many other processes toggle between idle and full load at random. The goal:
never a word about the second, at no moment, whose ratio stays within 0.8 and 1.25; and the third, which takes 2.5 times as long on a quiet
machine, is told every time. One line a run, the last line is one JSON document; the exit status tells whether the goal was met.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass

from qdash import execution
from qdash.execution import Executor
from qdash.records import Comparison, ComparisonDone, Measurement, Request, Variant, VariantDone, VariantResult
from qdash.runs.compare import compare
from qdash.settings import settings
from qdash.verdict import verdict
from qdash.verdict.evidence import pace_of

SAME = (0.8, 1.25)
PROMPT = "Once upon a time"

TOGGLING = """
import os, random, sys, time
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
os.close(1)
chance, starter = random.Random(int(sys.argv[1])), int(sys.argv[2])
while os.path.exists(f"/proc/{starter}"):
    time.sleep(chance.uniform(0.1, 2.0))
    until = time.monotonic() + chance.uniform(0.1, 2.0)
    while time.monotonic() < until:
        pass
"""


@dataclass(frozen=True)
class Outcome:
    """One run: the ratios of both, how its rounds went, what was said that is false, and what else missed the goal."""

    same: float
    slower: float
    slower_low: float | None
    rounds: int
    repeated: int
    busy: float | None
    seconds: float
    false: tuple[str, ...]
    missed: tuple[str, ...]

    def line(self) -> str:
        """The run in one line."""
        faults = "; ".join((*self.false, *self.missed)) or "as it should be"
        return f"same {self.same:.2f}×, slower {self.slower:.2f}×, {self.rounds} rounds, {self.repeated} repeated: {faults}"


def main() -> int:
    """Run them all; 0 if the goal was met in each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--model", default="tiny-lm")
    parser.add_argument("--slower", default="bnb-int8")
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--programs", type=int, default=2)
    chosen = parser.parse_args()
    outcomes = []
    with closing(execution.create(settings())) as executor:
        for seed in range(chosen.runs):
            outcomes.append(run(executor, chosen.model, chosen.slower, chosen.tokens, seed, chosen.programs))
            print(outcomes[-1].line())
    met = not any(outcome.false or outcome.missed for outcome in outcomes)
    conditions = {"model": chosen.model, "slower": chosen.slower, "tokens": chosen.tokens, "programs": chosen.programs}
    print(json.dumps({"benchmark": "busy", "met": met, "conditions": conditions, "results": [asdict(outcome) for outcome in outcomes]}))
    return 0 if met else 1


def run(executor: Executor, model: str, slower: str, tokens: int, seed: int, programs: int = 2) -> Outcome:
    """One comparison beside `programs` toggling processes."""
    variants = tuple(Variant(model=model, scheme=scheme) for scheme in ("original", "fp32", slower))
    measurement = Measurement(max_new_tokens=tokens, max_answer_tokens=tokens)
    request = Request(variants=variants, prompt=PROMPT, measurement=measurement, device="cpu")
    began, shown = time.monotonic(), []
    with toggling(programs, seed):
        for event in compare(request, None, executor):
            if isinstance(event, VariantDone):
                shown.append(event.result)
            elif isinstance(event, ComparisonDone):
                return _outcome(event.comparison, shown, time.monotonic() - began)
    raise AssertionError("a comparison ends with ComparisonDone")


@contextmanager
def toggling(programs: int, seed: int) -> Iterator[None]:
    """Other programs that toggle between idle and full load, as long as the block lasts: no children of this process, which are its own."""
    command = [sys.executable, "-S", "-c", TOGGLING]
    seeds = range(seed * programs, (seed + 1) * programs)
    started = [subprocess.run([*command, str(number), str(os.getpid())], stdout=subprocess.PIPE, check=True) for number in seeds]
    try:
        yield
    finally:
        for one in started:
            os.kill(int(one.stdout), signal.SIGKILL)


def _outcome(comparison: Comparison, shown: list[VariantResult], seconds: float) -> Outcome:
    _, same, slower = comparison.variants
    rounds = comparison.rounds
    assert rounds is not None and same.relative and slower.relative and same.relative.total and slower.relative.total
    return Outcome(
        same=same.relative.total.value, slower=slower.relative.total.value, slower_low=slower.relative.total.low, rounds=rounds.taken,
        repeated=rounds.repeated, busy=rounds.busy, seconds=seconds,
        false=tuple(_false(comparison, shown)), missed=tuple(_missed(same.relative.total.value, slower, comparison)),
    )  # fmt: skip


def _false(comparison: Comparison, shown: list[VariantResult]) -> Iterator[str]:
    """What was said of the same thing that would be true of another one only."""
    same = comparison.variants[1]
    said = verdict(comparison)
    for result in (*shown, same):
        pace = pace_of(result, comparison)
        if result.scheme == same.scheme and pace.told in ("faster", "slower"):
            yield f"the same thing is called {pace.words}"
    if f"{same.label} is" in said.why and "noise" not in said.why:
        yield said.why


def _missed(same: float, slower: VariantResult, comparison: Comparison) -> Iterator[str]:
    if not SAME[0] <= same <= SAME[1]:
        yield f"the same thing has a ratio of {same:.2f}"
    if pace_of(slower, comparison).told != "slower":
        yield "the slower one is not told"


if __name__ == "__main__":
    sys.exit(main())
