"""What the process that workers are forked from may not do: open the GPU, or remember that it was hidden.

There is no GPU here. What a working NVIDIA machine would answer is put in the place of PyTorch's questions to the driver; whether CUDA was
initialised, and whether a fork may use it, is PyTorch's own bookkeeping.
"""

import json
import os
import subprocess
import sys

import pytest

ANSWERS = """
import json, os, types
import torch
calls = []
def init(): calls.append(1); raise RuntimeError("CUDA was initialised")
torch.cuda.is_available, torch.cuda.device_count = (lambda: True), (lambda: 1)
torch._C._cuda_init = init
"""

PRELOADED = """
import qdash.engine.preload, sys
import torch.utils._triton as triton
print(json.dumps({
    "calls": len(calls), "available": torch.cuda.is_available(), "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "bitsandbytes": "bitsandbytes" in sys.modules, "noted": triton.has_triton.cache_info().currsize,
    "worker": "qdash.engine.worker" in sys.modules,
}))
"""


def said(script: str, **environment: str) -> dict:
    clean = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-W", "ignore", "-c", ANSWERS + script]
    process = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("visible", [None, "1", "GPU-5a3"])
def test_preloading_leaves_the_gpu_untouched_and_in_sight(visible):
    found = said(PRELOADED, **({"CUDA_VISIBLE_DEVICES": visible} if visible else {}))
    assert found == {"calls": 0, "available": True, "visible": visible, "bitsandbytes": False, "noted": 0, "worker": True}


def test_a_package_that_fails_while_it_is_imported_costs_nobody_else():
    broken = "import sys\nclass Broken:\n  def find_spec(self, name, *_):\n    if name == 'torchao': raise RuntimeError('driver')\n"
    assert said(f"{broken}sys.meta_path.insert(0, Broken())\n{PRELOADED}")["calls"] == 0


LIBRARY = """
import importlib, warnings
preload = importlib.import_module("qdash.engine.preload")
preload.hide_gpus()
from bitsandbytes import cextension
print(json.dumps({"cuda": cextension.lib.compiled_with_cuda, "available": torch.cuda.is_available(), "calls": len(calls)}))
"""


def test_a_worker_on_the_cpu_gets_bitsandbytes_cpu_library_on_a_gpu_machine():
    assert said(LIBRARY) == {"cuda": False, "available": False, "calls": 0}


UNTIL_TORCH = """
import sys
class Enough:
    def find_spec(self, name, *_):
        if name == "transformers": sys.exit()
sys.meta_path.insert(0, Enough())
import qdash.engine.preload
"""
"""libgomp comes with torch and reads its settings at once; what is imported after it takes longer."""


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is torch's on Linux only")
@pytest.mark.parametrize(
    ("chosen", "read"),
    [
        ({"QDASH_PUBLIC": "1"}, "1000"),
        ({}, "300000"),  # libgomp's own
        ({"QDASH_PUBLIC": "1", "GOMP_SPINCOUNT": "77"}, "77"),
        ({"QDASH_PUBLIC": "1", "OMP_WAIT_POLICY": "passive"}, "0"),
    ],
)
def test_on_a_public_server_threads_that_wait_leave_the_core_to_others(chosen, read):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_", "QDASH_"))}
    command = [sys.executable, "-W", "ignore", "-c", UNTIL_TORCH]
    process = subprocess.run(command, env=clean | {"OMP_DISPLAY_ENV": "verbose"} | chosen, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = '{read}'" in process.stderr
