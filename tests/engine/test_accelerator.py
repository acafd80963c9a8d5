"""Accelerators that this machine does not have: back ends imitated as they are in PyTorch 2.11."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from qdash.engine import accelerator, loaded_variant, meters, timing, worker
from qdash.engine.accelerator import float64_device, name_of, times_events
from qdash.engine.failures import is_out_of_memory, memory_errors
from qdash.engine.meters import PeakMemory
from qdash.engine.schemes.bitsandbytes import fast_dtype
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import WorkerSpec
from tests.engine.conftest import ignore, never, spec_of
from tests.engine.everything import everything
from tests.support.held import model_of

CPU, MPS = torch.device("cpu"), torch.device("mps")
MIB = 2**20


@pytest.fixture
def current(monkeypatch) -> threading.local:
    """A machine with several GPUs, of which threads start with the first: `current.index`."""

    class Current(threading.local):
        index = 0

    found = Current()

    def exchange(index: int) -> int:
        before, found.index = found.index, index
        return before

    monkeypatch.setattr(torch._C, "_accelerator_exchangeDevice", exchange)
    monkeypatch.setattr(torch._C, "_accelerator_maybeExchangeDevice", exchange)
    return found


@pytest.mark.parametrize(("device", "expected"), [("cuda:1", 1), ("xpu:2", 2), ("cuda:0", 0), ("cuda", 5), ("cpu", 5)])
def test_in_every_call_the_workers_device_is_current(checkpoint, current, monkeypatch, device, expected):
    """Whatever thread it comes from: inline, each call is one. (The model itself is on the CPU here.)"""
    subject, during, after = Worker(spec_of(checkpoint("qwen3"), "original")), [], []
    subject.load(emit=ignore, stop=never)
    subject._device = torch.device(device)
    model_of(subject).register_forward_pre_hook(lambda *_: during.append(current.index))
    monkeypatch.setattr(worker, "trim", lambda device: during.append(current.index))

    def called_from_a_thread_with_another() -> None:
        current.index = 5
        everything(subject, lambda method: after.append(current.index))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(called_from_a_thread_with_another).result()
    assert len(during) > 20 and set(during) == {expected} and set(after) == {5}


def test_weights_are_compared_and_models_loaded_on_the_workers_device(checkpoint, current, monkeypatch):
    subject, used = Worker(spec_of(checkpoint("qwen3"), "original", device="cuda:3")), []

    def skeleton(spec: WorkerSpec) -> None:
        used.append(current.index)
        raise KeyError

    for module in (worker, loaded_variant):
        monkeypatch.setattr(module, "load_skeleton", skeleton)
    for call in (lambda: subject.load(emit=ignore, stop=never), lambda: subject.measure_weight_error(["bf16"], emit=ignore, stop=never)):
        with pytest.raises(KeyError):
            call()
    with pytest.raises(KeyError):
        subject.measure_layer("bf16", "any", None, 0, emit=ignore, stop=never)
    assert used == [3, 3, 3] and current.index == 0


def test_a_device_is_named_as_records_have_it():
    named = {name: name_of(torch.device(name)) for name in ("cpu", "mps:0", "cuda:1", "xpu:0", "cuda")}
    assert named == {"cpu": "cpu", "mps:0": "mps", "cuda:1": "cuda:1", "xpu:0": "xpu:0", "cuda": "cuda"}
    for name in named.values():
        WorkerSpec(folder="", revision="", task="text-generation", scheme=None, device=name, dtype="float32", threads=1)


def test_metal_is_sampled_as_it_keeps_no_peaks(monkeypatch):
    """And asked through `torch.mps` alone: its allocator is none that `torch.accelerator` knows."""
    allocated, driver = iter([5, 70, 20, *[10] * 1000]), iter([30, 90, 80, *[40] * 1000])
    seen = threading.Event()

    def now() -> int:
        value = next(allocated)
        if value == 10:
            seen.set()
        return value * MIB

    monkeypatch.setattr(torch.mps, "current_allocated_memory", now)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: next(driver) * MIB)
    with PeakMemory(MPS, 4 * MIB) as memory:
        assert seen.wait(10)
    assert memory.peak_bytes == 66 * MIB and memory.reserved_bytes == 90 * MIB and memory.process_bytes is None


def test_metals_cache_is_emptied_through_torch_mps(monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: emptied.append("accelerator"))
    for name in ("cpu", "mps", "cuda:1", "xpu"):
        meters.trim(torch.device(name))
    assert emptied == ["mps", "accelerator", "accelerator"]


@pytest.mark.parametrize(
    ("name", "fp64", "expected"), [("cuda:1", True, "cuda:1"), ("mps", True, "cpu"), ("xpu", True, "xpu"), ("xpu", False, "cpu")]
)
def test_64_bit_floats_are_where_there_are_any(monkeypatch, name, fp64, expected):
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda device: SimpleNamespace(has_fp64=fp64))
    assert float64_device(torch.device(name)) == torch.device(expected)


def test_a_clock_waits_for_a_device_whose_events_tell_no_time(worker, question, monkeypatch):
    """A device that is slow to do what it was given: every token takes as long, though the host is told at once."""
    subject, asked, now, waited = worker("qwen3", "original"), question("qwen3"), [0.0], []

    def wait(device: torch.device) -> None:
        now[0] += 1.0
        waited.append(device)

    monkeypatch.setattr(timing, "synchronize", wait)
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])
    run = timing.timed_run(model_of(subject), subject.held.processor, asked.prompt, None, 5, never)
    assert not times_events(model_of(subject).device) and set(waited) == {CPU}
    assert (run.preprocess_s, run.ttft_s, run.tpot_s, run.total_s) == (0, 1, 1, 5)


def test_a_back_end_without_timing_events_is_found_out(monkeypatch):
    def without_timing(device: torch.device) -> torch.Event:
        raise NotImplementedError

    monkeypatch.setattr(accelerator, "recorded_event", without_timing)
    assert not times_events(torch.device("xpu:7"))
    times_events.cache_clear()


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "The GPU's memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GiB, max allowed: 9.07 GiB)."), "The GPU's memory"),
        (RuntimeError("Invalid buffer size: 20.00 GiB"), "The GPU's memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "The GPU's memory"),
        (RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"), "The GPU's memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "Memory"),
        (MemoryError(), "Memory"),
    ],
)
def test_it_is_said_whose_memory_ran_out(error, where):
    """A model on a GPU needs the host's as well, while it is loaded."""
    assert is_out_of_memory(error)
    with pytest.raises(QdashError) as caught, memory_errors("answering"):
        raise error
    assert caught.value.message == f"{where} ran out while answering." and caught.value.kind == "out_of_memory"


@pytest.mark.parametrize(
    ("device", "native", "dtype", "expected"),
    [
        ("cuda:1", True, "bfloat16", torch.bfloat16),
        ("cuda:1", True, "float32", torch.bfloat16),
        ("cuda", True, "float16", torch.float16),
        ("cuda", False, "bfloat16", torch.float16),
        ("xpu:0", True, "bfloat16", torch.bfloat16),
        ("xpu:0", False, "float32", torch.float16),
        ("mps", True, "bfloat16", torch.float16),
    ],
)
def test_the_quick_dtype_of_a_device(monkeypatch, tmp_path, device, native, dtype, expected):
    """bfloat16 where the device multiplies in it; only the device in question is asked."""
    for module in (torch.cuda, torch.xpu):
        asked = native if module.__name__ == f"torch.{device.split(':')[0]}" else not native
        monkeypatch.setattr(module, "is_bf16_supported", lambda including_emulation, asked=asked: asked)
    assert fast_dtype(spec_of(tmp_path, "bnb-nf4", device=device, dtype=dtype)) == expected
