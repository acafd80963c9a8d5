"""The engine on a GPU: the same promises as on a CPU, and the figures that only CUDA has."""

import pytest
import torch

from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.engine import layers
from qdash.engine.schemes import family_of
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Measurement, Question
from tests.engine.conftest import REAL, SIMULATED, TEXT, TORCHAO, VISION, ignore, never, spec_of
from tests.engine.test_batch_generation import batch_request, prompts, solved
from tests.engine.test_native_parity import NATIVE, logits, native
from tests.support.held import model_of

# fp16 is the baseline on CUDA, and what NF4's "fast" compute dtype then is.
CUDA = {"device": "cuda", "dtype": "float16"}


def cuda_worker(folder, scheme: str, **changes) -> Worker:
    made = Worker(spec_of(folder, scheme, **{**CUDA, **changes}))
    made.load(emit=ignore, stop=never)
    return made


def ask(architecture: str, png: bytes) -> Question:
    return Question(prompt="What is it?", png=png if architecture in VISION else None)


@pytest.mark.parametrize("scheme", ["original", "bnb-int8", "bnb-nf4", *TORCHAO, "fp6-e2m3"])
@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_load_answer_and_time(checkpoint, png, architecture, scheme):
    subject = cuda_worker(checkpoint(architecture), scheme)
    loaded = subject.load(emit=ignore, stop=never)
    assert model_of(subject).device.type == "cuda"
    assert subject.answer(ask(architecture, png), 5, emit=ignore, stop=never).new_tokens == 5
    watched = subject.warm_up(ask(architecture, png), Measurement(max_new_tokens=6), emit=ignore, stop=never)
    run = subject.time(ask(architecture, png), 6, emit=ignore, stop=never)
    assert 0 < run.preprocess_s < run.ttft_s < run.total_s and run.total_s == pytest.approx(run.ttft_s + 5 * run.tpot_s)
    assert watched.reserved_bytes is not None
    assert loaded.weights_bytes <= watched.peak_bytes <= watched.reserved_bytes
    assert watched.process_bytes is None or watched.process_bytes >= watched.reserved_bytes
    assert loaded.load_peak_bytes >= loaded.weights_bytes


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-nf4", *TORCHAO, "fp6-e2m3"])
@pytest.mark.parametrize("architecture", ["llava", "qwen3-vl", "qwen3"])
def test_variants_are_scored_and_the_original_is_itself(checkpoint, png, architecture, scheme):
    original, asked = cuda_worker(checkpoint(architecture), "original"), ask(architecture, png)
    tokens = original.answer(asked, 12, emit=ignore, stop=never).tokens
    reference = original.record_reference(asked, tokens, emit=ignore, stop=never)
    own = original.compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert own.kl_mean_nats == pytest.approx(0, abs=1e-4) and own.tokens == len(reference.tokens)
    found = cuda_worker(checkpoint(architecture), scheme).compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert found.kl_mean_nats is not None and own.kl_mean_nats is not None
    assert found.kl_mean_nats > own.kl_mean_nats and found.ppl_original == reference.ppl


@pytest.mark.parametrize("scheme", REAL)
def test_logits_equal_native_loading(checkpoint, png, scheme):
    changes = {} if scheme.startswith("fp") or scheme == "bf16" else {"dtype": torch.float16}
    arguments = {**NATIVE[scheme], **changes}
    if scheme == "bnb-nf4":
        arguments["quantization_config"] = {**arguments["quantization_config"], "bnb_4bit_compute_dtype": torch.float16}
    theirs = native(checkpoint("llava"), scheme, **arguments, device_map="cuda")
    subject = cuda_worker(checkpoint("llava"), scheme)
    assert torch.equal(logits(model_of(subject), subject, ask("llava", png)), logits(theirs, subject, ask("llava", png)))


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-nf4", "bnb-nf4-fp32", "bnb-fp4", *TORCHAO, "ao-fp8dyn", *SIMULATED])
def test_round_trip_is_what_the_loaded_layer_holds(checkpoint, scheme):
    missing = unavailable(SCHEMES[scheme], this_machine().on("cuda"))
    if missing is not None:
        pytest.skip(missing.message)
    original, subject = cuda_worker(checkpoint("qwen3"), "original"), cuda_worker(checkpoint("qwen3"), scheme)
    family = family_of(SCHEMES[scheme])
    weights = dict(model_of(original).named_parameters())
    quantized = layers.quantized_layers(model_of(subject))
    assert len(quantized) == 14
    for name, layer in quantized.items():
        found = family.round_trip(weights[f"{name}.weight"].detach(), SCHEMES[scheme], subject.spec)
        assert found is not None and torch.equal(found, family.dequantized(layer))


def test_4bit_layers_of_any_width_are_quantized(checkpoint):
    """The kernels' limits on a CPU do not hold here."""
    weight = torch.randn(48, 80)
    found = family_of(SCHEMES["bnb-nf4"]).round_trip(weight, SCHEMES["bnb-nf4"], spec_of(checkpoint("qwen3"), "bnb-nf4", **CUDA))
    assert found is not None and (found.cpu() - weight).abs().max() < 0.7


def test_weights_bytes_are_what_the_allocator_holds(checkpoint):
    before = torch.cuda.memory_allocated()
    subject = cuda_worker(checkpoint("qwen3"), "original")
    held = torch.cuda.memory_allocated() - before
    tensors = len(list(model_of(subject).parameters())) + len(list(model_of(subject).buffers()))
    assert 0 <= held - subject.load(emit=ignore, stop=never).weights_bytes <= 512 * tensors  # the allocator rounds up to 512 bytes


def test_out_of_memory_names_the_gpu(checkpoint, monkeypatch):
    subject = cuda_worker(checkpoint("qwen3"), "original")
    monkeypatch.setattr(model_of(subject), "forward", lambda *_, **__: torch.empty(2**50, dtype=torch.uint8, device="cuda"))
    with pytest.raises(QdashError, match="GPU's memory ran out while answering") as caught:
        subject.answer(Question(prompt="hi"), 2, emit=ignore, stop=never)
    assert caught.value.kind == "out_of_memory"


@pytest.mark.parametrize("architecture", [*TEXT, "llava", "qwen3-vl"])
def test_a_batch_answers_as_one_by_one(checkpoint, png, architecture):
    subject = cuda_worker(checkpoint(architecture), "original", dtype="float32")
    questions = [Question(prompt=prompt, png=png if architecture in VISION else None) for prompt in prompts(12)]
    together, apart = (solved(subject, batch_request(questions, size, plain=False)) for size in (6, 1))
    assert together == apart
