"""A process in which a GPU is emulated: tensors say `cuda:0`, are computed on the CPU, and may not be mixed with those that are there.

    python -m tests.engine.cuda_emulation SCHEME@FOLDER …

The tensors are those of the package `spaces`, which emulates CUDA for hosts that lend a GPU for single calls. This adds what it lacks: the
device's allocator, clock and queue, in `torch.accelerator`. It is a process of its own, as torch is patched for good. For each FOLDER a
worker does all that it can do with the model under SCHEME; if that is `weights`, it compares the weights. With `-narrow` at the end of
SCHEME the device has no 64-bit floats. The last line is one JSON document with an entry for each.
"""

import json
import os
import sys
import threading
import time
import warnings
import weakref
from collections import Counter
from contextlib import nullcontext
from typing import Any

os.environ |= {
    "SPACES_ZERO_GPU": "1",
    "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9",  # it has to be set, and is not asked
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
warnings.simplefilter("ignore")  # spaces says that it finds no driver

import spaces  # noqa: E402, F401  # patches torch when it is imported, and wants to come first
import torch  # noqa: E402
from spaces.zero.torch import patching  # noqa: E402
from torch.utils.weak import WeakTensorKeyDictionary  # noqa: E402

from qdash.engine import accelerator  # noqa: E402
from qdash.engine.worker import Worker  # noqa: E402
from tests.engine.everything import everything, measured, spec_on  # noqa: E402

NARROW = "-narrow"
WORKSPACE = 2**25  # bytes, which the libraries of a GPU take when they are first used, and keep


class Allocator:
    """Counts the memory of tensors on the device, each storage once, and what is kept for reuse when they are gone."""

    def __init__(self) -> None:
        self.holders: Counter[int] = Counter()
        self.allocated = self.reserved = self.peak = self.reserved_peak = 0

    def hold(self, tensor: torch.Tensor) -> None:
        """Count `tensor`, which is on the device, for as long as it lives."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self.allocated = self.allocated or WORKSPACE
        self.holders[key] += 1
        if self.holders[key] == 1:
            self.allocated += size
            self.reserved = max(self.reserved, self.allocated)
            self.peak, self.reserved_peak = max(self.peak, self.allocated), max(self.reserved_peak, self.reserved)
        weakref.finalize(tensor, self.release, key, size)

    def release(self, key: int, size: int) -> None:
        """A tensor is gone; its storage too, unless others share it."""
        self.holders[key] -= 1
        if not self.holders[key]:
            del self.holders[key]
            self.allocated -= size

    def reset_peaks(self, *_: object) -> None:
        """As `torch.accelerator.reset_peak_memory_stats`."""
        self.peak, self.reserved_peak = self.allocated, self.reserved

    def empty_cache(self) -> None:
        """As `torch.accelerator.empty_cache`."""
        self.reserved = self.allocated


class Queue:
    """Whatever was given to the device is pending until it is waited for."""

    def __init__(self) -> None:
        self.pending = False

    def synchronize(self, *_: object) -> None:
        """As `torch.accelerator.synchronize`."""
        self.pending = False


class Event:
    """As `torch.Event` with timing, of a device that is never behind while it works."""

    def __init__(self, device: torch.device, *, enable_timing: bool) -> None:
        assert device.type == "cuda" and enable_timing
        self.at = 0.0

    def record(self, stream: None) -> None:
        """The stream has come to this point."""
        self.at = time.perf_counter()

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds until `end`."""
        return (end.at - self.at) * 1e3


class OnDevice(WeakTensorKeyDictionary):
    """The tensors on the device, each with the one on the CPU that it stands for, where allocator and queue hear of them."""

    float64 = True  # whether the device has 64-bit floats, as NVIDIA's do

    def __setitem__(self, tensor: torch.Tensor, original: torch.Tensor) -> None:
        if original.dtype == torch.float64 and not self.float64:
            raise TypeError("This device has no 64-bit floats.")
        super().__setitem__(tensor, original)
        ALLOCATOR.hold(original)
        QUEUE.pending = True


ALLOCATOR, QUEUE, ON_DEVICE = Allocator(), Queue(), OnDevice()


def emulate() -> None:
    """Complete what `spaces` emulates."""
    patching.cuda_aliases = ON_DEVICE
    patching.CUDA_DEVICE_PROPERTIES.uuid = "emulated"
    run = threading.Thread.run

    def run_emulated(thread: threading.Thread) -> None:
        with patching.ZeroGPUFunctionMode(), patching.DefaultDispatchMode():  # transformers loads weights in threads
            run(thread)

    patches: dict[Any, dict[str, Any]] = {
        threading.Thread: {"run": run_emulated},
        torch: {"Event": Event},
        torch.accelerator: {
            "synchronize": QUEUE.synchronize,
            "current_stream": lambda *_: None,
            "device_index": lambda index: nullcontext(),
            "empty_cache": ALLOCATOR.empty_cache,
            "reset_peak_memory_stats": ALLOCATOR.reset_peaks,
            "memory_allocated": lambda *_: ALLOCATOR.allocated,
            "max_memory_allocated": lambda *_: ALLOCATOR.peak,
            "max_memory_reserved": lambda *_: ALLOCATOR.reserved_peak,
        },
        torch.cuda: {
            "mem_get_info": lambda *_: (2**36, 2**36),
            "memory_reserved": lambda *_: ALLOCATOR.reserved,
            "memory_allocated": lambda *_: ALLOCATOR.allocated,
            "is_bf16_supported": lambda **_: True,
        },
        accelerator: {"_has_float64": lambda device: ON_DEVICE.float64 or device.type == "cpu"},
    }
    for owner, replaced in patches.items():
        for name, value in replaced.items():
            setattr(owner, name, value)


def all_done(worker: Worker) -> dict[str, Any]:
    """What a worker's methods return; after each, what the allocator keeps for reuse, and whether the device is still at work."""
    cached: dict[str, int] = {}
    pending: dict[str, bool] = {}

    def look(method: str) -> None:
        cached[method], pending[method] = ALLOCATOR.reserved - ALLOCATOR.allocated, QUEUE.pending

    made = everything(worker, look)
    replies = made.pop("replies")
    records = {method: json.loads(record.model_dump_json()) for method, record in made.items()}
    assert worker.held is not None
    return {**records, "replies": replies, "cached": cached, "pending": pending, "device": str(worker.held.model.device)}


def run(subject: str) -> dict[str, Any]:
    """One entry of the document."""
    scheme, folder = subject.split("@", 1)
    ON_DEVICE.float64 = not scheme.endswith(NARROW)
    key = scheme.removesuffix(NARROW)
    if key != "weights":
        return all_done(Worker(spec_on("cuda:0", folder, key)))
    report, near = measured(Worker(spec_on("cuda:0", folder, None)))
    return {"report": json.loads(report.model_dump_json()), "near": [json.loads(detail.model_dump_json()) for detail in near]}


if __name__ == "__main__":
    emulate()
    torch.set_num_threads(1)
    print(json.dumps({subject: run(subject) for subject in sys.argv[1:]}))
