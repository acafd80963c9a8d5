"""How much closer to the original a mix of schemes is than one scheme of the same size, on questions that it was not chosen by.

    python -m benchmarks.mix [--models tiny-lm tiny-vlm smollm2-135m] [--limit 64] [--out FILE]

The budgets are the sizes of three uniform schemes, so that each mix meets a rival that takes as many bytes. What layers cost is found out
once for each model. The goal is a mean KL divergence at least a quarter below the rival's; a mix counts as closer only where the 95%
interval of the difference, question by question, leaves out 0. Nothing is timed, so other programs may run. The last line is one JSON
document; the exit status tells whether the goal was met.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from qdash.catalog.schemes import libraries
from qdash.machine import this_machine
from qdash.records import MixProof, MixReport
from qdash.runs.mix import choices_of

MODELS = ("tiny-lm", "tiny-vlm", "smollm2-135m")
SCHEMES = ("bnb-int8", "fp6-e2m3", "bnb-nf4", "int4-g64", "int3-g64", "int2-g64")
RIVALS = ("fp6-e2m3", "int4-g64", "int3-g64")
GOAL = 0.25


def main() -> int:
    """Find and prove every mix, print a line for each and the JSON document; 0 if all meet the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    found = []
    for model in chosen.models:
        for result in proved(model, chosen.limit):
            found.append(result)
            print(json.dumps(result), file=sys.stderr)
            document = document_of(found, chosen.limit)
            if chosen.out:
                chosen.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document_of(found, chosen.limit)))
    return 0 if all(result["met"] for result in found) else 1


def document_of(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """The results with their conditions."""
    machine = this_machine()
    conditions = {
        "questions": limit, "schemes": SCHEMES, "device": machine.cpu_name, "cores": machine.cores,
        "versions": {name: machine.packages[name] for name in libraries() if name in machine.packages},
    }  # fmt: skip
    return {"benchmark": "mix", "goal": GOAL, "conditions": conditions, "results": found}


def proved(model: str, limit: int) -> list[dict[str, Any]]:
    """The mix of each budget beside its rival."""
    first = found_mix(model, "4x", limit)
    choices = choices_of(first.sensitivity)
    return [result_of(found_mix(model, f"{choices.uniform(key).weights_bytes}B", limit), key) for key in RIVALS]


def found_mix(model: str, budget: str, limit: int) -> MixReport:
    """What the command line finds. What a layer costs is kept, so that a second budget takes the proof alone."""
    asked = ["--model", model, "--schemes", ",".join(SCHEMES), "--budget", budget, "--limit", str(limit), "--device", "cpu", "--json", "-"]
    ran = subprocess.run([sys.executable, "-m", "qdash", "mix", *asked], stdout=subprocess.PIPE, check=True)
    return MixReport.model_validate_json(ran.stdout)


def result_of(report: MixReport, budget: str) -> dict[str, Any]:
    """Divergences, the ratio of their means, and the difference with its interval."""
    mix, rival, random = (next(proof for proof in report.proof if proof.name == name) for name in ("mix", "uniform", "random"))
    versus = rival.versus_mix
    gain = None if not mix.kl_mean_nats or not rival.kl_mean_nats else 1 - mix.kl_mean_nats / rival.kl_mean_nats
    return {
        "model": report.model, "task": report.task, "size_of": budget, "recipe": report.recipe, "bits": report.mix.bits,
        "method": report.sensitivity.method, "spearman": report.sensitivity.spearman, "predicted_kl_nats": report.predicted_kl_nats,
        "questions_proved_on": len(report.proof_items), "tokens": report.proof_tokens,
        "mix": _known(mix), "uniform": _known(rival), "random": _known(random), "gain": gain,
        "difference_nats": None if versus is None else [versus.mean_nats, versus.low_nats, versus.high_nats],
        "closer": versus is not None and versus.high_nats < 0, "met": gain is not None and gain >= GOAL,
    }  # fmt: skip


def _known(proof: MixProof) -> dict[str, Any]:
    accuracy = None if proof.accuracy is None else proof.accuracy.model_dump()
    kept = proof.model_dump(include={"scheme", "weights_bytes", "kl_mean_nats", "kl_low", "kl_high", "top1"})
    return kept | {"accuracy": accuracy, "problem": proof.problem.message if proof.problem else None}


if __name__ == "__main__":
    sys.exit(main())
