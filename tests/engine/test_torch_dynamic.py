"""PyTorch's dynamic quantization against `quantize_dynamic` as a tutorial would call it."""

from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn
from torch.ao.quantization import quantize_dynamic

from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.engine import layers
from qdash.engine.schemes import family_of
from tests.engine.conftest import DYNAMIC, ignore, never
from tests.engine.test_native_parity import logits
from tests.test_machine import gpu, machine_with

SCHEME = SCHEMES[DYNAMIC]


def native(folder) -> hf.PreTrainedModel:
    auto = hf.AutoModelForImageTextToText if (folder / "processor_config.json").exists() else hf.AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=torch.float32)
    names = {name for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and name != "lm_head"}
    with pytest.warns(DeprecationWarning, match="torch.ao.quantization is deprecated"):
        return quantize_dynamic(model, names, dtype=torch.qint8)


@pytest.mark.parametrize("architecture", ["llava", "fastvlm", "smolvlm", "qwen3-vl", "bloom"])
def test_logits_equal_quantize_dynamic(worker, question, checkpoint, architecture):
    subject, asked = worker(architecture, DYNAMIC), question(architecture)
    ours = logits(subject.held.model, subject, asked)
    assert ours.isfinite().all() and torch.equal(ours, logits(native(checkpoint(architecture)), subject, asked))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_models_of_16_bits_cast_around_their_layers(worker, question, checkpoint, dtype):
    subject, asked = worker("qwen3", DYNAMIC, dtype=dtype), question("qwen3")
    ours, theirs = (logits(model, subject, asked) for model in (subject.held.model, native(checkpoint("qwen3"))))
    assert ours.dtype == getattr(torch, dtype)
    assert (ours - theirs).norm() / theirs.norm() < 0.1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_snippet_for_16_bits_builds_the_same_model(worker, question, dtype):
    subject, asked = worker("qwen3", DYNAMIC, dtype=dtype), question("qwen3")
    scope: dict = {}
    exec(subject.load(emit=ignore, stop=never).snippet, scope)
    assert torch.equal(logits(subject.held.model, subject, asked), logits(scope["model"], subject, asked))


def test_layers_multiply_with_what_dequantized_says(worker):
    """A one becomes a code of 7 bits, as PyTorch narrows activations on a CPU, and comes back exactly."""
    layer: Any
    for layer in layers.quantized_layers(worker("qwen3", DYNAMIC).held.model).values():
        with torch.no_grad():
            columns = layer(torch.eye(layer.in_features))
        torch.testing.assert_close(columns.T, family_of(SCHEME).dequantized(layer), rtol=1e-6, atol=1e-9)


def test_a_layer_has_one_scale(worker, checkpoint):
    original = hf.AutoModelForCausalLM.from_pretrained(checkpoint("qwen3"), dtype=torch.float32)
    for name, layer in layers.quantized_layers(worker("qwen3", DYNAMIC).held.model).items():
        weight = original.get_parameter(f"{name}.weight").detach()
        step = weight.abs().max() / 127.5
        found = family_of(SCHEME).dequantized(layer)
        assert ((found - weight).abs() <= 0.501 * step).logical_or(weight.abs() > 126.9 * step).all()
        torch.testing.assert_close(found / step, (found / step).round(), rtol=0, atol=1e-3)


def test_it_runs_on_a_cpu_only():
    here = machine_with(gpu())
    found = unavailable(SCHEME, here)
    assert found is not None and found.remedy == "Choose the device “cpu”."
    assert unavailable(SCHEME, here.on("cpu")) is None
