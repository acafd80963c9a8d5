"""What this machine has, found without importing torch.

The page must be up in seconds and never loads torch, yet has to say which schemes can run here. Package metadata, NVML and psutil
answer that; what a worker then really finds is checked again by the worker.
"""

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import psutil
import pynvml

from qdash.records import Record

PACKAGES = (
    "torch", "transformers", "bitsandbytes", "torchao", "compressed-tensors", "gptqmodel", "optimum", "accelerate", "timm", "gradio",
    "plotly",
)  # fmt: skip


class Machine(Record):
    """The facts that decide what can run: device, compute capability, memory (bytes), package versions."""

    device: str
    device_name: str
    compute_capability: tuple[int, int] | None
    device_memory_bytes: int | None
    cores: int
    memory_bytes: int
    platform: str
    python: str
    packages: dict[str, str]

    def resolve(self, device: str) -> str:
        """Turn "auto" into the device that will be used."""
        return self.device if device == "auto" else device

    def on(self, device: str) -> "Machine":
        """What a scheme that is to run on `device` ("auto", "cpu" or "cuda") finds here."""
        return self.model_copy(update={"device": self.resolve(device)})


@cache
def this_machine() -> Machine:
    """Probe once; hardware and packages do not change while the process runs."""
    packages = {name: version for name in PACKAGES if (version := _version(name)) is not None}
    gpu = None if "+cpu" in packages.get("torch", "") else _first_gpu()
    memory_bytes = psutil.virtual_memory().total
    return Machine(
        device="cuda" if gpu else "cpu",
        device_name=gpu[0] if gpu else _cpu_name(),
        compute_capability=gpu[1] if gpu else None,
        device_memory_bytes=gpu[2] if gpu else None,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=min(memory_bytes, _container_limit() or memory_bytes),
        platform=platform.platform(terse=True),
        python=platform.python_version(),
        packages=packages,
    )


def available_bytes() -> int:
    """Host memory that can be used now without swapping, within the container's limit."""
    free = psutil.virtual_memory().available
    limit = _container_limit()
    used = psutil.Process().memory_info().rss
    return min(free, limit - used) if limit else free


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _first_gpu() -> tuple[str, tuple[int, int], int] | None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        name = pynvml.nvmlDeviceGetName(handle)
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        return str(name), (int(major), int(minor)), int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _container_limit() -> int | None:
    """The cgroup v2 memory limit in bytes: Spaces and containers give less than the machine has."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
