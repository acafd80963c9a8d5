"""A comparison on a GPU through worker processes: asked for by nobody, found by PyTorch, used by workers that are forked after the preload.

The GPU is the one that `tests.engine.cuda_emulation` emulates, in all processes that know torch: the one that asks it for devices, the one
that workers are forked from, and the workers.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.skipif(torch.version.cuda is None, reason="the emulation is of CUDA, which this PyTorch is built without")

SITE = """
import sys
if any(name in sys.orig_argv[-1] for name in ("device_probe", "forkserver")):
    import torch
    from tests.engine import cuda_emulation
    cuda_emulation.emulate()
    torch.cuda.init = lambda: None
"""

RUN = """
from contextlib import closing
from qdash.runs.compare import compare
from qdash.execution.process import ProcessExecutor
from qdash.runs.plan import variants_of
from qdash.records import ComparisonDone, Measurement, Request
from qdash.report import to_json

if __name__ == "__main__":
    short = Measurement(runs=1, max_new_tokens=4, max_answer_tokens=8)
    request = Request(variants=variants_of("tiny-lm", ["original", "bnb-nf4"]), prompt="Once upon a time", measurement=short)
    with closing(ProcessExecutor()) as executor:
        *_, last = compare(request, None, executor)
        assert isinstance(last, ComparisonDone)
        held = executor.held_bytes("cuda:0")
    print(held)
    print(to_json(last.comparison).replace("\\n", " "))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    """What warm workers held on the GPU at the end, and the comparison."""
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "sitecustomize.py").write_text(SITE)
    (folder / "run.py").write_text(RUN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.getcwd()]), "QDASH_HISTORY": str(folder / "history")}
    command = [sys.executable, "-W", "ignore", str(folder / "run.py")]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    held, comparison = process.stdout.splitlines()[-2:]
    return int(held), json.loads(comparison)


def test_auto_is_the_gpu_and_the_original_computes_in_the_16_bits_it_is_stored_in(run):
    host, variants = run[1]["host"], run[1]["variants"]
    assert (host["device"], host["no_gpu"]) == ("cuda:0", None) and "H200" in host["device_name"]
    assert [(result["status"], result["dtype"]) for result in variants] == [("ok", "bfloat16")] * 2


def test_every_worker_found_the_gpu_untouched(run):
    original, nf4 = run[1]["variants"]
    assert original["answer"] and nf4["coverage"]["quantized"] > 0 and nf4["agreement"]["kl_mean_nats"] is not None
    for result in (original, nf4):
        memory = result["memory"]
        # What the device's allocator counts: on a CPU there is no such figure.
        assert memory["reserved_bytes"] >= memory["peak_bytes"] >= memory["weights_bytes"] > 0


def test_warm_workers_hold_their_weights_and_a_context_each(run):
    weights = sum(result["memory"]["weights_bytes"] for result in run[1]["variants"])
    assert run[0] >= weights + 2 * 512 * 2**20
