"""How much memory a model takes while it works: the peak of a block of code.

On CUDA the allocator keeps count. On a CPU the figure is private (anonymous) memory above the worker's idle level, sampled by a thread:
plain RSS would count the checkpoint's file as far as it happens to be mapped. For the same reason weights that still lie in the file are
copied out of it after loading: the model needs them as long as it runs, and left there they would count as nothing.
"""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

import psutil
import pynvml
import torch
from torch import nn

from qdash.engine.sizes import held_tensors

SAMPLE_EVERY_S = 0.01


class PeakMemory:
    """Context manager that finds the peak of a block: `peak_bytes`, and on CUDA `reserved_bytes` and `process_bytes` too.

    `idle_bytes`: `private_bytes()` of the worker before it held a model; not used on CUDA.
    """

    def __init__(self, device: str, idle_bytes: int) -> None:
        self.peak_bytes = 0
        self.reserved_bytes: int | None = None
        self.process_bytes: int | None = None
        self._on_cuda = device == "cuda"
        self._idle_bytes = idle_bytes
        self._over = Event()
        self._sampler = Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        if self._on_cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            self._look()
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._on_cuda:
            self.peak_bytes = torch.cuda.max_memory_allocated()
            self.reserved_bytes = torch.cuda.max_memory_reserved()
            self.process_bytes = _process_bytes()
        else:
            self._over.set()
            self._sampler.join()
            self._look()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, private_bytes() - self._idle_bytes)


def private_bytes() -> int:
    """Anonymous resident memory of this process in bytes (Linux: RssAnon; elsewhere what psutil calls unique or private)."""
    if sys.platform == "linux":
        # statm holds resident and shared (file and shmem) pages on one short line: RssAnon, for a tenth of the price of status.
        _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    memory = psutil.Process().memory_full_info()
    return getattr(memory, "private", memory.uss)


def release_freed() -> None:
    """Give memory that was freed back to the system, so that what loading needed for a moment does not count afterwards."""
    gc.collect()
    trim()


def trim() -> None:
    """`release_freed` for what is free already: without a search for garbage, slow where `preload` set nothing aside."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)


@torch.no_grad()
def copy_out_of_file(model: nn.Module, folder: Path) -> None:
    """Copy every weight that is still a view of a memory-mapped file of `folder` into memory of its own, one at a time."""
    mapped = _mapped_files(folder)
    for _, tensor in held_tensors(model):
        if tensor.device.type == "cpu" and any(start <= tensor.data_ptr() < end for start, end in mapped):
            tensor.data = tensor.data.clone()


def _mapped_files(folder: Path) -> list[tuple[int, int]]:
    """Address ranges of mapped safetensors files; where the system does not tell, all addresses."""
    if sys.platform != "linux":
        return [(0, sys.maxsize)]
    # The hub's cache holds links to files of other names.
    files = {str(file.resolve()) for file in folder.glob("*.safetensors")}
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text(errors="replace").splitlines()]
    ranges = [line[0].split("-") for line in lines if len(line) == 6 and line[5] in files]
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


def _process_bytes() -> int | None:
    """Memory of this process on the current GPU as NVML sees it, context and libraries included; None if it does not say."""
    uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        used = {process.pid: process.usedGpuMemory for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except pynvml.NVMLError:
        return None
    # In a container the numbers of processes are the host's: then there is no telling which one we are.
    return used.get(os.getpid())
