"""Checkpoints that were published quantized: loaded as transformers loads them, counted and estimated for what they are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers as hf
from safetensors import safe_open

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints import Checkpoint
from qdash.engine import layers
from qdash.engine.schemes.published import FAMILY
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.execution.inline import InlineExecutor
from qdash.records import Comparison, ComparisonDone, Measurement, Request, Variant
from qdash.runs import plan as planning
from qdash.runs.compare import compare
from tests.engine.conftest import ignore, linear_skips, never
from tests.support import prequantized

TOKENS = torch.arange(20)[None]


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    return prequantized.build_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def published(base, tmp_path_factory) -> Callable[[str], SimpleNamespace]:
    """`published("bnb-nf4")`: the checkpoint, a loaded worker of it and what it said."""
    made: dict[str, SimpleNamespace] = {}

    def find(name: str) -> SimpleNamespace:
        if name not in made:
            found = checkpoints.locate(str(prequantized.build(name, base, tmp_path_factory.mktemp(name))))
            worker = loader(found)
            made[name] = SimpleNamespace(checkpoint=found, worker=worker, loaded=worker.load(emit=ignore, stop=never))
        return made[name]

    return find


def loader(found: Checkpoint, scheme: str = "original") -> Worker:
    return Worker(planning.worker_spec(found, scheme, "cpu", "float32").model_copy(update={"threads": 1}))


@torch.no_grad()
def logits(model: hf.PreTrainedModel) -> torch.Tensor:
    return model(TOKENS).logits


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_it_loads_as_transformers_loads_it(published, name):
    subject = published(name)
    theirs = hf.AutoModelForCausalLM.from_pretrained(subject.checkpoint.folder, device_map="cpu")
    ours = logits(subject.worker.held.model)
    assert ours.isfinite().all() and torch.equal(ours, logits(theirs))
    assert subject.loaded.dtype == "bfloat16" == str(ours.dtype).removeprefix("torch.")


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_the_snippet_is_from_pretrained_and_runs(published, name):
    subject, scope = published(name), {}
    assert "quantization_config" not in subject.loaded.snippet
    exec(subject.loaded.snippet, scope)
    assert torch.equal(logits(subject.worker.held.model), logits(scope["model"]))


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_quantized_layers_are_counted(published, name):
    coverage = published(name).loaded.coverage
    assert (coverage.quantized, coverage.total) == (14, 15)
    assert list(linear_skips(coverage)) == ["lm_head"]


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_bytes_are_estimated_and_measured(published, base, name):
    subject = published(name)
    estimate = checkpoints.estimate_bytes(subject.checkpoint, SCHEMES["original"], "float32")
    assert estimate == pytest.approx(subject.loaded.weights_bytes, rel=0.1)
    with safe_open(Path(subject.checkpoint.folder) / "model.safetensors", "pt") as tensors:
        stored = sum(tensors.get_tensor(key).nbytes for key in tensors.keys())  # noqa: SIM118
    assert subject.loaded.saved_bytes == stored
    assert subject.checkpoint.parameters == checkpoints.locate(str(base)).parameters


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_what_memory_shows_is_what_stays(published, name):
    """compressed-tensors unpacks in the first forward pass, bitsandbytes may repack: both must have happened before the count."""
    subject = published(name)
    packed = subject.loaded.weights_bytes < 0.8 * 2 * subject.checkpoint.parameters
    assert packed == (subject.checkpoint.quantization.method != "compressed-tensors")
    before = {key: value.shape for key, value in subject.worker.held.model.named_parameters()}
    logits(subject.worker.held.model)
    assert {key: value.shape for key, value in subject.worker.held.model.named_parameters()} == before


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_the_label_names_method_and_bits(published, name):
    quantization = published(name).checkpoint.quantization
    method = {"bnb": "bitsandbytes", "ao": "torchao", "ct": "compressed-tensors"}[name.split("-")[0]]
    assert quantization.label == f"As published ({method} {prequantized.BITS[name]}-bit)"


@pytest.mark.parametrize("name", prequantized.BUILDERS)
def test_dequantized_weights_are_close_to_the_originals(published, base, name):
    original = hf.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    for path, layer in layers.quantized_layers(published(name).worker.held.model).items():
        weight = original.get_parameter(f"{path}.weight")
        error = (FAMILY.dequantized(layer) - weight).norm() / weight.norm()
        assert 0 < error < (0.2 if prequantized.BITS[name] == 4 else 0.04)


def test_no_other_scheme_applies(published):
    found = published("ct-int4").checkpoint
    for scheme in ("bf16", "bnb-nf4", "fp8-e4m3"):
        problem = checkpoints.published_problem(found, SCHEMES[scheme], planning.this_machine())
        assert problem is not None and problem.kind == "unavailable" and "Choose Original" in problem.remedy
        with pytest.raises(QdashError, match="quantized already") as caught:
            loader(found, scheme).load(emit=ignore, stop=never)
        assert caught.value.kind == "unavailable"


def test_layers_that_the_kernels_get_wrong_are_refused_by_name(base, tmp_path, monkeypatch):
    folder = prequantized.build("bnb-fp4", base, tmp_path)
    monkeypatch.setattr("qdash.engine.schemes.bitsandbytes._unsupported_shape", lambda outputs, inputs, device: f"{inputs} inputs, unfit")
    with pytest.raises(QdashError, match="q_proj has 256 inputs") as caught:
        loader(checkpoints.locate(str(folder))).load(emit=ignore, stop=never)
    assert caught.value.kind == "unavailable"


def run(*variants: Variant) -> Comparison:
    measurement = Measurement(runs=1, warmup=0, max_new_tokens=2, max_answer_tokens=3)
    *_, done = compare(Request(variants=variants, prompt="hello", measurement=measurement), None, InlineExecutor())
    assert isinstance(done, ComparisonDone)
    return done.comparison


def test_checkpoints_are_compared_with_their_quantized_versions(published, base, tmp_path):
    folders = [str(base), published("bnb-nf4").checkpoint.folder, published("ao-int8wo").checkpoint.folder]
    broken = shutil.copytree(folders[1], tmp_path / "broken")
    prequantized.edit_quantization(broken, load_in_4bit="yes")
    variants = [Variant(model=folder, scheme="original") for folder in (*folders, str(broken))]
    results = run(*variants, Variant(model=folders[1], scheme="bnb-int8")).variants
    assert [result.status for result in results] == ["ok", "ok", "ok", "failed", "skipped"]
    assert results[1].label == f"{Path(folders[1]).name}: As published (bitsandbytes 4-bit)"
    assert results[1].relative is not None and results[1].relative.memory is not None and results[1].relative.memory < 0.4
    assert all(result.kind == "real" and result.coverage is not None for result in results[:3])
    assert results[3].error is not None and "exactly one of load_in_4bit and load_in_8bit" in results[3].error.message


def test_the_plan_says_what_cannot_run(published):
    folder = published("bnb-int8").checkpoint.folder
    plan = planning.plan(Request(variants=(Variant(model=folder, scheme="original"), Variant(model=folder, scheme="bf16")), prompt="x"))
    assert [variant.unavailable is None for variant in plan.variants] == [True, False]
