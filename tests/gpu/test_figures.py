"""Times and memory on CUDA, against the host's clock and allocations of a known size."""

from time import perf_counter

import pytest
import torch

from qdash.engine import accelerator
from qdash.engine.meters import PeakMemory, release_freed, used_bytes
from qdash.engine.timing import Clock, EventClock, clock_for
from qdash.engine.worker import Worker
from qdash.records import Measurement, Question
from tests.engine.conftest import ignore, never, spec_of

MIB = 2**20
CYCLES = 40_000_000  # some twenty milliseconds


@pytest.fixture
def device() -> torch.device:
    """The last one: a machine with several shows more than one with the first alone."""
    return torch.device("cuda", torch.cuda.device_count() - 1)


@pytest.fixture
def small(checkpoint, device) -> Worker:
    subject = Worker(spec_of(checkpoint("qwen3"), "original", device=str(device), dtype="float16"))
    subject.load(emit=ignore, stop=never)
    return subject


def test_events_and_the_host_tell_the_same_time(small):
    """Of work that takes the device long and the host no time."""
    model = small.held.model
    assert type(clock_for(model, never)) is EventClock
    with accelerator.current(model.device):
        torch.cuda._sleep(CYCLES)
        clocks = EventClock(model, never), Clock(model, never)
        for clock in clocks:
            clock.start()
            for _ in range(4):
                torch.cuda._sleep(CYCLES)
                clock.on_token()
        (first, last), (host_first, host_last) = (clock.first_and_last_s() for clock in clocks)
    assert first == pytest.approx(host_first, rel=0.05) and last == pytest.approx(host_last, rel=0.05)
    assert last == pytest.approx(4 * first, rel=0.05)


def test_a_timed_run_takes_as_long_as_the_host_waits_for_it(small):
    small.warm_up(Question(prompt="hi"), Measurement(warmup=2, max_new_tokens=30), emit=ignore, stop=never)
    began = perf_counter()
    runs = [small.time(Question(prompt="hi"), 30, emit=ignore, stop=never).total_s for _ in range(3)]
    took = perf_counter() - began
    assert sum(runs) < took < 2 * 3 * max(runs)


def test_a_peak_is_what_was_allocated_at_most_above_the_idle_level(device):
    kept = torch.ones(10 * MIB, dtype=torch.uint8, device=device)
    release_freed(device)
    with PeakMemory(device, used_bytes(device)) as memory:
        block = torch.ones(50 * MIB, dtype=torch.uint8, device=device)
        del block
        torch.ones(20 * MIB, dtype=torch.uint8, device=device)
    assert memory.peak_bytes == 50 * MIB and kept.all()
    assert memory.reserved_bytes is not None and memory.reserved_bytes >= 60 * MIB
    assert memory.process_bytes is None or memory.process_bytes >= memory.reserved_bytes


def test_the_peak_of_loading_is_above_the_libraries_workspaces(small):
    """They are tens of megabytes, and the model is less than one."""
    loaded = small.load(emit=ignore, stop=never)
    assert loaded.weights_bytes <= loaded.load_peak_bytes < loaded.weights_bytes + 4 * MIB


def test_nothing_is_kept_from_others_between_calls(small, device):
    """What the allocator still has is in blocks of which a part is in use."""
    small.time(Question(prompt="hi " * 100), 4, emit=ignore, stop=never)
    small.answer(Question(prompt="hi"), 4, emit=ignore, stop=never)
    held = torch.cuda.memory_stats(device)
    in_use = held["active_bytes.all.current"] + held["inactive_split_bytes.all.current"]
    assert torch.cuda.memory_reserved(device) <= in_use + MIB


def test_a_worker_with_a_number_leaves_the_current_device_alone(small, device):
    assert small.held.model.device == device and torch.cuda.current_device() == 0
