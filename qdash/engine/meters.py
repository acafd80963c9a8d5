"""How much memory a model takes while it works: the peak of a block of code, above the worker's idle level.

On an accelerator the figure is what torch has allocated there: CUDA's and XPU's allocators keep the peak, MPS is sampled by a thread. On a
CPU it is private (anonymous) memory, sampled as well: plain RSS would count the checkpoint's file as far as it happens to be mapped. For
the same reason weights that still lie in the file are copied out of it after loading: the model needs them as long as it runs, and left
there they would count as nothing.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

import psutil
import pynvml
import torch
from torch import nn

from qdash.engine.accelerator import allocated_bytes, empty_cache, keeps_peaks
from qdash.engine.sizes import held_tensors

SAMPLE_EVERY_S = 0.01
_M_MMAP_THRESHOLD, _OWN_PAGES_FROM = -3, 2**20  # the first is glibc's name for its setting


class PeakMemory:
    """Context manager that measures the peak of the memory that a block takes on `device`.

    `peak_bytes` is above `idle_bytes`, the `used_bytes` of the worker before it held a model. `reserved_bytes`, the peak of what the
    allocator holds, and `process_bytes`, what the driver counts for this process at the end, are absolute; None where the back end does
    not tell.
    """

    def __init__(self, device: torch.device, idle_bytes: int) -> None:
        self.peak_bytes = 0
        self.reserved_bytes: int | None = None
        self.process_bytes: int | None = None
        self._device = device
        self._idle_bytes = idle_bytes
        self._over = Event()
        self._sampler = Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        if keeps_peaks(self._device):
            torch.accelerator.reset_peak_memory_stats(self._device)
        else:
            self._look()
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        if keeps_peaks(self._device):
            self.peak_bytes = max(0, torch.accelerator.max_memory_allocated(self._device) - self._idle_bytes)
            self.reserved_bytes = torch.accelerator.max_memory_reserved(self._device)
            self.process_bytes = _process_bytes(self._device)
        else:
            self._over.set()
            self._sampler.join()
            self._look()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, used_bytes(self._device) - self._idle_bytes)
        if self._device.type == "mps":
            self.reserved_bytes = max(self.reserved_bytes or 0, torch.mps.driver_allocated_memory())


def used_bytes(device: torch.device) -> int:
    """Memory of the device that this process uses: what torch has allocated on an accelerator, private memory on a CPU."""
    return private_bytes() if device.type == "cpu" else allocated_bytes(device)


def private_bytes() -> int:
    """Anonymous resident memory of this process in bytes (Linux: RssAnon; elsewhere what psutil calls unique or private)."""
    if sys.platform == "linux":
        # statm holds resident and shared (file and shmem) pages on one short line: RssAnon, for a tenth of the price of status.
        _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    memory = psutil.Process().memory_full_info()
    return getattr(memory, "private", memory.uss)


def release_freed(device: torch.device) -> None:
    """Give memory that was freed back to the system and to `device`, so that what loading needed for a moment does not count afterwards."""
    gc.collect()
    trim(device)


def trim(device: torch.device) -> None:
    """`release_freed` for what is free already: without a search for garbage, slow where `preload` set nothing aside."""
    empty_cache(device)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def own_pages() -> Iterator[None]:
    """Within the block every large tensor has pages of its own, which go back to the system with it.

    Otherwise glibc puts tensors below 32 MiB between others and keeps the holes they leave: as much as half the peak, and never the same.
    """
    if sys.platform != "linux":
        yield
        return
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_FROM)
    try:
        yield
    finally:
        with suppress(OSError, AttributeError):
            # What glibc arrives at itself in a process that has freed a large tensor.
            ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)


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


def _process_bytes(device: torch.device) -> int | None:
    """Memory of this process on a CUDA device as NVML sees it, context and libraries included; None if it does not say."""
    if device.type != "cuda":
        return None
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        used = {process.pid: process.usedGpuMemory for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except pynvml.NVMLError:
        return None
    # In a container the numbers of processes are the host's: then there is no telling which one we are.
    return used.get(os.getpid())
