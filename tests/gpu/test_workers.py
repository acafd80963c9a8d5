"""Worker processes on a GPU: they find it untouched, share its memory, give it back, and leave CPU variants alone."""

from collections.abc import Iterator
from threading import Event
from time import monotonic, sleep

import pytest
import torch

from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.process import ProcessExecutor
from qdash.machine import gpu_free_bytes, memory_budget_bytes, this_machine
from qdash.records import Answer, Loaded, MemoryWatched, Question, TextSoFar, TimedRun
from qdash.records.request import Measurement
from tests.engine.conftest import spec_of

QUESTION = Question(prompt="What is it?")
CONTEXT_BYTES = 100 * 2**20  # no CUDA context takes less


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor()
    yield executor
    executor.close()


@pytest.fixture
def device() -> str:
    """The device that “auto” stands for here."""
    found = this_machine().device
    assert found.startswith("cuda:"), this_machine().problems
    return found


def free_bytes() -> int:
    accelerator = this_machine().accelerator
    assert accelerator is not None
    free = gpu_free_bytes(accelerator)
    assert free is not None, "the driver does not say how much memory is free"
    return free


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4", "ao-int8dyn", "ao-fp8dyn", "fp6-e2m3"])
def test_a_worker_loads_answers_and_is_timed(executor, checkpoint, device, scheme):
    missing = unavailable(SCHEMES[scheme], this_machine())
    if missing is not None:
        pytest.skip(missing.message)
    spec = spec_of(checkpoint("qwen3"), scheme, device=device, dtype="bfloat16")
    loaded: Loaded = result_of(executor.call(spec, "load"))
    answer: Answer = result_of(executor.call(spec, "answer", QUESTION, 4))
    watched: MemoryWatched = result_of(executor.call(spec, "warm_up", QUESTION, Measurement(max_new_tokens=4)))
    run: TimedRun = result_of(executor.call(spec, "time", QUESTION, 4))
    assert answer.new_tokens == run.tokens == 4
    assert watched.reserved_bytes is not None and watched.reserved_bytes >= loaded.weights_bytes


def test_cuda_and_auto_are_the_gpu_with_the_most_free_memory():
    machine = this_machine()
    most = max(machine.accelerators, key=lambda accelerator: accelerator.free_bytes)
    assert machine.resolve("cuda") == machine.resolve("auto") == most.device
    assert {accelerator.device for accelerator in machine.accelerators} == {f"cuda:{n}" for n in range(torch.cuda.device_count())}
    for accelerator in machine.accelerators:
        index = torch.device(accelerator.device).index
        assert accelerator.compute_capability == torch.cuda.get_device_capability(index)
        assert accelerator.memory_bytes == torch.cuda.mem_get_info(index)[1]


def test_every_gpu_can_be_chosen_by_its_number(executor, checkpoint):
    for accelerator in this_machine().accelerators:
        spec = spec_of(checkpoint("qwen3"), "bnb-nf4", device=accelerator.device, dtype="float16")
        assert result_of(executor.call(spec, "answer", QUESTION, 2)).new_tokens == 2


def test_a_closed_worker_gives_its_memory_back(executor, checkpoint, device):
    before = free_bytes()
    spec = spec_of(checkpoint("qwen3"), "original", device=device, dtype="float16")
    result_of(executor.call(spec, "load"))
    assert before - free_bytes() > CONTEXT_BYTES
    executor.close()
    deadline = monotonic() + 30
    while before - free_bytes() > CONTEXT_BYTES // 2 and monotonic() < deadline:
        sleep(0.2)
    assert before - free_bytes() <= CONTEXT_BYTES // 2


def test_the_least_recently_used_worker_makes_room(executor, checkpoint, device):
    specs = [spec_of(checkpoint("qwen3"), "original", device=device, dtype="float16", revision=revision) for revision in "abc"]
    third = memory_budget_bytes(device) // 3
    for spec in (specs[0], specs[1], specs[0], specs[2]):
        result_of(executor.call(spec, "load", reserve_bytes=int(third * 1.2)))
    assert [spec in executor.workers() for spec in specs] == [True, False, True]
    with pytest.raises(QdashError) as caught:
        result_of(executor.call(specs[1], "load", reserve_bytes=4 * third))
    assert caught.value.kind == "out_of_memory" and device in caught.value.message


def test_when_the_gpus_memory_runs_out_the_others_are_closed(executor, checkpoint, device):
    """What is taken here is not reserved by any worker, as by another program, but for the one that is closed."""
    warm, other = (spec_of(checkpoint("qwen3"), "original", device=device, dtype="float16", revision=name) for name in ("warm", "other"))
    result_of(executor.call(warm, "load"))
    index = torch.device(device).index
    with torch.cuda.device(index):
        leaves = 150 * 2**20  # less than a CUDA context, of which the warm worker holds one
        taken = torch.empty(max(torch.cuda.mem_get_info(index)[0] - leaves, 0), dtype=torch.uint8, device=device)
        try:
            assert result_of(executor.call(other, "answer", QUESTION, 2)).new_tokens == 2
            assert list(executor.workers()) == [other]
        finally:
            del taken
            torch.cuda.empty_cache()


def test_stop_ends_an_answer_between_tokens_and_keeps_the_worker(executor, checkpoint, device):
    stop = Event()
    spec = spec_of(checkpoint("qwen3"), "original", device=device, dtype="float16")
    result_of(executor.call(spec, "load"))
    call = executor.call(spec, "answer", QUESTION, 900, stop=stop)
    while not isinstance(next(call), TextSoFar):
        pass
    process = executor.workers()[spec]
    stop.set()
    with pytest.raises(QdashError) as caught:
        result_of(call)
    assert caught.value.kind == "cancelled" and executor.workers()[spec] == process


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4", "bnb-int8"])
def test_a_variant_on_the_cpu_takes_nothing_of_the_gpu(executor, checkpoint, device, scheme):
    before = free_bytes()
    spec = spec_of(checkpoint("qwen3"), scheme, dtype="float32")
    assert result_of(executor.call(spec, "answer", QUESTION, 3)).new_tokens == 3
    assert before - free_bytes() < CONTEXT_BYTES // 2


def test_weights_are_compared_in_a_worker_of_their_own(executor, checkpoint, device):
    on_gpu, on_cpu = (spec_of(checkpoint("qwen3"), None, device=place) for place in (device, "cpu"))
    ours, theirs = (result_of(executor.call(spec, "measure_weight_error", ["int3-g64", "fp6-e2m3"])) for spec in (on_gpu, on_cpu))
    for found, expected in zip(ours.schemes, theirs.schemes, strict=True):
        assert found.sqnr_db == pytest.approx(expected.sqnr_db, abs=1e-9)
