"""What the inspector counts, against transformers' own counts, files that it saves and files that transformers saves."""

from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file

from qdash import checkpoints
from qdash.catalog.families.floating import FLOATING
from qdash.catalog.families.simulated import SIMULATED
from qdash.catalog.schemes import SCHEMES
from qdash.engine.layers import convertible_layers, quantized_layers, shape
from qdash.engine.loading import load_skeleton
from qdash.engine.saving import save
from qdash.engine.schemes import family_of
from qdash.engine.worker import Worker
from qdash.verdict.explanations import explain
from tests.engine.conftest import REAL, ignore, never, spec_of
from tests.engine.test_native_parity import FAST, native
from tests.engine.test_sizes import tensor_bytes
from tests.support import prequantized
from tests.support.held import model_of

RECIPE = "attention=bnb-int8,mlp=bnb-fp4"
EVERY = list(dict.fromkeys([*REAL, "ao-int8dyn", "ao-int4wo", "torch-int8dyn", "fp6-e2m3", "sim-w4a4", RECIPE]))
BOTH = [*(("bloom", scheme) for scheme in EVERY), *(("llava", scheme) for scheme in ("original", "bnb-int8", "bnb-fp4", RECIPE))]
BLOOM = Path(__file__).parents[2] / "qdash" / "assets" / "architectures" / "bloom-1b7"


@pytest.fixture(scope="session")
def inspected(worker, tmp_path_factory):
    """`inspected("llava", "bnb-nf4")` is a worker's report, made once."""
    made = {}

    def find(architecture, scheme):
        if (architecture, scheme) not in made:
            folder = tmp_path_factory.mktemp("saved")
            made[architecture, scheme] = worker(architecture, scheme).report_model(str(folder), emit=ignore, stop=never)
            assert not list(folder.iterdir())
        return made[architecture, scheme]

    return find


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(5)[None]).logits


def answers(report, *measured):
    return [explanation.answer for explanation in explain(report, *measured)]


@pytest.mark.parametrize(("architecture", "scheme"), BOTH)
def test_the_parts_are_all_of_the_model(worker, inspected, checkpoint, architecture, scheme):
    report, model = inspected(architecture, scheme), worker(architecture, scheme).held.model
    assert sum(part.size_bytes for part in report.parts) == report.weights_bytes == worker(architecture, scheme).held.loaded.weights_bytes
    assert sum(part.counted for part in report.parts) == report.counted == sum(parameter.numel() for parameter in model.parameters())
    assert report.parameters == native(checkpoint(architecture), "fp32").num_parameters()
    assert report.footprint_bytes == model.get_memory_footprint()
    if report.quantized is not None:
        assert report.quantized.parameters == sum(outputs * inputs for outputs, inputs in map(shape, quantized_layers(model).values()))


def test_parts_are_where_the_model_has_them(worker, inspected):
    model = worker("llava", "original").held.model.model
    found = {part.part: part.parameters for part in inspected("llava", "bnb-int8").parts}
    expected = {"vision": model.vision_tower, "projector": model.multi_modal_projector, "language": model.language_model}
    counts = {part: sum(parameter.numel() for parameter in module.parameters()) for part, module in expected.items()}
    assert found == {**counts, "head": 0}  # the head is the embedding's


@pytest.mark.parametrize(("architecture", "scheme"), BOTH)
def test_inspecting_changes_nothing(worker, tmp_path, architecture, scheme):
    subject = worker(architecture, scheme)
    before, size = logits(model_of(subject)), subject.report_model(None, emit=ignore, stop=never).weights_bytes
    report = subject.report_model(str(tmp_path), emit=ignore, stop=never)
    assert torch.equal(logits(model_of(subject)), before) and report.weights_bytes == size


@pytest.mark.parametrize(("architecture", "scheme"), BOTH)
def test_files_are_as_large_as_those_of_a_model_never_run(worker, inspected, checkpoint, tmp_path, architecture, scheme):
    report, loaded = inspected(architecture, scheme), worker(architecture, scheme).held.loaded
    if report.saved is None:
        words = {"torch-int8dyn": "in packed objects"}.get(scheme, "several quantizations" if "=" in scheme else "after it was loaded")
        assert words in report.not_saved
        return
    assert {"config.json", "model.safetensors"} <= {file.name for file in report.saved}
    tensors = sum(report.saved_as.values())
    # A first pass leaves biases in the dtype of the arithmetic; the state of a 4-bit layer is JSON, its offset written out in digits.
    layers = quantized_layers(worker(architecture, scheme).held.model).values()
    cast = sum(2 * layer.bias.numel() for layer in layers if isinstance(layer.bias, torch.Tensor))
    assert loaded.saved_bytes - cast - 32 * len(layers) <= tensors <= loaded.saved_bytes + 32 * len(layers)
    if SCHEMES[scheme].family in (FLOATING, SIMULATED):
        native(checkpoint(architecture), scheme if scheme in ("fp16", "bf16") else "fp32").save_pretrained(tmp_path)
        assert report.saved_bytes == (tmp_path / "model.safetensors").stat().st_size
        assert tensors == tensor_bytes(tmp_path / "model.safetensors")


@pytest.mark.parametrize(("scheme", "tolerance"), [("bnb-int8", 0), ("bnb-fp4", 0), ("bnb-nf4", 0.05)])
def test_what_is_saved_from_a_running_model_loads_again(worker, tmp_path, scheme, tolerance):
    """Double quantization rounds the scales a second time; nothing else may change."""
    held = worker("qwen3", scheme).held
    model = held.model
    save(model, held.family, tmp_path)
    again = hf.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, device_map="cpu")
    assert (logits(again) - logits(model)).abs().max() <= tolerance * logits(model).abs().max()


@pytest.mark.parametrize("scheme", ["bnb-fp4", "bnb-nf4"])
def test_the_state_dict_holds_the_weights_that_multiply(worker, checkpoint, scheme):
    model, family = worker("qwen3", scheme).held.model, family_of(SCHEMES[scheme])
    fresh = native(checkpoint("qwen3"), scheme).state_dict()
    expected = {name: family.dequantized(layer) for name, layer in quantized_layers(model).items()}
    with family.as_saved(model):
        for name, tensor in model.state_dict().items():
            if name.endswith("proj.weight"):
                assert torch.equal(tensor, fresh[name])
        for name, layer in quantized_layers(model).items():
            torch.testing.assert_close(family.dequantized(layer), expected[name], rtol=0.02, atol=2e-3)


def test_dtypes_of_what_is_held_and_computed(inspected):
    held = {scheme: set(inspected("qwen3", scheme).quantized.stored) for scheme in ("bnb-int8", "bnb-fp4", "fp6-e2m3")}
    assert held["bnb-int8"] == {"int8", "float32"} and "uint8" in held["bnb-fp4"] and held["fp6-e2m3"] == {"float32"}
    computes = {scheme: inspected("qwen3", scheme).parts[0].computes_in for scheme in ("original", "bf16", "bnb-int8", "bnb-nf4")}
    fast = str(FAST).removeprefix("torch.")
    assert computes == {"original": ("float32",), "bf16": ("bfloat16",), "bnb-int8": ("int8", "float16"), "bnb-nf4": (fast,)}


def test_the_configuration_is_the_models(inspected):
    assert inspected("bloom", "original").quantization_config is None and inspected("bloom", "fp6-e2m3").quantization_config is None
    config = inspected("bloom", "bnb-nf4").quantization_config
    assert (config["quant_method"], config["bnb_4bit_quant_type"], config["load_in_4bit"]) == ("bitsandbytes", "nf4", True)


@pytest.mark.parametrize("scheme", EVERY)
def test_answers_come_from_the_numbers(inspected, scheme):
    report = inspected("bloom", scheme)
    dtype, count, size, speed = answers(report)
    assert report.dtype in dtype and f"{report.counted:,}" in count
    assert count.startswith("It did not really") == (report.counted < report.parameters)
    assert ("There is no file" in size) == (report.saved is None) and f"{report.counted:,}" in size
    assert speed.startswith("It was not timed")
    if report.kind == "simulated":
        assert "is simulated" in dtype and "is simulated" in speed and "if they were stored as" in size


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return prequantized.build_base(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("name", ["bnb-nf4", "bnb-int8", "ao-int8wo", "ao-int8dyn", "ct-int4", "ct-w8a8"])
def test_checkpoints_that_were_quantized_before(base, tmp_path_factory, tmp_path, name):
    folder = prequantized.build(name, base, tmp_path_factory.mktemp(name))
    subject = Worker(spec_of(folder, "original"))
    subject.load(emit=ignore, stop=never)
    before = logits(model_of(subject))
    report = subject.report_model(str(tmp_path), emit=ignore, stop=never)
    assert torch.equal(logits(model_of(subject)), before)
    assert report.parameters == sum(tensor.numel() for tensor in load_file(base / "model.safetensors").values())
    assert sum(part.size_bytes for part in report.parts) == report.weights_bytes
    assert report.not_saved is None and report.saved_as is not None and report.quantization_config is not None
    assert sum(report.saved_as.values()) > 0 and report.quantization_config["quant_method"]
    dtype, count, _, speed = answers(report)
    if name.startswith("ct-"):
        assert "unpacked to bfloat16" in dtype and "unpacked to bfloat16" in speed and "It did not" in count
    else:
        assert sum(report.saved_as.values()) == pytest.approx(tensor_bytes(folder / "model.safetensors"), rel=0.01)
        assert "14 quantized layers" in dtype


def test_the_third_tutorials_counts_follow_from_the_architecture():
    skeleton = load_skeleton(spec_of(BLOOM, "original"))
    skeleton.tie_weights()
    linear = sum(outputs * inputs for outputs, inputs in map(shape, convertible_layers(skeleton).values()))
    assert skeleton.num_parameters() == 1_722_408_960
    assert skeleton.num_parameters() - linear // 2 == 1_118_429_184
    assert pytest.approx(2133.23, abs=0.01) == 2 * 1_118_429_184 / 2**20  # its estimate in 4 bits: all that torch counts as float16


@pytest.mark.parametrize(
    ("scheme", "dtype", "mebibytes"), [("bnb-fp4", "float16", 1630), ("bnb-int8", "float16", 2135), ("fp32", "float16", 6571)]
)
def test_the_third_tutorials_files_follow_from_the_architecture(scheme, dtype, mebibytes):
    estimated = checkpoints.estimate_bytes(checkpoints.locate("random:bloom-1b7"), SCHEMES[scheme], dtype)
    assert estimated / 2**20 == pytest.approx(mebibytes, rel=0.01)
