"""Calibration measures what it says: the largest input of each layer over the samples, and names the layers that had none."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from qdash.catalog.schemes import SCHEMES
from qdash.engine import calibration, input_moments, layers
from qdash.engine.calibration import QUESTIONS, TEXTS, input_ranges, why_uncalibrated
from qdash.engine.calibration import samples as calibration_samples
from qdash.engine.compress.one_layer import OneLayer, quantized_alone
from qdash.engine.prompting import build_inputs
from qdash.engine.schemes import Calibrated, QuantizeContext, family_of
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from tests.engine.conftest import build_of, ignore, never, spec_of
from tests.support.held import model_of

STATIC = SCHEMES["ao-int8static"]


@pytest.fixture
def loaded(checkpoint):
    """`loaded("qwen3")`: a model in floats that the test may change, and what quantizing it needs."""

    def load(architecture: str) -> tuple[nn.Module, QuantizeContext]:
        subject = Worker(spec_of(checkpoint(architecture), "original"))
        subject.load(emit=ignore, stop=never)
        return model_of(subject), build_of(subject.spec)

    return load


def test_ranges_are_the_largest_inputs_over_all_samples(loaded):
    model, build = loaded("qwen3")
    layer, largest = model.model.layers[1].mlp.down_proj, 0.0
    forward = layer.forward

    def watched(x: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, x.abs().max().item())
        return forward(x)

    layer.forward = watched
    with torch.no_grad():
        for text in TEXTS:
            model(**build_inputs(build.processor, text, None, model))
    found = input_ranges(model, ["model.layers.1.mlp.down_proj"], build)
    assert found == {"model.layers.1.mlp.down_proj": largest} and largest > 0


def test_the_range_becomes_the_scale_of_127_steps(loaded):
    model, build = loaded("bloom")
    names = list(layers.convertible_layers(model))
    ranges = input_ranges(model, names, build)
    family_of(STATIC).quantize(model, names, STATIC, build)
    layer: Any
    for name, layer in layers.quantized_layers(model).items():
        assert layer.weight.act_quant_scale.item() == pytest.approx(ranges[name] / 127, rel=1e-6)
    assert ranges.keys() == set(names)


@pytest.mark.parametrize("architecture", ["llava", "fastvlm", "smolvlm", "qwen3-vl"])
def test_pictures_reach_every_layer_of_a_vision_model(worker, architecture):
    coverage = worker(architecture, STATIC.key).load(emit=ignore, stop=never).coverage
    assert coverage.quantized == coverage.total - 1


@pytest.mark.parametrize("key", [STATIC.key, "gptq-int3"])
def test_layers_quantized_one_at_a_time_are_calibrated_once(loaded, key, monkeypatch):
    """And become what they would with a calibration of their own."""
    model, fresh = loaded("qwen3")
    scheme, asked = SCHEMES[key], []
    for module in (calibration, input_moments):
        monkeypatch.setattr(module, "samples", lambda *given: asked.append(given) or calibration_samples(*given))
    found = {}
    for build in (fresh, replace(fresh, calibrated=Calibrated())):
        for name in ("model.layers.1.mlp.down_proj", "model.layers.0.self_attn.q_proj"):
            with quantized_alone(model, OneLayer(name, scheme, 0, 0), build) as layer:
                own = (family_of(scheme).dequantized(layer), getattr(layer.weight, "act_quant_scale", torch.zeros(())))
                assert all(torch.equal(*pair) for pair in zip(found.setdefault(name, own), own, strict=True))
    assert len(asked) == 2 + 1


def test_layers_that_no_sample_reaches_are_left_and_named(loaded):
    model, build = loaded("qwen3")
    model.spare = nn.Linear(64, 64)
    names = ["spare", "model.layers.0.self_attn.q_proj"]
    family_of(STATIC).quantize(model, names, STATIC, build)
    assert layers.quantized_layers(model).keys() == {"model.layers.0.self_attn.q_proj"}
    reason = family_of(STATIC).unsupported_reason(model.spare, STATIC, build.spec)
    assert reason == why_uncalibrated(model.spare) == "no calibration sample gave it a finite input other than zero"


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_inputs_without_a_range_are_refused(loaded, value):
    model, build = loaded("qwen3")
    name = "model.layers.1.mlp.down_proj"
    model.get_submodule(name).register_forward_pre_hook(lambda layer, inputs: (torch.full_like(inputs[0], value),))
    assert input_ranges(model, [name], build) == {} and why_uncalibrated(model.get_submodule(name))


def test_it_says_how_far_it_is_and_stops_when_told(checkpoint):
    events: list[Any] = []
    Worker(spec_of(checkpoint("qwen3"), STATIC.key)).load(emit=events.append, stop=never)
    calibrating = [event.fraction for event in events if event.detail == "calibrating"]
    assert calibrating == [done / len(TEXTS) for done in range(len(TEXTS))]
    assert [event.detail for event in events][-14:] == ["quantizing weights"] * 14

    stopped = Worker(spec_of(checkpoint("qwen3"), STATIC.key))
    with pytest.raises(QdashError) as error:
        stopped.load(emit=events.append, stop=lambda: events[-1].detail == "calibrating" or len(events) > 100)
    assert error.value.kind == "cancelled"


def test_vision_models_see_a_picture_for_every_question(checkpoint):
    events: list[Any] = []
    Worker(spec_of(checkpoint("llava"), STATIC.key)).load(emit=events.append, stop=never)
    assert len([event for event in events if event.detail == "calibrating"]) == len(TEXTS) + len(QUESTIONS)
