"""How busy other programs keep this machine: the share of the processor's, or a GPU's, time that they take.

Times mean little while others compute. What this process and its workers take does not count, however many of them there are.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

import psutil
import pynvml

from qdash.machine import Accelerator, this_machine
from qdash.records import Device

LEAST_S = 0.1
"""The system counts in hundredths of a second: over less than this a share is chance."""

_GLANCE_S = 0.5
_FRESH_S = 5.0


@dataclass(frozen=True)
class _ProcessorTimes:
    """Processor seconds until now: those used by all programs (`taken`), by this process and its children (`own`), and the capacity
    (`there`).
    """

    taken: float
    own: float
    there: float
    at: float = field(default_factory=time.monotonic)
    at_us: int = field(default_factory=lambda: time.time_ns() // 1000)


class OthersLoad:
    """Measures what other programs use of the machine from now on."""

    def __init__(self, device: Device) -> None:
        self._gpu = this_machine().on(device).accelerator if device != "cpu" else None
        self._since = _processor_times()

    def share(self) -> float | None:
        """The share of the processor's time that others used since this was made, 0 to 1; None if unknown.

        On a GPU, of the GPU's time; the processor counts as far as others leave less than one core of it.
        """
        now = _processor_times()
        there = now.there - self._since.there
        if now.at - self._since.at < LEAST_S or there <= 0:
            return None
        others = (now.taken - self._since.taken) - (now.own - self._since.own)
        share = min(1.0, max(0.0, others / there))
        if self._gpu is None:
            return share
        left_of_one_core = (1 - share) * len(_cores())
        seen = _gpu_share(self._gpu, self._since.at_us)
        return max(1 - left_of_one_core, seen or 0.0, 0.0)


class Glance:
    """The latest reading for a line on a screen, taken in the background."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._readings: dict[Device, tuple[float, float | None]] = {}
        self._reading: set[Device] = set()

    def share(self, device: Device) -> float | None:
        """What others took of `device` in the last seconds, at once; None until half a second after it was first asked for."""
        with self._lock:
            at, share = self._readings.get(device, (0.0, None))
            if time.monotonic() - at < _FRESH_S or device in self._reading:
                return share
            self._reading.add(device)
        Thread(target=self._read, args=(device,), daemon=True).start()
        return share

    def _read(self, device: Device) -> None:
        share = None
        try:
            load = OthersLoad(device)
            time.sleep(_GLANCE_S)
            share = load.share()
        finally:
            with self._lock:
                self._readings[device] = (time.monotonic(), share)
                self._reading.discard(device)


_glance = Glance()


def busy_now(device: Device) -> float | None:
    """The share of `device`'s time that other programs take these seconds; cheap, never waits, None where it is not known (yet)."""
    return _glance.share(device)


def _processor_times() -> _ProcessorTimes:
    cores = _cores()
    times = [each for core, each in enumerate(psutil.cpu_times(percpu=True)) if core in cores]
    there = sum(sum(each) - getattr(each, "guest", 0.0) - getattr(each, "guest_nice", 0.0) for each in times)
    idle = sum(each.idle + getattr(each, "iowait", 0.0) for each in times)
    return _ProcessorTimes(taken=there - idle, own=_own_s(), there=there)


def _cores() -> set[int]:
    """The cores that this process may run on: what happens on others does not disturb it."""
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _own_s() -> float:
    """Processor seconds of this process and all it started, those that are over included."""
    seconds = 0.0
    for process in _own_processes():
        with suppress(psutil.Error):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def _own_processes() -> list[psutil.Process]:
    this = psutil.Process()
    with suppress(psutil.Error):
        return [this, *this.children(recursive=True)]
    return [this]


def _gpu_share(accelerator: Accelerator, since_us: int) -> float | None:
    """The share of an NVIDIA GPU's time that processes other than ours took since then; None where the driver does not tell."""
    if accelerator.uuid is None:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{accelerator.uuid}")
        own = {process.pid for process in _own_processes()}
        running = {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
        if running and not running & own:
            # In a container the numbers are the host's: there is no telling which are ours, unless ours are not on the GPU at all.
            return None
        samples = pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        others: dict[int, list[int]] = {}
        for sample in samples:
            if sample.pid not in own:
                others.setdefault(sample.pid, []).append(sample.smUtil)
        return min(1.0, sum(sum(each) / len(each) for each in others.values()) / 100)
    except pynvml.NVMLError as error:
        # Without any process on the GPU there is nothing to be found.
        return 0.0 if getattr(error, "value", None) == pynvml.NVML_ERROR_NOT_FOUND else None
    finally:
        pynvml.nvmlShutdown()
