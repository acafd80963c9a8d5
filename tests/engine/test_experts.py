"""Fused experts: each scheme gives them what its own library gives a linear layer of the same weights, and the model computes with that."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from bitsandbytes import functional
from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.schemes import find_scheme
from qdash.engine.formats import round_trip
from qdash.engine.parameters import fused_experts, quantized_experts
from qdash.engine.schemes import experts_for
from qdash.engine.sizes import held_tensors, weights_bytes
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.engine.conftest import ignore, never, spec_of
from tests.public_cases.uncommon import save
from tests.support.held import model_of

MIXTURES = ("qwen3-moe", "mixtral", "gpt-oss", "granite-moe", "llama4")
TRANSPOSED = ("gpt-oss", "llama4")
IDS = torch.arange(12)[None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made: dict[str, Path] = {}

    def find(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = save(architecture, tmp_path_factory.mktemp(architecture))
        return made[architecture]

    return find


def worker_of(folder: Path, scheme: str) -> Worker:
    subject = Worker(spec_of(folder, scheme))
    subject.load(emit=ignore, stop=never)
    return subject


def floats_of(folder: Path) -> hf.PreTrainedModel:
    return hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("architecture", MIXTURES)
def test_every_parameter_of_experts_is_found_the_right_way_round(folder, architecture):
    model = floats_of(folder(architecture))
    found = fused_experts(model)
    assert len(found) == 4 and all(own.transposed is (architecture in TRANSPOSED) for own in found.values())
    hidden = model.config.hidden_size
    for path, own in found.items():
        # What goes into the first projection and comes out of the second is the hidden state.
        into, out = own.shape[2], own.shape[1]
        assert (out if "down" in path or "output" in path else into) == hidden
        assert own.matrices().shape == own.shape


@pytest.mark.parametrize("architecture", MIXTURES)
@pytest.mark.parametrize("scheme", ["int3-g64", "fp8-e4m3", "minmax-4"])
def test_simulated_experts_are_rounded_one_by_one(folder, architecture, scheme):
    before, after = fused_experts(floats_of(folder(architecture))), model_of(worker_of(folder(architecture), scheme))
    for path, (key, own) in quantized_experts(after).items():
        for weight, rounded in zip(before[path].matrices(), own.matrices(), strict=True):
            assert torch.equal(rounded, round_trip(weight.contiguous(), SimulatedParams.of(find_scheme(scheme)).format))
        assert key == scheme
    assert quantized_experts(after).keys() == before.keys()


@pytest.mark.parametrize(("scheme", "kind", "nested"), [("bnb-nf4", "nf4", True), ("bnb-fp4", "fp4", False)])
@pytest.mark.parametrize("architecture", MIXTURES)
def test_4bit_experts_are_what_bitsandbytes_makes_of_them(folder, architecture, scheme, kind, nested):
    before, subject = floats_of(folder(architecture)), worker_of(folder(architecture), scheme)
    found = quantized_experts(model_of(subject))
    assert len(found) == 4
    for path, (_, own) in found.items():
        weight = before.get_parameter(path).detach()
        packed, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type=kind)
        assert torch.equal(getattr(own.module, own.parameter), functional.dequantize_4bit(packed, state))
    _assert_computes_with(before, subject, found)


def _assert_computes_with(before: hf.PreTrainedModel, subject: Worker, found) -> None:
    """A model in floats that is given the same numbers says the same."""
    only = Worker(spec_of(Path(subject.spec.folder), "original"))
    only.load(emit=ignore, stop=never)
    recipe = Worker(spec_of(Path(subject.spec.folder), f"*experts*={subject.spec.scheme}"))
    recipe.load(emit=ignore, stop=never)
    assert quantized_experts(model_of(recipe)).keys() == found.keys()
    with torch.no_grad():
        for path, (_, own) in found.items():
            before.get_parameter(path).copy_(getattr(own.module, own.parameter))
        expected = before(IDS).logits
        assert torch.allclose(model_of(recipe)(IDS).logits, expected, atol=1e-4)
        assert not torch.allclose(model_of(only)(IDS).logits, expected, atol=1e-4)


@pytest.mark.parametrize(("scheme", "config"), [("ao-int8wo", Int8WeightOnlyConfig()), ("ao-fp8wo", Float8WeightOnlyConfig())])
@pytest.mark.parametrize("architecture", ["qwen3-moe", "mixtral", "granite-moe"])
def test_torchao_experts_are_what_it_makes_of_each_as_a_layer(folder, architecture, scheme, config):
    before, subject = floats_of(folder(architecture)), worker_of(folder(architecture), scheme)
    for path, (_, own) in quantized_experts(model_of(subject)).items():
        packed = getattr(own.module, own.parameter)
        for at, weight in enumerate(before.get_parameter(path).detach()):
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            layer.weight = torch.nn.Parameter(weight.clone())
            quantize_(layer, config)
            alone: Any = layer.weight
            assert torch.equal(packed[at].qdata, alone.qdata) and torch.equal(packed[at].scale, alone.scale)
            rows = torch.randn(3, weight.shape[1])
            assert torch.allclose(torch.nn.functional.linear(rows, packed[at]), layer(rows), atol=1e-6)
    assert len(quantized_experts(model_of(subject))) == 4


def test_what_no_library_can_take_is_left_and_named(folder):
    wanted = {
        "bnb-int8": "quantizes linear layers only", "ao-int4wo": "quantizes linear layers only", "mxfp4": "rounds inputs too",
    }  # fmt: skip
    for scheme, words in wanted.items():
        coverage = worker_of(folder("qwen3-moe"), scheme).load(emit=ignore, stop=never).coverage
        left = [skip for skip in coverage.skipped if skip.reason.startswith("fused experts")]
        assert len(left) == 4 and all(words in skip.reason for skip in left)
        assert coverage.share is not None and coverage.share < 0.2
    transposed = worker_of(folder("gpt-oss"), "ao-int8wo").load(emit=ignore, stop=never).coverage
    assert any("stores weights as (inputs, outputs)" in skip.reason for skip in transposed.skipped)


@pytest.mark.parametrize("scheme", ["bnb-nf4", "ao-int8wo", "int3-g64", "mlp=bnb-nf4,attention=int3-g64"])
def test_the_snippet_builds_the_same_model(folder, scheme):
    subject = worker_of(folder("qwen3-moe"), scheme)
    loaded, scope = subject.load(emit=ignore, stop=never), {}
    exec(loaded.snippet, scope)
    with torch.no_grad():
        assert torch.equal(model_of(subject)(IDS).logits, scope["model"](IDS).logits)
    assert weights_bytes(scope["model"]) == loaded.weights_bytes


def test_every_byte_is_counted(folder):
    """What bitsandbytes keeps beside experts, added up by hand."""
    model = model_of(worker_of(folder("qwen3-moe"), "bnb-nf4"))
    experts = [tensor for path, tensor in held_tensors(model) if ".parametrizations." in path]
    weights = 2 * 8 * 64 * 64 * 3  # two blocks, each with a gate, an up and a down projection of 8 experts
    blocks = weights // 64
    assert sum(tensor.nbytes for tensor in experts) == weights // 2 + blocks + 4 * (4 + 64 + 1024) + 4 * blocks // 256


@pytest.mark.parametrize("scheme", ["bnb-nf4", "ao-int8wo", "int3-g64"])
def test_it_answers_and_is_inspected(folder, tmp_path, scheme):
    subject = worker_of(folder("qwen3-moe"), scheme)
    assert subject.answer(Question(prompt="What is it?"), 4, emit=ignore, stop=never).new_tokens == 4
    report = subject.report_model(str(tmp_path), emit=ignore, stop=never)
    assert report.quantized is not None and report.coverage is not None
    assert report.quantized.experts == {scheme: 4}
    assert report.parameters == report.coverage.parameters
    assert report.quantized.parameters == report.coverage.quantized_parameters
    assert sum(part.size_bytes for part in report.parts) == report.weights_bytes
    assert list(tmp_path.iterdir()) == []


def test_only_schemes_of_floats_are_asked(folder):
    """A checkpoint that was quantized before keeps its experts as they are: “original” takes none."""
    model = floats_of(folder("qwen3-moe"))
    assert experts_for(model, find_scheme("original"), spec_of(folder("qwen3-moe"), "original")) == []
