"""Devices beyond computing: making one current, waiting for it, its events and its memory. The one place where back ends differ.

`torch.accelerator` is the same for CUDA, XPU and MPS, except for memory: in PyTorch 2.11 MPS tells only what is allocated now, through
`torch.mps`, and keeps no peak. On a CPU the work is done when a call returns and nothing is cached, so most functions here do nothing.
"""

from contextlib import AbstractContextManager
from functools import cache

import torch

from qdash.records import Device


def current(device: torch.device) -> AbstractContextManager[None]:
    """Within this, `device` is the current one of its type if it has a number: streams, events and libraries use the current device.

    Each thread has a current device of its own, so every call of a worker sets it.
    """
    return torch.accelerator.device_index(device.index)


def name_of(device: torch.device) -> Device:
    """The device as `Device` writes it: only types of which a machine can have several carry a number."""
    return str(device) if device.type in ("cuda", "xpu") else device.type


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device`, which is the current one of its type, multiplies in bfloat16 natively. Metal does not say, and older Apple GPUs do
    not.
    """
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
    return device.type != "mps" and torch.get_device_module(device.type).is_bf16_supported(including_emulation=False)


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def empty_cache(device: torch.device) -> None:
    """Return the memory that torch's allocator keeps for reuse to the device, so that other processes can have it."""
    if device.type == "mps":
        torch.mps.empty_cache()
    elif device.type != "cpu":
        torch.accelerator.empty_cache()


def allocated_bytes(device: torch.device) -> int:
    """Memory of an accelerator that this process has allocated through torch: tensors, and workspaces of its libraries."""
    return torch.mps.current_allocated_memory() if device.type == "mps" else torch.accelerator.memory_allocated(device)


def keeps_peaks(device: torch.device) -> bool:
    """Whether the device's allocator records the peak of what was allocated."""
    return device.type not in ("cpu", "mps")


@cache
def times_events(device: torch.device) -> bool:
    """Whether events on the device's stream measure time. This is tried, as not every back end and driver supports it."""
    if device.type == "cpu":
        return False
    try:
        first, last = recorded_event(device), recorded_event(device)
        synchronize(device)
        return first.elapsed_time(last) >= 0
    except RuntimeError:
        return False


def recorded_event(device: torch.device) -> torch.Event:
    """An event, with timing, recorded on the device's current stream."""
    event = torch.Event(device, enable_timing=True)
    event.record(torch.accelerator.current_stream(device))
    return event


def float64_device(device: torch.device) -> torch.device:
    """`device`, or the CPU in place of one without 64-bit floats."""
    return device if _has_float64(device) else torch.device("cpu")


def _has_float64(device: torch.device) -> bool:
    """Apple's GPUs have none, and not all of Intel's do."""
    return device.type != "mps" and (device.type != "xpu" or torch.xpu.get_device_properties(device).has_fp64)
