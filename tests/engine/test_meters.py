"""Memory figures against allocations of a known size."""

import os
import threading

import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from qdash.engine.failures import is_out_of_memory, memory_errors
from qdash.engine.loading import load_model
from qdash.engine.meters import PeakMemory, copy_out_of_file, private_bytes, release_freed
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from tests.engine.conftest import ignore, never, spec_of

CPU, MIB = torch.device("cpu"), 2**20


def test_peak_is_what_was_there_at_its_highest():
    release_freed(CPU)
    idle = private_bytes()
    with PeakMemory(CPU, idle) as memory:
        block = torch.ones(50 * MIB, dtype=torch.uint8)
        threading.Event().wait(0.1)
        del block
        release_freed(CPU)
    assert 50 * MIB <= memory.peak_bytes < 60 * MIB
    assert private_bytes() - idle < 10 * MIB
    assert not any("_sample" in thread.name for thread in threading.enumerate())


def test_a_peak_below_the_idle_level_is_none():
    with PeakMemory(CPU, private_bytes() + 1000 * MIB) as memory:
        pass
    assert memory.peak_bytes == 0


@pytest.mark.parametrize("linked", [False, True])
def test_mapped_weights_become_the_workers_own(tmp_path, checkpoint, linked):
    """A bfloat16 checkpoint loaded in bfloat16 stays a view of its file: it would count as no memory at all."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint("qwen3"), dtype=torch.bfloat16)
    file = tmp_path / ("sha256-of-it" if linked else "model.safetensors")
    save_file({"big": torch.ones(20 * MIB, dtype=torch.bfloat16)}, file)
    folder = tmp_path
    if linked:  # as the hub's cache does
        folder = tmp_path / "snapshot"
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(file)
    with safe_open(folder / "model.safetensors", "pt", backend="mmap") as opened:
        model.big = torch.nn.Parameter(opened.get_slice("big")[...])
    assert _mapped_file(model.big) == str(file)
    copy_out_of_file(model, folder)
    # Where memory that is free already takes the copy, the process does not grow: what counts is that no file is behind it.
    assert not os.path.isabs(_mapped_file(model.big))
    first = model.big.data_ptr()
    copy_out_of_file(model, folder)
    assert model.big.data_ptr() == first  # nothing is left in a file
    assert torch.equal(model.big, torch.ones(20 * MIB, dtype=torch.bfloat16))
    assert model.lm_head.weight is model.model.embed_tokens.weight  # tied weights stay tied


def _mapped_file(tensor: torch.Tensor) -> str:
    """What the system says is behind the memory of `tensor`: a file's path, or a word in brackets."""
    for region in psutil.Process().memory_maps(grouped=False):
        first, last = (int(end, 16) for end in region.addr.split("-"))
        if first <= tensor.data_ptr() < last:
            return region.path
    raise AssertionError("no memory is there")


def test_weights_count_in_the_load_peak(checkpoint):
    """Same dtype as the file, so that nothing but the copy makes them private."""
    subject = Worker(spec_of(checkpoint("qwen3-vl"), "bf16"))
    loaded = subject.load(emit=ignore, stop=never)
    assert loaded.dtype == "bfloat16"
    assert loaded.load_peak_bytes >= loaded.weights_bytes * 0.9


def test_load_model_alone_keeps_views(checkpoint):
    """The reason for copying: if this fails, transformers has changed and `copy_out_of_file` may go."""
    model = load_model(spec_of(checkpoint("qwen3"), "bf16"), {"dtype": torch.bfloat16, "device_map": "cpu"}, lambda fraction: None)
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    copy_out_of_file(model, checkpoint("qwen3"))
    assert [parameter.data_ptr() for parameter in model.parameters()] != pointers


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_which_errors_are_out_of_memory(error, expected):
    assert is_out_of_memory(error) == expected


def test_torchs_own_failed_allocation():
    with pytest.raises(QdashError, match="Memory ran out while loading the model") as caught, memory_errors("loading the model"):
        torch.empty(2**60, dtype=torch.uint8)
    assert caught.value.kind == "out_of_memory" and "fewer bits" in caught.value.remedy


def test_out_of_memory_while_transformers_loads(checkpoint, monkeypatch):
    monkeypatch.setattr("qdash.engine.loading._Counted.__iter__", lambda self: iter([torch.empty(2**60, dtype=torch.uint8)]))
    with pytest.raises(QdashError) as caught:
        Worker(spec_of(checkpoint("qwen3"), "original")).load(emit=ignore, stop=never)
    assert caught.value.kind == "out_of_memory"


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), memory_errors("answering"):
        raise RuntimeError("shape mismatch")
