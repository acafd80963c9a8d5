"""Sizes told from a layer table against what is in memory after loading, and coverage against plain transformers' own count."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers as hf
from bitsandbytes import functional

from qdash import checkpoints
from qdash.catalog.families.bitsandbytes import BitsAndBytesParams
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints.estimate import sizes
from qdash.engine.parameters import all_weights
from qdash.engine.schemes import family_of
from qdash.engine.table import layer_table
from qdash.engine.worker import Worker
from qdash.records import LayerTable, Loaded
from tests.engine.conftest import DYNAMIC, TEXT, VISION, ignore, never, spec_of
from tests.public_cases.uncommon import BUILDERS, save
from tests.support.checkpoints import configured
from tests.support.held import model_of

EXACT = ("original", "bnb-int8", "bnb-nf4", "bnb-fp4", "ao-int8wo", "ao-int8dyn", "ao-fp8wo", "ao-int4wo", DYNAMIC, "int3-g64", "mxfp6")
RECIPE = "mlp=bnb-nf4,attention=ao-int8wo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoint) -> Callable[[str], Path]:
    """`folder("mixtral")`: the tiny checkpoint of any architecture that tests know."""
    made: dict[str, Path] = {}

    def find(architecture: str) -> Path:
        if architecture not in BUILDERS:
            return checkpoint(architecture)
        if architecture not in made:
            made[architecture] = save(architecture, tmp_path_factory.mktemp(architecture))
        return made[architecture]

    return find


@pytest.fixture(scope="module")
def table(folder) -> Callable[[str], LayerTable]:
    made: dict[str, LayerTable] = {}

    def find(architecture: str) -> LayerTable:
        if architecture not in made:
            names = [tensor.name for tensor in checkpoints.locate(str(folder(architecture))).tensors]
            made[architecture] = layer_table(spec_of(folder(architecture), None), names)
        return made[architecture]

    return find


def loaded_by(folder: Path, scheme: str, **changes: str) -> Worker:
    subject = Worker(spec_of(folder, scheme, **changes))
    subject.load(emit=ignore, stop=never)
    return subject


@pytest.fixture(scope="module")
def loaded(folder) -> Callable[[str, str], tuple[Loaded, int]]:
    """`loaded("mixtral", "bnb-nf4")`: what loading says of the model, and how many numbers its vectors have; each is loaded once."""
    made: dict[tuple[str, str], tuple[Loaded, int]] = {}

    def find(architecture: str, scheme: str) -> tuple[Loaded, int]:
        if (architecture, scheme) not in made:
            subject = loaded_by(folder(architecture), scheme)
            vectors = sum(weight.count for weight in all_weights(model_of(subject)) if weight.kind == "vector")
            made[architecture, scheme] = subject.load(emit=ignore, stop=never), vectors
        return made[architecture, scheme]

    return find


@pytest.fixture(scope="module")
def floats(folder) -> Callable[[str], int]:
    """How many numbers plain transformers finds in the model."""

    @cache
    def find(architecture: str) -> int:
        auto = hf.AutoModelForImageTextToText if architecture in VISION else hf.AutoModelForCausalLM
        return sum(parameter.numel() for parameter in auto.from_pretrained(folder(architecture)).parameters())

    return find


@pytest.mark.parametrize("architecture", [*BUILDERS, *VISION, *TEXT])
def test_sizes_before_loading_are_those_after_it(folder, table, loaded, architecture):
    found = checkpoints.locate(str(folder(architecture)))
    for key in (*EXACT, RECIPE):
        _assert_told(sizes(found, find_scheme(key), "float32", table(architecture)), loaded(architecture, key)[0], key)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("architecture", ["qwen3-moe", "gpt2", "opt", "mamba", "fastvlm"])
def test_sizes_in_16_bits(folder, table, architecture, dtype):
    found = checkpoints.locate(str(folder(architecture)))
    for key in ("original", "bnb-nf4", DYNAMIC):
        subject = loaded_by(folder(architecture), key, dtype=dtype)
        _assert_told(sizes(found, find_scheme(key), dtype, table(architecture)), subject.load(emit=ignore, stop=never), key)


def _assert_told(told: checkpoints.Sizes, loaded: Loaded, key: str) -> None:
    assert not told.rough
    assert told.estimated_bytes == pytest.approx(loaded.weights_bytes, rel=0.001), key
    assert told.share == pytest.approx(loaded.coverage.share), key
    assert told.loading_bytes >= told.estimated_bytes
    if loaded.projected_bytes is not None:
        assert told.projected_bytes == pytest.approx(loaded.projected_bytes, rel=0.001), key


@pytest.mark.parametrize("scheme", ["bnb-nf4", "ao-int8wo", DYNAMIC, "int3-g64"])
@pytest.mark.parametrize("architecture", [*BUILDERS, *VISION, *TEXT])
def test_coverage_counts_what_the_float_model_has(loaded, floats, architecture, scheme):
    (told, small), every = loaded(architecture, scheme), floats(architecture)
    coverage = told.coverage
    assert coverage.parameters == every
    assert coverage.quantized_parameters is not None
    assert coverage.quantized_parameters + sum(skip.parameters or 0 for skip in coverage.skipped) + small == every
    assert sum(part.parameters or 0 for part in coverage.parts) == every
    assert sum(part.quantized_parameters or 0 for part in coverage.parts) == coverage.quantized_parameters


def test_a_head_that_the_files_hold_apart_is_counted_twice(tmp_path):
    """The configuration ties it; transformers does not, as the numbers differ."""
    where = save("llama", tmp_path)
    config = hf.AutoConfig.from_pretrained(where)
    config.tie_word_embeddings = True
    config.save_pretrained(where)
    found = checkpoints.locate(str(where))
    names = [tensor.name for tensor in found.tensors]
    loaded = loaded_by(where, "bnb-nf4").load(emit=ignore, stop=never)
    told = sizes(found, find_scheme("bnb-nf4"), "float32", layer_table(spec_of(where, None), names))
    assert told.estimated_bytes == loaded.weights_bytes
    assert loaded.coverage.parameters == sum(tensor.values for tensor in found.tensors)


def test_a_mixture_of_thirty_billion_is_told_without_its_weights(tmp_path):
    """The published sizes of Qwen3-30B-A3B: 4.1 bits for experts and layers, 16 for the rest and on the way."""
    config = configured(
        hf.Qwen3MoeConfig, vocab_size=151936, hidden_size=2048, intermediate_size=6144, num_hidden_layers=48, num_attention_heads=32,
        num_key_value_heads=4, head_dim=128, moe_intermediate_size=768, num_experts=128, num_experts_per_tok=8, tie_word_embeddings=False,
        architectures=["Qwen3MoeForCausalLM"],
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    spec = spec_of(tmp_path, None)
    table = layer_table(spec, [])
    assert table.parameters == 30_532_122_624
    some = checkpoints.Checkpoint(
        model="m", label="m", task="text-generation", folder=None, revision="", model_type="qwen3_moe", tensors=()
    )
    told = sizes(some, find_scheme("bnb-nf4"), "bfloat16", table)
    assert told.share == pytest.approx(0.98, abs=0.005)
    assert told.estimated_bytes == pytest.approx(29.9e9 * 4.127 / 8 + 0.64e9 * 2, rel=0.02)
    assert told.loading_bytes == pytest.approx(29e9 * 2, rel=0.05)


@pytest.mark.parametrize("key", ["bnb-nf4", "bnb-fp4"])
def test_sizes_of_layers_that_the_fused_kernel_repacks(monkeypatch, tmp_path, key):
    """Its layout needs no CPU that has the kernel: bitsandbytes repacks with plain operations."""
    monkeypatch.setattr("qdash.engine.schemes.bitsandbytes.fuses", lambda device: device == "cpu")
    scheme, weight = find_scheme(key), torch.randn(96, 128)
    nested, kind = BitsAndBytesParams.of(scheme).bnb_4bit_use_double_quant, BitsAndBytesParams.of(scheme).bnb_4bit_quant_type
    packed = functional.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type=kind)
    data, state = functional._convert_weight_packed_for_cpu(*packed)
    held = [data, state.absmax, state.code, *([state.offset] if nested else [])]
    assert family_of(scheme).stored((96, 128), scheme, spec_of(tmp_path, key)).bits == 8 * sum(tensor.nbytes for tensor in held)


def test_sizes_of_cudas_4_bits_are_padded(tmp_path):
    """As torchao's Int4TilePackedTo4dTensor pads: outputs to 8, inputs to 1024."""
    scheme, spec = find_scheme("ao-int4wo"), spec_of(tmp_path, "ao-int4wo", device="cuda:0")
    assert family_of(scheme).stored((100, 1088), scheme, spec).bits == 104 * 2048 * 4 + 104 * 2048 // 64 * 32
