"""How long measuring weights takes: against the plain way, against one bincount, and as models grow.

    python -m benchmarks.weights [--repetitions 3] [--largest 4000000000] [--output benchmarks/results/weights.json]

The plain way is what one would write first: round with torch, `np.histogram` of W and of Ŵ, float64 sums for SQNR. It is timed on the same
layer, with all cores. Growth is shown with a layer of bfloat16 in a file, memory-mapped and measured as often as the size asks for. What
the package's own quantizer takes is told beside real schemes, as it bounds them; on a GPU, the share of measured copy bandwidth.
Medians; the last line is one JSON document; the exit status tells whether the targets are met.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from qdash.catalog.families.simulated import SIMULATED, SimulatedParams
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine.formats import round_trip
from qdash.engine.kernels import kernels_for
from qdash.engine.meters import PeakMemory, private_bytes
from qdash.engine.schemes import family_of, row_dequantizer_of
from qdash.engine.weights import group_size
from qdash.engine.weights.layer import measure_layer
from qdash.machine import this_machine
from qdash.records import WorkerSpec

SHAPE = (4096, 4096)
TIMES_FASTER, TIMES_BINCOUNT, MOST_LAYERS, GPU_SHARE = 10.0, 2.0, 2.0, 0.5
TARGETED = ("fp8-e4m3", "fp8-e5m2", "fp6-e2m3", "fp6-e3m2", "sim-w8a8", "int3-g64")
OTHERS = ("mxfp4", "nvfp4", "minmax-4", "bnb-int8", "bnb-nf4", "ao-int8wo", "torch-int8dyn")
GROWTH = (50_000_000, 500_000_000, 4_000_000_000)
PRESET = ("fp8-e4m3", "fp6-e2m3", "sim-w8a8", "int3-g64")
ENOUGH = 1e-9


def main() -> int:
    """Measure, print a line each and the JSON document; 0 if all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--largest", type=int, default=GROWTH[-1], help="weights of the largest synthetic model")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    chosen = parser.parse_args()
    machine = this_machine()
    torch.set_num_threads(machine.cores)
    weight = layer()
    before = os.getloadavg()[0]
    histogram = of_histogram(weight, chosen.repetitions)
    schemes = [of_scheme(weight, key, chosen.repetitions) for key in (*TARGETED, *OTHERS)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as fresh:
        for found, peak in zip(schemes, fresh.map(peak_in_layers, (*TARGETED, *OTHERS)), strict=True):
            found["peak_in_layers"] = peak
            print(f"{found['scheme']}: {peak} of a layer's size in memory beside it", flush=True)
    growth = of_growth(chosen.largest)
    gpu = [of_gpu(weight, key, chosen.repetitions) for key in TARGETED] if torch.cuda.is_available() else []
    met = (
        histogram["times_bincount"] <= TIMES_BINCOUNT
        and all(found["times_faster"] >= TIMES_FASTER for found in schemes if found["scheme"] in TARGETED)
        and all(1 + found["peak_in_layers"] <= MOST_LAYERS for found in schemes)
        and all(found["share_of_bandwidth"] >= GPU_SHARE for found in gpu)
    )
    document = {
        "benchmark": "weights", "met": met, "machine": machine.device_name,
        "targets": {"times_faster": TIMES_FASTER, "times_bincount": TIMES_BINCOUNT, "layers": MOST_LAYERS, "gpu": GPU_SHARE},
        "threads": machine.cores, "load_before": before, "kernels": type(kernels_for(weight)).__name__,
        "torch": torch.__version__, "shape": SHAPE, "histogram": histogram, "schemes": schemes, "growth": growth, "gpu": gpu,
    }  # fmt: skip
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document))
    return 0 if met else 1


def of_histogram(weight: Tensor, repetitions: int) -> dict[str, Any]:
    """The exact histogram of 16-bit weights, against one bincount of their codes."""
    codes = weight.view(torch.int16)
    ours = median_s(lambda: kernels_for(weight).code_counts(codes), repetitions)
    bincount = median_s(lambda: torch.bincount(codes.view(-1).int() & 0xFFFF, minlength=1 << 16), repetitions)
    print(f"histogram: {per_weight(ours, weight)} ns a weight, one bincount {per_weight(bincount, weight)}", flush=True)
    return {"ns": per_weight(ours, weight), "bincount_ns": per_weight(bincount, weight), "times_bincount": round(ours / bincount, 2)}


def of_scheme(weight: Tensor, key: str, repetitions: int) -> dict[str, Any]:
    """All figures and histograms of a scheme, against the plain way."""
    scheme = find_scheme(key)
    ours = median_s(lambda: measured(weight, [scheme]), repetitions)
    rounding = median_s(lambda: restored(weight, scheme), repetitions)
    plain = median_s(lambda: plainly(weight, scheme), repetitions)
    found = {"scheme": key, "ns": per_weight(ours, weight), "of_it_quantizing_ns": per_weight(rounding, weight)}
    found |= {"plain_ns": per_weight(plain, weight), "times_faster": round(plain / ours, 1)}
    print(f"{key}: {found['ns']} ns a weight, plainly {found['plain_ns']}: {found['times_faster']}×", flush=True)
    return found


def peak_in_layers(key: str) -> float:
    """Memory that measuring takes beside a layer, in sizes of the layer as stored; tells it of a process in which nothing else was done."""
    torch.set_num_threads(this_machine().cores)
    weight, scheme = layer(), find_scheme(key)
    measured(weight[:64].clone(), [scheme])  # packages are imported and threads started
    with PeakMemory(torch.device("cpu"), private_bytes()) as memory:
        measured(weight, [scheme])
    return round(memory.peak_bytes / (weight.numel() * weight.element_size()), 2)


def layer() -> Tensor:
    """Normally distributed weights as checkpoints hold them."""
    return (torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()


def measured(weight: Tensor, schemes: list[Scheme]) -> None:
    """What `engine.weights.measure_weight_error` does with a layer."""
    row_dequantizers = {scheme.key: row_dequantizer_of(scheme, spec(weight), "x", weight) for scheme in schemes}
    known = {key: row_dequantizer for key, row_dequantizer in row_dequantizers.items() if row_dequantizer is not None}
    group_sizes = {scheme.key: group_size(scheme, "x", known[scheme.key], weight.shape[1]) for scheme in schemes if scheme.key in known}
    measure_layer(weight, known, group_sizes, lambda: None)


def restored(weight: Tensor, scheme: Scheme) -> None:
    """Ŵ alone, in pieces, as measuring asks for it."""
    row_dequantizer = row_dequantizer_of(scheme, spec(weight), "x", weight)
    assert row_dequantizer is not None
    for start in range(0, len(weight), 512):
        row_dequantizer(weight[start : start + 512].float(), start)


def plainly(weight: Tensor, scheme: Scheme) -> tuple[Any, Any, float]:
    """The plain way."""
    original = weight.float()
    if scheme.family is SIMULATED:
        quantized = round_trip(original, SimulatedParams.of(scheme).format)
    else:
        quantized = family_of(scheme).round_trip(weight, scheme, spec(weight))
        assert quantized is not None
    w, r = original.numpy(), quantized.numpy()
    shapes = np.histogram(w, 97), np.histogram(r, 97)
    w64, r64 = w.astype(np.float64), r.astype(np.float64)
    return *shapes, float(10 * np.log10((w64**2).sum() / ((r64 - w64) ** 2).sum()))


def of_growth(largest: int) -> list[dict[str, Any]]:
    """Four schemes on models of growing size, read from a file."""
    found = []
    for size in GROWTH:
        if size > largest:
            continue
        layers = max(1, round(size / (SHAPE[0] * SHAPE[1])))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "layer.safetensors"
            save_file({"weight": layer()}, path)
            schemes = [find_scheme(key) for key in PRESET]
            began = perf_counter()
            for _ in range(layers):
                with safe_open(path, framework="pt") as file:
                    measured(file.get_tensor("weight"), schemes)
            seconds = perf_counter() - began
        weights = layers * SHAPE[0] * SHAPE[1]
        found.append({"weights": weights, "schemes": PRESET, "seconds": round(seconds, 2), "ns": round(seconds / weights * 1e9, 2)})
        print(f"{weights:,} weights, {len(PRESET)} schemes: {seconds:.1f} s", flush=True)
    return found


def of_gpu(weight: Tensor, key: str, repetitions: int) -> dict[str, Any]:
    """The same on a GPU, and how much of what copying reaches that is."""
    on_device = weight.cuda()
    copied = torch.empty_like(on_device)
    copying = median_s(lambda: copied.copy_(on_device), repetitions)
    ours = median_s(lambda: measured(on_device, [find_scheme(key)]), repetitions)
    # Copying reads and writes every weight; measuring has to read each once.
    return {"scheme": key, "ns": per_weight(ours, weight), "share_of_bandwidth": round(copying / 2 / ours, 3)}


def spec(weight: Tensor) -> WorkerSpec:
    """Where and in what it is computed."""
    device = weight.device.type
    return WorkerSpec.model_validate({
        "folder": "", "revision": "", "task": "text-generation", "scheme": None, "device": device, "dtype": "float32",
        "threads": torch.get_num_threads(),
    })  # fmt: skip


def median_s(work: Callable[[], object], repetitions: int) -> float:
    """Seconds of the middle repetition, after one that does not count."""
    times = []
    for _ in range(repetitions + 1):
        began = perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(perf_counter() - began)
    return max(statistics.median(times[1:]), ENOUGH)


def per_weight(seconds: float, weight: Tensor) -> float:
    """Nanoseconds, to a hundredth."""
    return round(seconds / weight.numel() * 1e9, 2)


if __name__ == "__main__":
    sys.exit(main())
