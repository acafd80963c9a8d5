"""The third tutorial's figures for bloom-1b7, counted and written here on the same architecture with random weights.

    python -m benchmarks.inspector [--device auto] [--output benchmarks/results/inspector.json]

The tutorial loaded the published weights, which are float16, on a GPU: in 4 and 8 bits all that is not quantized stays float16, which on
a CPU has to be asked for (`--baseline-dtype float16`, where float32 is the default). Its float32 run is the scheme `fp32`. The first run
makes the weights (3.4 GB in the cache); saving them takes 7 GB of disk for a moment. The last line is one JSON document; the exit status
tells whether every figure is within 1 %.
"""

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter

from qdash import execution
from qdash.execution.forward import result_of
from qdash.records import InspectorReport, Request, Variant
from qdash.runs.model_report import report_model
from qdash.settings import settings

MODEL = "random:bloom-1b7"
TOLERANCE = 0.01

# Scheme → what the tutorial printed: parameters counted, files and estimate in MiB.
FIGURES = {
    "fp32": {"counted": 1_722_408_960, "saved_mib": 6571, "estimate_mib": 6570.47},
    "bnb-int8": {"counted": 1_722_408_960, "saved_mib": 2135, "estimate_mib": 3285.23},
    "bnb-fp4": {"counted": 1_118_429_184, "saved_mib": 1630, "estimate_mib": 2133.23},
}


def main() -> int:
    """Inspect every variant, print a line each and the JSON document; 0 if all figures are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    chosen = parser.parse_args()
    results = [measured(scheme, chosen.device) for scheme in FIGURES]
    met = all(result["largest_deviation"] <= TOLERANCE for result in results)
    document = {"benchmark": "inspector", "model": MODEL, "tolerance": TOLERANCE, "met": met, "results": results}
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document))
    return 0 if met else 1


def measured(scheme: str, device: str) -> dict:
    """The report of one variant, beside what the tutorial printed, and the largest relative deviation of the two."""
    started = perf_counter()
    report = inspected(scheme, device)
    found = {
        "counted": report.counted,
        "saved_mib": round((report.saved_bytes or 0) / 2**20, 2),
        "estimate_mib": round(report.estimate_bytes / 2**20, 2),
    }
    deviation = max(abs(found[name] / figure - 1) for name, figure in FIGURES[scheme].items())
    seconds = perf_counter() - started
    print(f"{scheme}: {found['counted']:,} counted, {found['saved_mib']} MiB in files, {deviation:.3%} off, {seconds:.0f} s", flush=True)
    return {
        "scheme": scheme,
        "found": found,
        "tutorial": FIGURES[scheme],
        "largest_deviation": deviation,
        "report": report.model_dump(mode="json"),
    }


def inspected(scheme: str, device: str) -> InspectorReport:
    """One variant in a process of its own."""
    variants = (Variant(model=MODEL, scheme=scheme),)
    request = Request.model_validate({"variants": variants, "prompt": "", "device": device, "baseline_dtype": "float16"})
    with closing(execution.create(settings())) as executor:
        return result_of(report_model(request, 0, executor))


if __name__ == "__main__":
    sys.exit(main())
