"""Which devices there are and which one is meant: PyTorch is asked in a process of its own, and its answer is believed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdash import machine
from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.errors import QdashError
from qdash.machine import Accelerator, Machine, memory_budget_bytes, remedy_for, this_machine
from qdash.settings import settings

GIB = 2**30


def gpu(device: str = "cuda:0", **changes) -> Accelerator:
    facts = {
        "name": f"GPU {device}", "memory_bytes": 16 * GIB, "free_bytes": 15 * GIB, "bfloat16": True, "compute_capability": (9, 0),
    } | changes  # fmt: skip
    return Accelerator(device=device, **facts)


def machine_with(*accelerators: Accelerator, problems: tuple[str, ...] = ()) -> Machine:
    found = this_machine().model_copy(update={"accelerators": accelerators, "problems": problems, "device": "cpu"})
    return found.on("auto")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    """`use(machine)` makes it this machine."""

    def use(other: Machine) -> None:
        monkeypatch.setattr(machine, "_probed", lambda: other)

    return use


def test_auto_is_the_gpu_with_the_most_free_memory():
    several = machine_with(gpu("cuda:0", free_bytes=2 * GIB), gpu("cuda:1", free_bytes=9 * GIB), gpu("cuda:2", free_bytes=5 * GIB))
    assert several.device == several.resolve("auto") == several.resolve("cuda") == "cuda:1"
    assert several.resolve("cuda:2") == "cuda:2" and several.resolve("cpu") == "cpu"
    assert several.choices == ("auto", "cpu", "cuda:0", "cuda:1", "cuda:2")


def test_facts_are_those_of_the_chosen_device():
    both = machine_with(gpu("cuda:0", name="old", compute_capability=(7, 5), memory_bytes=4 * GIB), gpu("cuda:1", name="new"))
    old, new, cpu = both.on("cuda:0"), both.on("cuda:1"), both.on("cpu")
    assert (old.device_name, old.compute_capability, old.device_memory_bytes) == ("old", (7, 5), 4 * GIB)
    assert (new.device_name, new.compute_capability) == ("new", (9, 0))
    assert (cpu.device_name, cpu.compute_capability, cpu.device_memory_bytes) == (cpu.cpu_name, None, cpu.memory_bytes)
    assert unavailable(SCHEMES["ao-fp8dyn"], new) is None
    assert "7.5" in str(unavailable(SCHEMES["ao-fp8dyn"], old))
    assert "Choose the device “cuda”, or FP8 weights (ao-fp8wo)." in str(unavailable(SCHEMES["ao-fp8dyn"], cpu))
    assert "cuda”" not in str(unavailable(SCHEMES["ao-fp8dyn"], machine_with())), "there is none to choose"
    assert "the CPU" in str(unavailable(SCHEMES["torch-int8dyn"], new))


@pytest.mark.parametrize("device", ["mps", "xpu:0"])
def test_untested_devices_have_to_be_asked_for(device):
    found = machine_with(gpu(device, compute_capability=None))
    assert found.device == "cpu"
    assert found.resolve(device.partition(":")[0]) == found.resolve(device) == device


@pytest.mark.parametrize("choice", ["cuda", "cuda:3", "mps"])
def test_a_device_that_is_not_here_is_refused_with_what_is(choice):
    found = machine_with(gpu("xpu:0"), problems=("The driver is too old.",))
    with pytest.raises(QdashError) as caught:
        found.resolve(choice)
    assert choice in caught.value.message and "The driver is too old." in caught.value.message
    assert "auto, cpu, xpu:0" in caught.value.remedy and "Update" in caught.value.remedy
    assert caught.value.kind == "unavailable"


def test_every_problem_that_the_probe_can_word_has_a_remedy():
    known = (
        "CUDA_VISIBLE_DEVICES is set to “”, which hides every GPU.", "The NVIDIA driver on your system is too old (found version 12090).",
        "Tesla K80: CUDA error: no kernel image is available for execution on the device.", "PyTorch 2.11.0 is a build for CPUs only.",
        "Found no NVIDIA driver on your system.", "NVIDIA T4: CUDA error: out of memory.",
    )  # fmt: skip
    assert all(remedy_for((problem,)) for problem in known)


# What sitecustomize puts in the place of a driver: the rest is PyTorch's own.
OLD_DRIVER = """
import torch
torch.cuda._raw_device_count_nvml = lambda: 1
def init(): raise RuntimeError("The NVIDIA driver on your system is too old (found version 12090). Please update it.")
torch._C._cuda_init = init
"""
NO_KERNELS = """
import types, torch
torch.cuda.init = lambda: None
torch.cuda.device_count = lambda: 1
torch.cuda.get_device_name = lambda *_: "Tesla K80"
def ones(*_, **__): raise RuntimeError("CUDA error: no kernel image is available for execution on the device\\nCompile with ...")
torch.ones = ones
"""
CPU_BUILD = """
import torch
torch.version.cuda = torch.version.hip = None
torch.__version__ = "2.11.0"
"""
NO_DRIVER = """
import torch
def init(): raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU.")
torch._C._cuda_init = init
"""
CRASH = "import os, sys\nif sys.argv[0].endswith('device_probe.py'): sys.stderr.write('driver bug\\n'); os._exit(7)\n"

PRINT = "from qdash.machine import this_machine; m = this_machine(); print(m.device, *m.problems, sep='|')"


@pytest.mark.parametrize(
    ("site", "variables", "problem"),
    [
        (OLD_DRIVER, {}, "The NVIDIA driver on your system is too old (found version 12090)."),
        (NO_KERNELS, {}, "Tesla K80: CUDA error: no kernel image is available for execution on the device."),
        (NO_DRIVER, {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES is set to “”, which hides every GPU."),
        (NO_DRIVER, {}, "Found no NVIDIA driver on your system."),
        (CPU_BUILD, {}, "PyTorch 2.11.0 is a build for CPUs only."),
        (CRASH, {}, "PyTorch ended while it looked for a GPU (driver bug)."),
    ],
)
def test_why_no_gpu_can_be_used_is_said_in_pytorchs_words(tmp_path: Path, site: str, variables: dict[str, str], problem: str):
    (tmp_path / "sitecustomize.py").write_text(site)
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | variables
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.getcwd()])
    output = subprocess.run([sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True).stdout
    assert output.strip() == f"cpu|{problem}"


def test_a_budget_is_a_share_of_all_or_what_is_free(monkeypatch, use):
    free = 10 * GIB
    use(machine_with(gpu(uuid="abc")))
    monkeypatch.setattr(machine, "_nvml_free_bytes", lambda uuid: free if uuid == "GPU-abc" else None)
    monkeypatch.setattr(machine.pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(machine.pynvml, "nvmlShutdown", lambda: None)
    assert memory_budget_bytes("cuda:0") == 10 * GIB
    assert memory_budget_bytes("cuda:0", held_bytes=2 * GIB) == 12 * GIB
    free = 16 * GIB
    assert memory_budget_bytes("cuda:0") == int(16 * GIB * settings().gpu_memory_fraction)


def test_a_driver_that_does_not_tell_leaves_the_figure_of_the_start(use):
    use(machine_with(gpu(free_bytes=3 * GIB)))
    assert memory_budget_bytes("cuda:0", held_bytes=2 * GIB) == 3 * GIB


def test_the_cpus_budget_knows_the_container(monkeypatch, use):
    use(machine_with().model_copy(update={"memory_bytes": 64 * GIB}))
    monkeypatch.setattr(machine.cgroups, "memory_free_bytes", lambda: GIB)
    assert memory_budget_bytes("cpu") == GIB
    assert memory_budget_bytes("cpu", held_bytes=GIB) == 2 * GIB


def test_cores_are_those_of_the_container(monkeypatch):
    monkeypatch.setattr(machine.cgroups, "cpu_limit", lambda: 0.5)
    assert machine._cores() == 1
