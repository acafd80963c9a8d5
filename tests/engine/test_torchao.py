"""torchao's schemes against torchao itself: `from_pretrained` and `quantize_` as a person would call them, and plain arithmetic."""

from functools import partial
from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional
from torchao import quantization as ao
from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig

from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.engine import layers
from qdash.engine.loading import load_skeleton
from qdash.engine.schemes import family_of, torchao
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.engine.conftest import TORCHAO, VISION, ignore, linear_skips, never, spec_of
from tests.engine.test_native_parity import logits
from tests.support.held import model_of
from tests.test_machine import gpu, machine_with

# Written out by hand: the independent reference.
NATIVE = {
    "ao-int8wo": ao.Int8WeightOnlyConfig(),
    "ao-int8dyn": ao.Int8DynamicActivationInt8WeightConfig(),
    "ao-fp8wo": ao.Float8WeightOnlyConfig(),
    "ao-int4wo": PrototypeInt4WeightOnlyConfig(group_size=64),
}


def native(folder, dtype: torch.dtype, config: object | None) -> hf.PreTrainedModel:
    auto = hf.AutoModelForImageTextToText if (folder / "processor_config.json").exists() else hf.AutoModelForCausalLM
    chosen = {} if config is None else {"quantization_config": hf.TorchAoConfig(config)}
    return auto.from_pretrained(folder, dtype=dtype, device_map="cpu", **chosen)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("scheme", ["ao-int8wo", "ao-int8dyn", "ao-fp8wo"])
@pytest.mark.parametrize("architecture", ["llava", "smolvlm", "bloom"])
def test_logits_equal_native_loading(worker, question, checkpoint, architecture, scheme, dtype):
    subject, asked = worker(architecture, scheme, dtype=dtype), question(architecture)
    theirs = native(checkpoint(architecture), getattr(torch, dtype), NATIVE[scheme])
    ours = logits(model_of(subject), subject, asked)
    assert ours.isfinite().all() and torch.equal(ours, logits(theirs, subject, asked))


def test_int4_equals_native_loading_in_bfloat16(worker, question, checkpoint):
    subject, asked = worker("qwen3", "ao-int4wo", dtype="bfloat16"), question("qwen3")
    theirs = native(checkpoint("qwen3"), torch.bfloat16, NATIVE["ao-int4wo"])
    assert torch.equal(logits(model_of(subject), subject, asked), logits(theirs, subject, asked))


@pytest.mark.parametrize("architecture", ["llava", "qwen3"])
def test_int4_multiplies_in_bfloat16_in_a_float32_model(worker, question, checkpoint, architecture):
    subject, asked = worker(architecture, "ao-int4wo"), question(architecture)
    theirs = native(checkpoint(architecture), torch.float32, None)
    for name, layer in theirs.named_modules():
        if isinstance(layer, nn.Linear) and name != "lm_head":
            layer.weight.data = layer.weight.data.bfloat16()
            ao.quantize_(layer, NATIVE["ao-int4wo"])
            layer.forward = partial(
                lambda layer, input: functional.linear(input.bfloat16(), layer.weight, layer.bias).to(input.dtype), layer
            )
    ours = logits(model_of(subject), subject, asked)
    assert ours.dtype == torch.float32 and torch.equal(ours, logits(theirs, subject, asked))


def test_only_the_form_for_cpus_has_to_be_cast_for(checkpoint):
    """If torchao does it there as well, the cast here may go; on CUDA torchao's own does."""
    layer = nn.Linear(128, 64, dtype=torch.bfloat16)
    ao.quantize_(layer, NATIVE["ao-int4wo"])
    with pytest.raises(RuntimeError, match="expected scalar type Float but found BFloat16"):
        functional.linear(torch.randn(3, 128), layer.weight)
    casting = {}
    for device, dtype in (("cpu", "float32"), ("cpu", "bfloat16"), ("cuda", "float16"), ("cuda:1", "float32")):
        spec = spec_of(checkpoint("qwen3"), "ao-int4wo", device=device, dtype=dtype)
        casting[device, dtype] = torchao._kind_of_layer(SCHEMES["ao-int4wo"], spec) is not nn.Linear
    assert casting == {("cpu", "float32"): True, ("cpu", "bfloat16"): False, ("cuda", "float16"): False, ("cuda:1", "float32"): False}


@pytest.mark.parametrize("architecture", ["qwen3-vl", "bloom"])
def test_static_layers_round_inputs_to_the_measured_range(worker, question, architecture):
    """Every layer's output against integers multiplied in float64: 127 steps to the largest calibration input, what is beyond clipped."""
    subject, asked = worker(architecture, "ao-int8static"), question(architecture)
    found = layers.quantized_layers(model_of(subject))
    errors = {}

    def compare(name: str, layer: Any, inputs: tuple, output: torch.Tensor) -> None:
        scale = layer.weight.act_quant_scale.double().item()
        codes = (inputs[0].double() / scale).round().clamp(-128, 127)
        expected = codes @ layer.weight.qdata.double().T * scale * layer.weight.scale.double().flatten()
        expected = expected if layer.bias is None else expected + layer.bias
        # Where an input lies between two codes, float32 may round it to the other one: nearly all must agree.
        errors[name] = ((output - expected).abs() > 1e-4 * expected.abs().max()).double().mean().item()

    hooks = [layer.register_forward_hook(partial(compare, name)) for name, layer in found.items()]
    logits(model_of(subject), subject, asked)
    for hook in hooks:
        hook.remove()
    assert errors.keys() == found.keys() and max(errors.values()) < 0.01


@pytest.mark.parametrize("scheme", TORCHAO)
@pytest.mark.parametrize("architecture", VISION)
def test_every_quantized_layer_multiplies_its_input(worker, question, architecture, scheme):
    subject, asked, family = worker(architecture, scheme), question(architecture), family_of(SCHEMES[scheme])
    errors = {}

    def compare(name: str, layer: nn.Linear, inputs: tuple, output: torch.Tensor) -> None:
        expected = inputs[0].float() @ family.dequantized(layer).T + (0 if layer.bias is None else layer.bias.float())
        errors[name] = ((output.float() - expected).abs().max() / expected.abs().max()).item()

    found = layers.quantized_layers(model_of(subject))
    hooks = [layer.register_forward_hook(partial(compare, name)) for name, layer in found.items()]
    logits(model_of(subject), subject, asked)
    for hook in hooks:
        hook.remove()
    assert errors.keys() == found.keys() and len(found) == len(layers.linear_layers(model_of(subject))) - 1
    # Rounded activations err by half a step; those of the fixed range also where an input goes beyond it.
    assert max(errors.values()) < {"ao-int8dyn": 0.04, "ao-int8static": 0.3, "ao-int4wo": 0.01}.get(scheme, 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("scheme", ["ao-int8wo", "ao-int8dyn", "ao-int4wo", "ao-fp8wo"])
def test_layers_multiply_with_what_dequantized_says(worker, scheme, dtype):
    """Unit vectors through a layer give its weights back, rounded to what it computes in."""
    subject, computes = worker("qwen3", scheme, dtype=dtype), torch.bfloat16 if scheme == "ao-int4wo" else getattr(torch, dtype)
    layer: Any
    for layer in layers.quantized_layers(model_of(subject)).values():
        with torch.no_grad():
            columns = layer(torch.eye(layer.in_features, dtype=getattr(torch, dtype))).T.float()
        expected = family_of(SCHEMES[scheme]).dequantized(layer)
        if scheme == "ao-int8dyn":  # a one becomes the code 127 with a scale of 1 / 127.5
            torch.testing.assert_close(columns, expected * 127 / 127.5, rtol=1e-2 if dtype == "bfloat16" else 1e-6, atol=0)
        else:
            assert torch.equal(columns, expected.to(computes).float())


@pytest.mark.parametrize(
    ("scheme", "largest", "rounded"),
    [
        ("ao-int8wo", 127.5, lambda codes: codes.round().clamp(-128, 127)),
        ("ao-int8static", 127.5, lambda codes: codes.round().clamp(-128, 127)),
        ("ao-fp8wo", 448, lambda codes: codes.to(torch.float8_e4m3fn).double()),
    ],
)
def test_round_trip_is_the_textbook_formula(checkpoint, scheme, largest, rounded):
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    found = family_of(SCHEMES[scheme]).round_trip(weight, SCHEMES[scheme], spec_of(checkpoint("qwen3"), scheme))
    scale = weight.abs().amax(1, keepdim=True).double() / largest
    expected = rounded(weight / scale) * scale
    agree = (found - expected).abs() < 1e-6 * weight.abs().max()
    assert agree.double().mean() > 0.998  # in between two codes the last bit of the scale decides


def test_int4_round_trip_is_16_steps_from_the_smallest_to_the_largest_of_64(checkpoint):
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    found = family_of(SCHEMES["ao-int4wo"]).round_trip(weight, SCHEMES["ao-int4wo"], spec_of(checkpoint("qwen3"), "ao-int4wo"))
    assert found is not None
    groups, rounded = weight.view(-1, 64), found.view(-1, 64)
    step = (groups.amax(1, True) - groups.amin(1, True)) / 15
    assert ((rounded - groups).abs() < 0.52 * step + 0.02).all()  # scale and middle are rounded to 8 bits of precision
    assert max(len(row.unique()) for row in rounded) <= 16 and len(rounded.unique()) > 100


@pytest.mark.parametrize(
    ("device", "scheme", "shape", "reason"),
    [
        ("cpu", "ao-int4wo", (64, 80), "80 inputs are not a multiple of 64"),
        ("cpu", "ao-int4wo", (24, 64), "24 outputs are not a multiple of 16"),
        ("cuda", "ao-int4wo", (24, 64), None),
        ("cuda", "ao-fp8dyn", (64, 40), "40 inputs are not a multiple of 16"),
        ("cuda", "ao-int8dyn", (100, 64), "100 outputs are not a multiple of 8"),
        ("cuda:1", "ao-int8static", (64, 36), "36 inputs are not a multiple of 8"),
        ("cpu", "ao-int8dyn", (100, 33), None),
        ("cpu", "ao-fp8wo", (7, 9), None),
    ],
)
def test_unsupported_shapes_are_named(checkpoint, device, scheme, shape, reason):
    spec, layer = spec_of(checkpoint("qwen3"), scheme, device=device), nn.Linear(shape[1], shape[0], device="meta")
    found = family_of(SCHEMES[scheme]).unsupported_reason(layer, SCHEMES[scheme], spec)
    if reason is None:
        assert found is None
    else:
        assert found is not None and found.startswith(reason)
        assert family_of(SCHEMES[scheme]).round_trip(torch.randn(shape), SCHEMES[scheme], spec) is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_unsupported_layers_are_left_and_the_rest_runs(checkpoint, tmp_path, dtype):
    config = hf.Qwen3Config.from_pretrained(checkpoint("qwen3"))
    config.intermediate_size = 80
    hf.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    hf.AutoTokenizer.from_pretrained(checkpoint("qwen3")).save_pretrained(tmp_path)
    subject = Worker(spec_of(tmp_path, "ao-int4wo", dtype=dtype))
    loaded = subject.load(emit=ignore, stop=never)
    reasons = linear_skips(loaded.coverage)
    assert reasons.keys() == {"lm_head", "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}
    assert reasons["model.layers.0.mlp.down_proj"].startswith("80 inputs are not a multiple of 64")
    assert subject.answer(Question(prompt="hi"), 3, emit=ignore, stop=never).new_tokens == 3


@pytest.mark.parametrize("scheme", [*TORCHAO, "torch-int8dyn"])
def test_gpt2_layers_are_quantized_though_they_are_stored_transposed(checkpoint, tmp_path, scheme):
    torch.manual_seed(0)
    tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint("bloom"))
    config = hf.GPT2Config(vocab_size=len(tokenizer), n_embd=64, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=1)
    hf.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    subject, family = Worker(spec_of(tmp_path, scheme)), family_of(SCHEMES[scheme])
    assert subject.load(emit=ignore, stop=never).coverage.quantized == 4
    original = hf.GPT2LMHeadModel.from_pretrained(tmp_path)
    for name, layer in layers.quantized_layers(model_of(subject)).items():
        weight = original.get_parameter(f"{name}.weight").T
        expected = family.round_trip(weight, SCHEMES[scheme], subject.spec)
        assert expected is not None and torch.equal(family.dequantized(layer), expected)
    tokens = torch.arange(9)[None]
    with torch.no_grad():
        expected, found = original(tokens).logits, model_of(subject)(tokens).logits
    assert 0 < (found - expected).norm() / expected.norm() < 0.2


def test_fp8_activations_need_a_recent_gpu():
    scheme = SCHEMES["ao-fp8dyn"]
    on_cpu = unavailable(scheme, machine_with())
    assert on_cpu is not None
    assert on_cpu.message == "FP8 dynamic needs a CUDA device." and on_cpu.remedy == "Choose FP8 weights (ao-fp8wo)."
    on_ampere = unavailable(scheme, machine_with(gpu(compute_capability=(8, 6))))
    assert on_ampere is not None
    assert "8.9 or higher; this one has 8.6" in on_ampere.message and on_ampere.remedy == "Choose FP8 weights (ao-fp8wo)."
    assert unavailable(scheme, machine_with(gpu(compute_capability=(9, 0)))) is None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_on_cuda_the_snippet_asks_for_the_tile_packed_form(checkpoint, dtype):
    spec = spec_of(checkpoint("qwen3"), "ao-int4wo", device="cuda", dtype=dtype)
    snippet = family_of(SCHEMES["ao-int4wo"]).snippet(SCHEMES["ao-int4wo"], spec, load_skeleton(spec))
    packed = "TorchAoConfig(Int4WeightOnlyConfig(group_size=64, int4_packing_format='tile_packed_to_4d'))"
    assert packed in snippet if dtype == "bfloat16" else 'apply_recipe(model, processor, "*=ao-int4wo")' in snippet
