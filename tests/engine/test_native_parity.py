"""What qdash loads is what transformers' own `from_pretrained` loads, bit for bit, and what the printed snippet builds."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from transformers.quantizers.base import get_keys_to_not_convert
from transformers.quantizers.quantizers_utils import should_convert_module

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.schemes import SCHEMES
from qdash.engine import layers
from qdash.engine.formats import round_trip
from qdash.engine.loading import load_skeleton
from qdash.engine.prompting import build_inputs, read_image
from qdash.engine.schemes import family_of
from qdash.engine.worker import Worker
from tests.engine.conftest import DYNAMIC, REAL, ROUNDING, SIMULATED, TORCHAO, VISION, ignore, linear_skips, never, spec_of
from tests.support.held import model_of

FAST = torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}

# Written out by hand, as a tutorial would: the independent reference.
NATIVE = {
    "original": {"dtype": torch.float32},
    "fp32": {"dtype": torch.float32},
    "fp16": {"dtype": torch.float16},
    "bf16": {"dtype": torch.bfloat16},
    "bnb-int8": {"dtype": torch.float32, "quantization_config": {"load_in_8bit": True}},
    "bnb-nf4": {"dtype": torch.float32, "quantization_config": {**NF4, "bnb_4bit_compute_dtype": FAST}},
    "bnb-nf4-fp32": {"dtype": torch.float32, "quantization_config": NF4},
    "bnb-fp4": {
        "dtype": torch.float32,
        "quantization_config": {
            "load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_compute_dtype": torch.bfloat16,
        },
    },
}  # fmt: skip


def native(folder: Path, scheme: str, **changes) -> hf.PreTrainedModel:
    arguments = {"device_map": "cpu", **NATIVE[scheme], **changes}
    if "quantization_config" in arguments:
        arguments["quantization_config"] = hf.BitsAndBytesConfig(**arguments["quantization_config"])
    vision = (folder / "processor_config.json").exists()
    auto = hf.AutoModelForImageTextToText if vision else hf.AutoModelForCausalLM
    return auto.from_pretrained(folder, **arguments)


def logits(model, worker, question) -> torch.Tensor:
    inputs = build_inputs(worker.held.processor, question.prompt, read_image(question), model)
    with torch.no_grad():
        return model(**inputs).logits


@pytest.mark.parametrize("scheme", REAL)
@pytest.mark.parametrize("architecture", ["smolvlm", "bloom"])
def test_logits_equal_native_loading(worker, question, checkpoint, architecture, scheme):
    subject, asked = worker(architecture, scheme), question(architecture)
    ours = logits(model_of(subject), subject, asked)
    theirs = logits(native(checkpoint(architecture), scheme), subject, asked)
    assert ours.isfinite().all() and torch.equal(ours, theirs)


@pytest.mark.parametrize("scheme", REAL)
@pytest.mark.parametrize("architecture", ["llava", "fastvlm"])
def test_logits_equal_native_loading_with_contiguous_inputs(worker, question, checkpoint, architecture, scheme):
    subject, asked = worker(architecture, scheme), question(architecture)
    reference = native(checkpoint(architecture), scheme)
    reference.model.multi_modal_projector.linear_1.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
    assert torch.equal(logits(model_of(subject), subject, asked), logits(reference, subject, asked))


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-nf4", "bnb-fp4"])
@pytest.mark.parametrize("architecture", VISION)
def test_every_quantized_layer_multiplies_its_input(worker, question, architecture, scheme):
    """bitsandbytes' fused CPU kernel misreads inputs that are not contiguous; what comes out would be noise, not quantization error."""
    subject, asked, family = worker(architecture, scheme), question(architecture), family_of(SCHEMES[scheme])
    errors = {}

    def compare(name, layer, inputs, output):
        expected = inputs[0].float() @ family.dequantized(layer).T + (0 if layer.bias is None else layer.bias.float())
        errors[name] = ((output.float() - expected).abs().max() / expected.abs().max()).item()

    named = layers.quantized_layers(model_of(subject)).items()
    hooks = [layer.register_forward_hook(partial(compare, name)) for name, layer in named]
    logits(model_of(subject), subject, asked)
    for hook in hooks:
        hook.remove()
    assert len(errors) == len(named) and max(errors.values()) < 0.04, max(errors, key=lambda name: errors[name])


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-nf4"])
def test_every_parameter_that_is_not_quantized_has_the_baseline_dtype(worker, checkpoint, scheme):
    subject = worker("qwen3", scheme, dtype="bfloat16")
    theirs = native(checkpoint("qwen3"), scheme, dtype=torch.bfloat16)
    assert {str(p.dtype) for n, p in model_of(subject).named_parameters() if "norm" in n or "embed" in n} == {"torch.bfloat16"}
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(model_of(subject)(tokens).logits, theirs(tokens).logits)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")  # as whoever runs the snippet of torch-int8dyn is told
@pytest.mark.parametrize("scheme", [*REAL, *SIMULATED, *TORCHAO, DYNAMIC, *ROUNDING])
@pytest.mark.parametrize("architecture", ["llava", "qwen3"])
def test_snippet_runs_and_builds_the_same_model(worker, question, architecture, scheme):
    subject, asked = worker(architecture, scheme), question(architecture)
    scope: dict = {}
    exec(subject.load(emit=ignore, stop=never).snippet, scope)
    assert isinstance(scope["processor"], hf.ProcessorMixin if architecture in VISION else hf.PreTrainedTokenizerBase)
    assert torch.equal(logits(model_of(subject), subject, asked), logits(scope["model"], subject, asked))


@pytest.mark.parametrize("scheme", SIMULATED)
def test_simulated_schemes_round_the_layers_that_bitsandbytes_quantizes(worker, checkpoint, scheme):
    real, simulated = worker("llava", "bnb-nf4"), worker("llava", scheme)
    assert simulated.load(emit=ignore, stop=never).coverage == real.load(emit=ignore, stop=never).coverage
    original = native(checkpoint("llava"), "fp32").state_dict()
    kept = get_keys_to_not_convert(model_of(simulated))
    layer: Any
    for name, layer in layers.linear_layers(model_of(simulated)).items():
        weight = original[f"{name}.weight"]
        if should_convert_module(name, kept):
            assert torch.equal(layer.weight, round_trip(weight, SimulatedParams.of(SCHEMES[scheme]).format))
            assert not torch.equal(layer.weight, weight)
        else:
            assert torch.equal(layer.weight, weight)


def test_unsupported_layers_are_left_and_named(checkpoint, tmp_path, monkeypatch):
    """80 inputs are no multiple of the block of 64: bitsandbytes would dequantize such a layer wrongly on a CPU with AVX-512."""
    monkeypatch.setattr("qdash.engine.schemes.bitsandbytes._garbles_rows", lambda: True)
    config = hf.Qwen3Config.from_pretrained(checkpoint("qwen3"))
    config.intermediate_size = 80
    hf.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    hf.AutoTokenizer.from_pretrained(checkpoint("qwen3")).save_pretrained(tmp_path)
    from_worker = Worker(spec_of(tmp_path, "bnb-nf4"))
    coverage = from_worker.load(emit=ignore, stop=never).coverage
    reasons = linear_skips(coverage)
    assert "80 inputs are not a multiple of 64" in reasons["model.layers.0.mlp.down_proj"]
    assert coverage.total == 15 and coverage.quantized == 15 - len(reasons)
    skeleton = load_skeleton(from_worker.spec)
    assert "lm_head" in layers.kept_patterns(skeleton) and "lm_head" in reasons
    assert "llm_int8_skip_modules" in from_worker.load(emit=ignore, stop=never).snippet
