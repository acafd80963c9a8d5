"""How long simulated schemes take to load, against the original: rounding half a billion weights should cost less than reading them.

    python -m benchmarks.loading [--model random:fastvlm-0.5b] [--schemes fp8-e4m3,…] [--rounds 3] [--dtype float32]

Every load is a fresh worker process that is closed afterwards, the original right before the scheme, so that both find the machine alike
(memory that a virtual machine touches for the first time is slow). A scheme's figure is the median of its rounds' ratios; the goal is
2. The last line is one JSON document; the exit status tells whether the goal was met. Run it on a quiet machine.
"""

import argparse
import json
import sys
from contextlib import closing
from statistics import median
from typing import Any

from qdash import checkpoints, execution
from qdash.catalog.families.simulated import SIMULATED
from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints import Checkpoint
from qdash.execution.client import WorkerClient
from qdash.execution.forward import result_of
from qdash.machine import this_machine
from qdash.runs.plan import worker_spec
from qdash.settings import settings

GOAL = 2.0
SIMULATED_KEYS = ",".join(key for key, scheme in SCHEMES.items() if scheme.family is SIMULATED)


def main() -> int:
    """Measure every scheme, print a line each and the JSON document; 0 if all meet the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="random:fastvlm-0.5b")
    parser.add_argument("--schemes", default=SIMULATED_KEYS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    chosen = parser.parse_args()
    checkpoint = _obtained(chosen.model)
    loaded_s(checkpoint, "original", chosen.dtype)  # the files are in memory from here on
    found = [ratio(checkpoint, key, chosen.dtype, chosen.rounds) for key in chosen.schemes.split(",")]
    met = all(result["ratio"] <= GOAL for result in found)
    machine = this_machine()
    conditions = {
        "model": chosen.model, "parameters": checkpoint.parameters, "dtype": chosen.dtype, "rounds": chosen.rounds,
        "device": machine.device_name, "cores": machine.cores, "torch": machine.packages.get("torch"),
    }  # fmt: skip
    print(json.dumps({"benchmark": "loading", "goal": GOAL, "met": met, "conditions": conditions, "results": found}))
    return 0 if met else 1


def ratio(checkpoint: Checkpoint, scheme: str, dtype: str, rounds: int) -> dict[str, Any]:
    """Seconds to load the original and the scheme, medians over `rounds`, and the median of the rounds' ratios."""
    pairs = [(loaded_s(checkpoint, "original", dtype), loaded_s(checkpoint, scheme, dtype)) for _ in range(rounds)]
    original_s, scheme_s = (median(seconds) for seconds in zip(*pairs, strict=True))
    result = {
        "scheme": scheme, "original_s": original_s, "scheme_s": scheme_s, "ratio": median(theirs / ours for ours, theirs in pairs),
    }  # fmt: skip
    print("{scheme}: {scheme_s:.2f} s, the original {original_s:.2f} s, {ratio:.2f}×".format(**result))
    return result


def loaded_s(checkpoint: Checkpoint, scheme: str, dtype: str) -> float:
    """Seconds that a new worker takes to load, the start of its process left out."""
    spec = worker_spec(checkpoint, scheme, "cpu", "bfloat16" if dtype == "bfloat16" else "float32")
    with closing(execution.create(settings())) as executor:
        return result_of(WorkerClient(executor, spec).load()).load_s


def _obtained(model: str) -> Checkpoint:
    return result_of(checkpoints.obtain(checkpoints.locate(model)))


if __name__ == "__main__":
    sys.exit(main())
