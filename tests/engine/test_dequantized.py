"""The weights that a quantized layer really computes with, and that the weight statistics are about."""

import pytest
import torch
from bitsandbytes import functional
from safetensors.torch import load_file
from torch import nn

from qdash.catalog.schemes import SCHEMES
from qdash.engine import layers
from qdash.engine.schemes import family_of
from tests.engine.conftest import DYNAMIC, SIMULATED, TORCHAO, spec_of

QUANTIZED = ("bnb-int8", "bnb-nf4", "bnb-nf4-fp32", "bnb-fp4", *TORCHAO, DYNAMIC, *SIMULATED)


@pytest.mark.parametrize("scheme", QUANTIZED)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_round_trip_of_the_checkpoint_is_what_the_loaded_layer_holds(worker, checkpoint, scheme, dtype):
    subject, entry = worker("qwen3", scheme, dtype=dtype), SCHEMES[scheme]
    family, stored = family_of(entry), load_file(checkpoint("qwen3") / "model.safetensors")
    quantized = layers.quantized_layers(subject.held.model)
    assert len(quantized) == 14
    for name, layer in quantized.items():
        expected = family.dequantized(layer)
        found = family.round_trip(stored[f"{name}.weight"], entry, subject.spec)
        assert found is not None and found.dtype == expected.dtype == torch.float32
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("scheme", ["bnb-nf4", "bnb-nf4-fp32", "bnb-fp4"])
def test_4bit_layers_multiply_with_what_dequantized_says(worker, scheme):
    """Unit vectors through the layer give its weights back, rounded to the dtype it computes in."""
    subject = worker("qwen3", scheme)
    for layer in layers.quantized_layers(subject.held.model).values():
        assert isinstance(layer, nn.Linear) and layer.bias is None
        with torch.no_grad():
            columns = layer(torch.eye(layer.in_features))
        # bfloat16 where it is asked for and, of “fast”, where this CPU computes in it.
        assert isinstance(layer.compute_dtype, torch.dtype)
        expected = family_of(SCHEMES[scheme]).dequantized(layer).to(layer.compute_dtype).float()
        assert torch.equal(columns.T, expected)


def test_int8_layers_multiply_with_what_dequantized_says(worker):
    """One-hot activations are exact in 8 bits; the kernel's constant for 1/127² is 1.8e-5 too large (bitsandbytes 0.50.2)."""
    subject = worker("qwen3", "bnb-int8")
    for layer in layers.quantized_layers(subject.held.model).values():
        assert isinstance(layer, nn.Linear)
        with torch.no_grad():
            columns = layer(torch.eye(layer.in_features))
        torch.testing.assert_close(columns.T, family_of(SCHEMES["bnb-int8"]).dequantized(layer), rtol=3e-5, atol=0)


@pytest.mark.parametrize(("shape", "divides"), [((64, 128), True), ((64, 80), False), ((64, 32), False)])
def test_no_weight_is_garbled(checkpoint, shape, divides):
    """bitsandbytes' AVX-512 kernel mixes up the scales of rows that are no multiple of 64: such weights must be left alone."""
    scheme, weight = SCHEMES["bnb-nf4"], torch.randn(shape)
    found = family_of(scheme).round_trip(weight, scheme, spec_of(checkpoint("qwen3"), "bnb-nf4"))
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", blocksize=64)
    garbled = (functional.dequantize_4bit(packed, state) - weight).abs().max() > 0.7  # half a step at |w| = 4 is 0.6
    assert not (garbled and divides)
    assert found is not None if divides else found is None or not garbled
    assert found is None or (found - weight).abs().max() < 0.7


@pytest.mark.parametrize("scheme", ["original", "fp16", "bf16"])
def test_floats_only_round_to_their_dtype(checkpoint, scheme):
    weight = torch.randn(32, 64)
    found = family_of(SCHEMES[scheme]).round_trip(weight, SCHEMES[scheme], spec_of(checkpoint("qwen3"), scheme))
    dtype = {"original": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[scheme]
    assert found is not None and torch.equal(found, weight.to(dtype).float())
