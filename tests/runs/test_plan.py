"""What a request means on a machine with GPUs, told from headers of checkpoints: dtype, memory, what cannot run. Needs no GPU."""

from collections.abc import Callable
from typing import Any

import pytest

from qdash import checkpoints, machine
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.records import Request, Variant
from qdash.runs import plan as planning
from qdash.runs.plan import default_dtype, dtype_of, host_of, labels_of, plan, variants_of, with_worker
from tests.test_machine import GIB, gpu, machine_with


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`on_gpu(free_bytes=…)` gives this machine one GPU with these facts."""

    def use(**facts: Any) -> None:
        found = machine_with(gpu(**facts))
        monkeypatch.setattr(machine, "_probed", lambda: found)

    return use


def request_for(*schemes: str, **changes: object) -> Request:
    variants = tuple(Variant(model="tiny-lm", scheme=scheme) for scheme in schemes)
    return Request.model_validate({"variants": variants, "prompt": "hi"} | changes)


def stored_in(code: str) -> Checkpoint:
    """The bundled story finisher as if it were stored in another type."""
    found = checkpoints.locate("tiny-lm")
    return found.model_copy(update={"tensors": tuple(tensor.model_copy(update={"dtype": code}) for tensor in found.tensors)})


@pytest.mark.parametrize(
    ("stored", "bfloat16", "expected"),
    [("BF16", True, "bfloat16"), ("BF16", False, "float16"), ("F16", True, "float16"), ("F32", True, "float16")],
)
def test_on_a_gpu_a_model_computes_in_the_16_bits_it_is_stored_in(on_gpu, stored, bfloat16, expected):
    on_gpu(bfloat16=bfloat16)
    assert dtype_of(request_for("original"), stored_in(stored)) == expected
    assert default_dtype(None, stored_in(stored)) == "float32"
    assert dtype_of(request_for("original", device="cpu"), stored_in(stored)) == "float32"


def test_what_is_asked_for_comes_before_what_suits(on_gpu):
    on_gpu()
    assert dtype_of(request_for("original", baseline_dtype="float32"), stored_in("BF16")) == "float32"
    assert dtype_of(request_for("fp16", "bnb-nf4", baseline_dtype="float32"), stored_in("BF16")) == "float16"
    assert dtype_of(request_for("original"), None) == "float16"


def test_the_dtype_that_most_weights_have_is_the_checkpoints():
    found = stored_in("BF16")
    smallest = min(found.tensors, key=lambda tensor: tensor.values)
    mixed = tuple(tensor.model_copy(update={"dtype": "F32"}) if tensor is smallest else tensor for tensor in found.tensors)
    assert found.model_copy(update={"tensors": mixed}).stored_dtype == "bfloat16"
    assert found.model_copy(update={"tensors": ()}).stored_dtype is None


def test_a_worker_on_a_gpu_takes_a_cuda_context(on_gpu):
    on_gpu(free_bytes=15 * GIB)
    estimate = checkpoints.estimate_bytes(checkpoints.locate("tiny-lm"), find_scheme("fp16"), "float16")
    made = plan(request_for("fp16"))
    assert made.needed_bytes - estimate == made.largest_bytes - estimate == with_worker(0, "cuda:0") >= 512 * 2**20


def test_the_tick_and_the_refusal_use_the_same_figure(on_gpu, monkeypatch):
    on_gpu(free_bytes=15 * GIB)
    asked = []
    monkeypatch.setattr(planning, "memory_budget_bytes", lambda device, held: asked.append((device, held)) or held)
    largest = plan(request_for("original", "bnb-nf4")).largest_bytes
    assert plan(request_for("original", "bnb-nf4"), lambda device: largest).fits
    assert not plan(request_for("original", "bnb-nf4"), lambda device: largest - 1).fits
    assert asked[-1] == ("cuda:0", largest - 1)


def test_variants_that_cannot_run_need_nothing(on_gpu):
    on_gpu(compute_capability=(7, 5))
    alone, beside = plan(request_for("fp16")), plan(request_for("fp16", "torch-int8dyn", "ao-fp8dyn"))
    assert [variant.unavailable is None for variant in beside.variants] == [True, False, False]
    assert (beside.needed_bytes, beside.largest_bytes) == (alone.needed_bytes, alone.largest_bytes)


def test_conditions_name_the_gpu_or_say_why_there_is_none(on_gpu, monkeypatch):
    on_gpu(device="cuda:1", name="NVIDIA T4")
    host = host_of(request_for("original"))
    assert (host.device, host.device_name, host.memory_bytes, host.no_gpu) == ("cuda:1", "NVIDIA T4", 16 * GIB, None)
    chosen = host_of(request_for("original", device="cpu"))
    assert (chosen.device, chosen.no_gpu) == ("cpu", None)
    none = machine_with(problems=("Found no NVIDIA driver on your system.",))
    monkeypatch.setattr(machine, "_probed", lambda: none)
    assert host_of(request_for("original")).no_gpu == "Found no NVIDIA driver on your system."


def test_variants_that_are_called_alike_are_numbered() -> None:
    mixes = [",".join(f"*.{block}.*={key}" for block in range(9)) for key in ("bnb-nf4", "bnb-nf4-fp32")]
    labels = labels_of(variants_of("tiny-lm", mixes))
    assert labels == ("Original", "Mix · NF4 · 9 rules", "Mix · NF4 · 9 rules (2)")
