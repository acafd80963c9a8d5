"""Byte counts against files: what safetensors headers say, and what `save_pretrained` really writes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from safetensors import safe_open

from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints import estimate_bytes, locate
from qdash.engine.layers import linear_layers, quantized_layers
from qdash.engine.loading import load_processor
from qdash.engine.meters import private_bytes, release_freed
from qdash.engine.schemes import QuantizeContext, family_of
from qdash.engine.sizes import weights_bytes
from qdash.engine.worker import Worker
from tests.engine.conftest import DYNAMIC, REAL, SIMULATED, TEXT, TORCHAO, VISION, ignore, never, spec_of
from tests.engine.test_native_parity import native
from tests.engine.test_torchao import NATIVE as TORCHAO_CONFIGS
from tests.engine.test_torchao import native as native_torchao
from tests.support.held import model_of


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


@pytest.mark.parametrize("scheme", ["ao-int8wo", "ao-int8dyn", "ao-fp8wo"])
@pytest.mark.parametrize("architecture", ["llava", "bloom"])
def test_saved_bytes_are_what_save_pretrained_writes_of_torchao(worker, checkpoint, tmp_path, architecture, scheme):
    native_torchao(checkpoint(architecture), torch.float32, TORCHAO_CONFIGS[scheme]).save_pretrained(tmp_path)
    assert worker(architecture, scheme).load(emit=ignore, stop=never).saved_bytes == tensor_bytes(tmp_path / "model.safetensors")


BYTES = {  # of a layer of (rows, columns), with its scales and zero points
    "ao-int8wo": lambda rows, columns: rows * columns + 5 * rows,
    "ao-int8dyn": lambda rows, columns: rows * columns + 5 * rows,
    "ao-int8static": lambda rows, columns: rows * columns + 5 * rows + 4,
    "ao-int4wo": lambda rows, columns: rows * columns // 2 + 4 * rows * columns // 64,
    "ao-fp8wo": lambda rows, columns: rows * columns + 4 * rows,
    DYNAMIC: lambda rows, columns: rows * columns,
}


def shapes_of(subject: Worker) -> list[tuple[int, int]]:
    """Rows and columns of every layer that schemes quantize."""
    found: dict[str, Any] = linear_layers(model_of(subject))
    return [tuple(layer.weight.shape) for name, layer in found.items() if name != "lm_head"]


@pytest.mark.parametrize("scheme", [*TORCHAO, DYNAMIC])
@pytest.mark.parametrize("architecture", ["qwen3", "bloom"])
def test_weights_of_torchao_and_torch_are_counted_with_their_scales(worker, architecture, scheme):
    original = worker(architecture, "original")
    before, after = (subject.load(emit=ignore, stop=never) for subject in (original, worker(architecture, scheme)))
    shapes = shapes_of(original)
    saved = sum(4 * rows * columns - BYTES[scheme](rows, columns) for rows, columns in shapes)
    assert (before.weights_bytes - after.weights_bytes, before.saved_bytes - after.saved_bytes) == (saved, saved)


def test_packed_weights_of_torch_are_in_memory_once(checkpoint):
    """No parameter shows them, so what the process takes is the proof; its kernels pad a little."""
    model: Any = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(32)))
    family, scheme = family_of(SCHEMES[DYNAMIC]), SCHEMES[DYNAMIC]
    release_freed(torch.device("cpu"))
    before, floats = private_bytes(), weights_bytes(model)
    spec = spec_of(checkpoint("qwen3"), DYNAMIC)
    family.quantize(
        model, [str(index) for index in range(32)], scheme, QuantizeContext(spec, load_processor(spec), lambda fraction, words: None)
    )
    release_freed(torch.device("cpu"))
    assert weights_bytes(model) == 32 * (1024 * 1024 + 4 * 1024)
    assert before - private_bytes() == pytest.approx(floats - weights_bytes(model), rel=0.1)


@pytest.fixture(scope="module")
def qwen3_4b_in_small(checkpoint, tmp_path_factory) -> Path:
    """The published proportions at a tenth of the width: a vocabulary of 59 widths, attention of 1.6, mlp of 3.8; a ninth of the layers."""
    torch.manual_seed(0)
    folder, tokenizer = tmp_path_factory.mktemp("qwen3-4b"), hf.AutoTokenizer.from_pretrained(checkpoint("qwen3"))
    config = hf.Qwen3Config(
        vocab_size=15193, hidden_size=256, intermediate_size=960, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2,
        head_dim=64, tie_word_embeddings=True, bos_token_id=None, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    hf.Qwen3ForCausalLM(config).bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


REAL_ON_CPU = [(scheme, "float32") for scheme in (*REAL, *TORCHAO, DYNAMIC)]


@pytest.mark.parametrize(("scheme", "dtype"), [*REAL_ON_CPU, ("bnb-nf4", "bfloat16"), ("ao-int4wo", "bfloat16")])
def test_estimates_are_within_a_tenth_of_what_real_schemes_take(qwen3_4b_in_small, scheme, dtype):
    loaded = Worker(spec_of(qwen3_4b_in_small, scheme, dtype=dtype)).load(emit=ignore, stop=never)
    estimate = estimate_bytes(locate(str(qwen3_4b_in_small)), SCHEMES[scheme], dtype)
    assert estimate == pytest.approx(loaded.weights_bytes, rel=0.1)


def test_int8_weights_are_one_byte_each_and_a_float_per_row(worker):
    int8, original = (worker("qwen3", scheme).load(emit=ignore, stop=never).weights_bytes for scheme in ("bnb-int8", "original"))
    shapes = shapes_of(worker("qwen3", "original"))
    assert original - int8 == sum(4 * rows * columns - (rows * columns + 4 * rows) for rows, columns in shapes)


@pytest.mark.parametrize("scheme", ["bnb-nf4", "bnb-fp4"])
def test_4bit_weights_include_their_scales(worker, scheme):
    """Half a byte each, one scale per 64 (16 bits where the CPU's fused kernel has repacked them), code tables and offsets on top."""
    subject = worker("qwen3", scheme)
    original = worker("qwen3", "original").load(emit=ignore, stop=never).weights_bytes
    quantized: list[Any] = [*quantized_layers(model_of(subject)).values()]
    weights = sum(layer.in_features * layer.out_features for layer in quantized)
    states = [layer.weight.quant_state for layer in quantized]
    scales = sum(state.absmax.nbytes + (state.state2.absmax.nbytes if state.nested else 0) for state in states)
    found = subject.load(emit=ignore, stop=never).weights_bytes - (original - 4 * weights)
    assert weights // 2 + scales < found < weights // 2 + scales + 1100 * len(states)


# Bytes of scales where it is not a float a row: one byte a block, a pair of bfloat16 a group, nothing worth counting a tensor.
SCALES = {
    **dict.fromkeys(("mxfp8", "mxfp6", "mxfp4"), lambda weights, rows: weights // 32),
    "nvfp4": lambda weights, rows: weights // 16,
    **dict.fromkeys(("q8_0", "iq4_nl"), lambda weights, rows: 2 * weights // 32),
    "q4_1": lambda weights, rows: 4 * weights // 32,
    **dict.fromkeys(("int4-g64", "int3-g64", "int2-g64"), lambda weights, rows: 4 * weights // 64),
    **dict.fromkeys(("minmax-6", "minmax-4"), lambda weights, rows: 0),
}


@pytest.mark.parametrize("scheme", SIMULATED)
def test_projected_bytes_store_the_format(worker, scheme):
    subject = worker("qwen3", scheme)
    loaded = subject.load(emit=ignore, stop=never)
    quantized: list[Any] = [*quantized_layers(model_of(subject)).values()]
    weights, rows = sum(layer.weight.numel() for layer in quantized), sum(layer.out_features for layer in quantized)
    scales = SCALES.get(scheme, lambda weights, rows: 4 * rows)(weights, rows)
    bits = SCHEMES[scheme].bits
    assert bits is not None
    assert loaded.projected_bytes == loaded.weights_bytes - 4 * weights + weights * bits // 8 + scales
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
