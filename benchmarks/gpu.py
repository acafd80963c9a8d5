"""Everything that only a GPU can show, in one sitting of at most nine minutes: `make gpu`, or

    python -m benchmarks.gpu [--device cuda] [--model random:qwen3-4b] [--minutes 9] [--out benchmarks/results/gpu.json]

The tests of `tests/gpu`; comparisons through worker processes, on the bundled model and on one of real size; one decoding step, eager, in a
CUDA graph and compiled; the error of schemes in every weight; and whether the GPU's memory is free again afterwards. Each section is a
process of its own with a time limit, so that a crash or a hang costs that section alone, and the file is written after each. Needs the
engine's packages only, no gradio and no plotly. Exit status: 0 all sections passed, 1 some did not, 2 there is no such device.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

from qdash import checkpoints, execution
from qdash.catalog.schemes import libraries
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.machine import gpu_free_bytes, this_machine
from qdash.records import ComparisonDone, Device, Measurement, Request, VariantResult
from qdash.runs.compare import compare
from qdash.runs.plan import variants_of
from qdash.runs.weight_error import measure_weight_error
from qdash.settings import settings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"

BUNDLED_SCHEMES = "original,bnb-int8,bnb-nf4,ao-int4wo,ao-fp8dyn"
REAL_SCHEMES = "original,bnb-nf4,bnb-int8,ao-int8wo,ao-int4wo,ao-fp8wo,ao-int8dyn"
WEIGHT_SCHEMES = "bnb-nf4,int3-g64,minmax-4"

# (name, seconds, command); what is most worth knowing comes first.
SECTIONS: tuple[tuple[str, int, str], ...] = (
    ("bundled model", 60, "compare tiny-vlm " + BUNDLED_SCHEMES + " 8"),
    ("real size", 170, "compare {model} " + REAL_SCHEMES + " 24"),
    ("tests", 130, "tests"),
    ("weights", 45, "weight_error {model} " + WEIGHT_SCHEMES),
    ("decode original", 45, "decode {model} original generate static graph"),
    ("decode bnb-nf4", 45, "decode {model} bnb-nf4 generate static graph"),
    ("decode ao-int4wo", 45, "decode {model} ao-int4wo generate static graph"),
    ("compiled original", 70, "decode {model} original generate compiled"),
    ("compiled ao-int8wo", 70, "decode {model} ao-int8wo generate compiled"),
)


def main() -> int:
    """Run one section, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="random:qwen3-4b", help="of the comparison at real size, of the weights and of decoding")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--section", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    try:
        device = this_machine().resolve(chosen.device)
    except QdashError as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.section:
        print(json.dumps(COMMANDS[chosen.section[0]](device, *chosen.section[1:])))
        return 0
    return _all(device, chosen.model, chosen.minutes * 60, chosen.out)


def _all(device: Device, model: str, seconds: float, out: Path) -> int:
    """Run the sections until the time is up; what does not fit is named as skipped."""
    began, before = perf_counter(), _free(device)
    document: dict[str, Any] = {"benchmark": "gpu", "conditions": _conditions(device, model), "sections": {}}
    for name, limit_s, words in SECTIONS:
        left_s = seconds - (perf_counter() - began)
        found = _section(device, words.format(model=model), min(limit_s, left_s)) if left_s > 10 else {"not_run": "no time was left"}
        document["sections"][name] = found
        print(f"{name}: {_summary(found)}", flush=True)
        document["memory_not_given_back_bytes"] = max(before - _free(device), 0)
        out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(f"memory not given back: {document['memory_not_given_back_bytes'] / 2**20:.0f} MiB; {perf_counter() - began:.0f} s in all")
    return int(any("error" in found or found.get("failed") for found in document["sections"].values()))


def _section(device: Device, words: str, limit_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", device, "--section", *words.split()]
    began = perf_counter()
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not over after {limit_s:.0f} s"}
    lines = process.stdout.splitlines()
    if process.returncode or not lines:
        said = [line for line in process.stderr.splitlines() if line.strip()]
        return {"error": f"exit status {process.returncode}", "said": said[-12:]}
    return json.loads(lines[-1]) | {"seconds": round(perf_counter() - began, 1)}


def _compare(device: Device, model: str, schemes: str, tokens: str) -> dict[str, Any]:
    png = (ROOT / "qdash" / "assets" / "samples" / "t1-square.png").read_bytes() if model == "tiny-vlm" else None
    prompt = "What is in this picture?" if png else "Once upon a time"
    measurement = Measurement(runs=3, max_new_tokens=int(tokens))
    variants = variants_of(model, schemes.split(","))
    request = Request(variants=variants, prompt=prompt, measurement=measurement, device=device)
    with closing(execution.create(settings())) as executor:
        for event in compare(request, png, executor):
            if isinstance(event, ComparisonDone):
                noise = event.comparison.noise_floor
                results = [_variant(result) for result in event.comparison.variants]
                return {"noise": noise.relative if noise else None, "variants": results, "failed": sum("error" in r for r in results)}
    raise AssertionError("a comparison ends with ComparisonDone")


def _variant(result: VariantResult) -> dict[str, Any]:
    known: dict[str, Any] = {"scheme": result.scheme, "dtype": result.dtype, "answer": (result.answer or "")[:120]}
    if result.latency is None or result.memory is None:
        return known | {"error": str(result.error.message if result.error else result.status)}
    latency, memory = result.latency, result.memory
    return known | {
        "per_token_ms": latency.tpot_s.median * 1e3, "first_token_ms": latency.ttft_s.median * 1e3, "load_s": latency.load_s,
        "weights_bytes": memory.weights_bytes, "estimated_bytes": memory.estimated_bytes, "load_peak_bytes": memory.load_peak_bytes,
        "peak_bytes": memory.peak_bytes, "reserved_bytes": memory.reserved_bytes, "process_bytes": memory.process_bytes,
        "kl_nats": result.agreement.kl_mean_nats if result.agreement else None,
    }  # fmt: skip


def _tests(device: Device) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-q", "--timeout", "90", "-p", "no:cacheprovider"]
    # Files of one worker process each: more than a few contexts at once would fight for the GPU.
    command += ["-n", str(min(4, os.cpu_count() or 1))] if _has("xdist") else []
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", process.stdout)}
    failures = [line for line in process.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # Tests that are all skipped have shown nothing.
    return counts | {"failed": max(len(failures), int(process.returncode != 0 or not counts.get("passed"))), "failures": failures[:40]}


def _measure_weight_error(device: Device, model: str, schemes: str) -> dict[str, Any]:
    with closing(execution.create(settings())) as executor:
        report = result_of(measure_weight_error(model, schemes.split(","), executor))
    ns = report.seconds / sum(weights.parameters for weights in report.schemes) * 1e9
    sqnr_db = {weights.scheme: weights.sqnr_db for weights in report.schemes}
    return {
        "device": report.device,
        "cached": report.cached,
        "ns_per_weight_and_scheme": ns,
        "sqnr_db": sqnr_db,
    }


def _decode(device: Device, model: str, scheme: str, *ways: str) -> dict[str, Any]:
    folder = checkpoints.locate(model).folder
    if folder is None:
        return {"error": f"{model} is not on disk: the comparison has to run first."}
    command = [sys.executable, "-m", "benchmarks.decode_step", "--model", folder, "--scheme", scheme, "--device", device, "--ways", *ways]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(process.stdout.splitlines()[-1])
    return found | {"failed": sum("error" in result for result in found["results"])}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "compare": _compare,
    "tests": _tests,
    "weight_error": _measure_weight_error,
    "decode": _decode,
}


def _has(module: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def _free(device: Device) -> int:
    accelerator = this_machine().on(device).accelerator
    return (gpu_free_bytes(accelerator) or 0) if accelerator else 0


def _conditions(device: Device, model: str) -> dict[str, Any]:
    machine = this_machine().on(device)
    packages = (*libraries(), "accelerate")
    return {
        "device": device, "device_name": machine.device_name, "compute_capability": machine.compute_capability,
        "memory_bytes": machine.device_memory_bytes, "python": machine.python, "platform": machine.platform, "model": model,
        "versions": {name: machine.packages[name] for name in packages if name in machine.packages},
    }  # fmt: skip


def _summary(found: dict[str, Any]) -> str:
    if "error" in found or "not_run" in found:
        return " ".join([found.get("error") or found["not_run"], *found.get("said", [])[-1:]])
    if "variants" in found:
        return "; ".join(f"{one['scheme']} {_milliseconds(one)}" for one in found["variants"])
    if "results" in found:
        return "; ".join(f"{one['way']} {_milliseconds(one)}" for one in found["results"])
    return ", ".join(f"{name} {value}" for name, value in found.items() if not isinstance(value, list))


def _milliseconds(one: dict[str, Any]) -> str:
    return one["error"] if "error" in one else f"{one['per_token_ms']:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
