"""What this machine has: cores, memory, packages, and the GPUs that PyTorch can compute on.

The page must be up in seconds and never loads torch, yet has to say which schemes can run here. Package metadata and psutil answer most
of that. Which GPUs can be used only PyTorch itself knows, so a short-lived process asks it, once (see `engine.device_probe`).
"""

import json
import math
import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple

import psutil
import pynvml

from qdash import cgroups, zerogpu
from qdash.catalog.schemes import libraries
from qdash.errors import QdashError
from qdash.records import Device, DeviceType, Record, device_type
from qdash.settings import settings

MORE_PACKAGES = ("compressed-tensors", "gptqmodel", "optimum", "accelerate", "timm", "gradio", "plotly")
"""Besides those that schemes need: for checkpoints that were published quantized, for some models, for the page."""

UNTESTED: tuple[DeviceType, ...] = ("mps", "xpu")
"""Devices on which qdash is untested: they use the same code as CUDA, but must be chosen by name."""

_PROBE = Path(__file__).parent / "engine" / "device_probe.py"
_PROBE_TIMEOUT_S = 120
_asking = Lock()


def _renew_lock() -> None:
    """A fork copies the lock as it is; one that another thread held would never be released."""
    global _asking
    _asking = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Accelerator(Record):
    """A GPU that has computed. `bfloat16`: it has instructions for that type; `compute_capability` and `uuid`: NVIDIA only."""

    device: Device
    name: str
    memory_bytes: int
    free_bytes: int
    """When it was asked, before any worker ran."""
    bfloat16: bool
    compute_capability: tuple[int, int] | None = None
    uuid: str | None = None


class Machine(Record):
    """The facts that decide what can run, as seen from `device`, the one that was chosen.

    `problems` are sentences about GPUs that cannot be used, in PyTorch's words; empty where all can.
    """

    device: Device
    cpu_name: str
    cores: int
    memory_bytes: int
    platform: str
    python: str
    packages: dict[str, str]
    accelerators: tuple[Accelerator, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def accelerator(self) -> Accelerator | None:
        """The chosen GPU; None for the CPU."""
        return next((accelerator for accelerator in self.accelerators if accelerator.device == self.device), None)

    @property
    def device_name(self) -> str:
        """What the chosen device is called by its maker."""
        return self.accelerator.name if self.accelerator else self.cpu_name

    @property
    def compute_capability(self) -> tuple[int, int] | None:
        """The chosen GPU's, if it is NVIDIA's."""
        return self.accelerator.compute_capability if self.accelerator else None

    @property
    def device_memory_bytes(self) -> int:
        """All memory of the chosen device."""
        return self.accelerator.memory_bytes if self.accelerator else self.memory_bytes

    def resolve(self, choice: str) -> Device:
        """The device that `choice` stands for, such as "cuda:0" for "auto" and "cuda".

        Of several GPUs, the one with the most free memory. Raises QdashError("unavailable") for one that is not here or cannot be used.
        """
        if choice == "cpu":
            return choice
        able = sorted(self.accelerators, key=lambda accelerator: accelerator.free_bytes, reverse=True)
        fitting = [accelerator.device for accelerator in able if _stands_for(choice, accelerator.device)]
        if fitting:
            return fitting[0]
        if choice == "auto":
            return "cpu"
        problems, cure = " ".join(self.problems), "" if self.public else remedy_for(self.problems)
        choices, what = ", ".join(self.choices), f"The device “{choice}” cannot be used on this machine."
        message = f"{what} {problems}" if problems else what
        raise QdashError(message, f"Choose one of: {choices}. {cure}" if cure else f"Choose one of: {choices}.", "unavailable")

    @property
    def public(self) -> bool:
        """Whether strangers choose what runs here, who cannot install what is missing."""
        return settings().public

    @property
    def choices(self) -> tuple[str, ...]:
        """What a person may choose as device."""
        return ("auto", "cpu", *(accelerator.device for accelerator in self.accelerators))

    def on(self, choice: str) -> "Machine":
        """The machine as a scheme finds it that is to run on `choice`; raises QdashError as `resolve` does."""
        return self.model_copy(update={"device": self.resolve(choice)})


def this_machine() -> Machine:
    """Probe once; hardware and packages do not change while the process runs."""
    with _asking:
        return _probed()


def begin_probing() -> None:
    """Ask in the background, for a process that will need the answer once it has loaded other things."""
    Thread(target=this_machine, daemon=True).start()


def memory_budget_bytes(device: Device, held_bytes: int = 0) -> int:
    """What workers may hold together on `device`: a set share of all its memory or, if that is less, what is free and what they hold now.

    `held_bytes` is what this process's workers hold already; they can be closed to make room.
    """
    machine, limits = this_machine().on(device), settings()
    accelerator = machine.accelerator
    if accelerator is None:
        return min(int(machine.memory_bytes * limits.memory_fraction), available_bytes() + held_bytes)
    free = gpu_free_bytes(accelerator)
    # Where the driver does not say, what was free before any worker ran.
    room = accelerator.free_bytes if free is None else free + held_bytes
    return min(int(accelerator.memory_bytes * limits.gpu_memory_fraction), room)


def available_bytes() -> int:
    """Host memory that can be used now without swapping, within the container's limit."""
    free = psutil.virtual_memory().available
    left = cgroups.memory_free_bytes()
    return free if left is None else min(free, left)


def gpu_free_bytes(accelerator: Accelerator) -> int | None:
    """Free memory of a GPU at this moment; None where its driver does not say."""
    if device_type(accelerator.device) == "mps":
        return available_bytes()  # shared with the CPU
    if accelerator.uuid is None:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return next((free for kind in ("GPU", "MIG") if (free := _nvml_free_bytes(f"{kind}-{accelerator.uuid}")) is not None), None)
    finally:
        pynvml.nvmlShutdown()


def _nvml_free_bytes(uuid: str) -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(uuid)).free)
    except pynvml.NVMLError:
        return None


def remedy_for(problems: tuple[str, ...]) -> str:
    """What to do about GPUs that cannot be used; empty where nothing is known."""
    return next((cure.remedy for cure in _CURES if any(cure.sign in problem for problem in problems)), "")


class Cure(NamedTuple):
    """What to do about a problem with `sign` in it."""

    sign: str
    remedy: str


_CURES = (
    Cure(sign="hides every GPU", remedy="Unset the variable, or set it to the number of a GPU, to use one."),
    Cure(sign="too old", remedy="Update the NVIDIA driver, or install a PyTorch that is built for an older CUDA, to use the GPU."),
    Cure(sign="no kernel image", remedy="Use the CPU, or install a PyTorch that supports this GPU."),
    Cure(sign="build for CPUs only", remedy="Install a CUDA build of PyTorch to use an NVIDIA GPU."),
    Cure(sign="no NVIDIA driver", remedy="Install the NVIDIA driver to use an NVIDIA GPU."),
    Cure(sign="out of memory", remedy="Close the programs that use the GPU, then start qdash again."),
)


@cache
def _probed() -> Machine:
    packages = {name: version for name in (*libraries(), *MORE_PACKAGES) if (version := _version(name)) is not None}
    memory_bytes = psutil.virtual_memory().total
    asked = _gpus() if "torch" in packages else _none(problem="PyTorch is not installed.")
    here = Machine(
        device="cpu",
        cpu_name=_cpu_name(),
        cores=_cores(),
        memory_bytes=min(memory_bytes, cgroups.memory_limit_bytes() or memory_bytes),
        platform=platform.platform(terse=True),
        python=platform.python_version(),
        packages=packages,
        **asked,
    )
    return here.on("auto")


def _gpus() -> dict[str, Any]:
    """The fields `accelerators` and `problems`. A GPU that ZeroGPU will lend is not here yet, so PyTorch cannot be asked about it."""
    lent = zerogpu.emulated_accelerator()
    return _ask_pytorch() if lent is None else {"accelerators": (lent,)}


def _ask_pytorch() -> dict[str, Any]:
    """The fields `accelerators` and `problems`; a process that ends without an answer is a problem, too."""
    try:
        # -P: the script's folder has modules named like those of the standard library.
        command = [sys.executable, "-P", str(_PROBE)]
        output = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=True).stdout
        return json.loads(output.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return _none(problem=f"PyTorch did not say within {_PROBE_TIMEOUT_S} seconds which GPUs it can use.")
    except subprocess.CalledProcessError as error:
        last = next((line.strip() for line in reversed(error.stderr.splitlines()) if line.strip()), f"exit status {error.returncode}")
        return _none(problem=f"PyTorch ended while it looked for a GPU ({last[:200]}).")
    except (OSError, ValueError, IndexError) as error:
        return _none(problem=f"PyTorch could not be asked for a GPU ({error}).")


def _none(*, problem: str) -> dict[str, Any]:
    """The fields where there is no GPU."""
    return {"accelerators": (), "problems": (problem,)}


def _stands_for(choice: str, device: Device) -> bool:
    """Whether `choice` may mean `device`: itself, the type of device, or "auto" where the device has been tested."""
    return choice == device or choice == device_type(device) or (choice == "auto" and device_type(device) not in UNTESTED)


def _cores() -> int:
    """Cores that this process may run on, within the container's limit."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cgroups.cpu_limit()
    return own if limit is None else max(1, min(own, math.ceil(limit)))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
