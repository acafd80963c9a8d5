"""Byte counts against files: what safetensors headers say, and what `save_pretrained` really writes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from qdash.catalog.schemes import SCHEMES
from qdash.engine.layers import linear_layers
from qdash.engine.schemes import family_of
from qdash.engine.sizes import weights_bytes
from tests.engine.conftest import REAL, SIMULATED, TEXT, VISION, ignore, never
from tests.engine.test_native_parity import native


def tensor_bytes(file: Path) -> int:
    """Bytes of a safetensors file without its header."""
    with file.open("rb") as opened:
        return file.stat().st_size - 8 - int.from_bytes(opened.read(8), "little")


def float32_bytes(file: Path) -> int:
    """What the tensors of a file take when its floats are loaded as float32; counters stay 64-bit integers."""
    with safe_open(file, "pt") as tensors:
        parts = [tensors.get_slice(name) for name in tensors.keys()]  # noqa: SIM118
        return sum(torch.Size(part.get_shape()).numel() * (8 if part.get_dtype() == "I64" else 4) for part in parts)


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_float_weights_are_the_files_elements_in_the_dtype(worker, checkpoint, architecture):
    subject = worker(architecture, "original")
    loaded = subject.load(emit=ignore, stop=never)
    assert loaded.saved_bytes == float32_bytes(checkpoint(architecture) / "model.safetensors")
    buffers = sum(buffer.nbytes for buffer in subject.held.model.buffers())  # rotary frequencies and the like are not saved
    assert loaded.saved_bytes <= loaded.weights_bytes <= loaded.saved_bytes + buffers


@pytest.mark.parametrize("scheme", REAL)
@pytest.mark.parametrize("architecture", ["llava", "bloom"])
def test_saved_bytes_are_what_save_pretrained_writes(worker, checkpoint, tmp_path, architecture, scheme):
    native(checkpoint(architecture), scheme).save_pretrained(tmp_path)
    assert worker(architecture, scheme).load(emit=ignore, stop=never).saved_bytes == tensor_bytes(tmp_path / "model.safetensors")


def test_int8_weights_are_one_byte_each_and_a_float_per_row(worker):
    int8, original = (worker("qwen3", scheme).load(emit=ignore, stop=never).weights_bytes for scheme in ("bnb-int8", "original"))
    layers = linear_layers(worker("qwen3", "original").held.model)
    shapes = [layer.weight.shape for name, layer in layers.items() if name != "lm_head"]
    assert original - int8 == sum(4 * rows * columns - (rows * columns + 4 * rows) for rows, columns in shapes)


@pytest.mark.parametrize("scheme", ["bnb-nf4", "bnb-fp4"])
def test_4bit_weights_include_their_scales(worker, scheme):
    """Half a byte each, one scale per 64 (16 bits where the CPU's fused kernel has repacked them), code tables and offsets on top."""
    subject = worker("qwen3", scheme)
    original = worker("qwen3", "original").load(emit=ignore, stop=never).weights_bytes
    quantized = family_of(SCHEMES[scheme]).quantized_layers(subject.held.model).values()
    weights = sum(layer.in_features * layer.out_features for layer in quantized)
    states = [layer.weight.quant_state for layer in quantized]
    scales = sum(state.absmax.nbytes + (state.state2.absmax.nbytes if state.nested else 0) for state in states)
    found = subject.load(emit=ignore, stop=never).weights_bytes - (original - 4 * weights)
    assert weights // 2 + scales < found < weights // 2 + scales + 1100 * len(states)


@pytest.mark.parametrize("scheme", SIMULATED)
def test_projected_bytes_store_the_format(worker, scheme):
    subject = worker("qwen3", scheme)
    loaded = subject.load(emit=ignore, stop=never)
    quantized = family_of(SCHEMES[scheme]).quantized_layers(subject.held.model).values()
    weights, rows = sum(layer.weight.numel() for layer in quantized), sum(layer.out_features for layer in quantized)
    assert loaded.projected_bytes == loaded.weights_bytes - 4 * weights + weights * SCHEMES[scheme].bits // 8 + 4 * rows
    assert worker("qwen3", "original").load(emit=ignore, stop=never).projected_bytes is None


def test_shared_and_sliced_storage_counts_once():
    model = torch.nn.Module()
    model.a = torch.nn.Parameter(torch.zeros(10))
    model.b = model.a
    model.register_buffer("view", model.a.detach()[2:4])
    model.register_buffer("own", torch.zeros(3, dtype=torch.int64))
    assert weights_bytes(model) == 40 + 24


def test_records_hold_integers(worker):
    loaded = worker("qwen3", "bnb-nf4").load(emit=ignore, stop=never)
    assert json.loads(loaded.model_dump_json())["saved_bytes"] == loaded.saved_bytes
