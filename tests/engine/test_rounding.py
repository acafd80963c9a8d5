"""Better rounding of a model's layers: what calibration gives the methods, and that the layers hold what the methods make of it."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.engine import calibration, input_moments, layers, own_texts
from qdash.engine.calibration import QUESTIONS, TEXTS
from qdash.engine.compress.gptq import gptq
from qdash.engine.compress.hqq import hqq
from qdash.engine.input_moments import InputMoments, moments_by_stage
from qdash.engine.schemes import family_of, held_rows
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import MeasuredLayer
from tests.engine.conftest import build_of, ignore, linear_skips, never, spec_of
from tests.support.held import model_of


@pytest.fixture
def loaded(checkpoint):
    """`loaded("qwen3")`: a model in floats that the test may change, and what quantizing it needs."""

    def load(architecture: str) -> tuple[nn.Module, Any]:
        subject = Worker(spec_of(checkpoint(architecture), "original"))
        subject.load(emit=ignore, stop=never)
        return model_of(subject), build_of(subject.spec)

    return load


def test_own_texts_are_the_same_each_time_and_without_special_tokens_but_the_end(loaded):
    model, build = loaded("qwen3")
    before = torch.random.get_rng_state()
    first, again = ([inputs["input_ids"] for inputs in own_texts.own_texts(model, build)] for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(first) == own_texts.OWN_TEXTS and {tuple(ids.shape) for ids in first} == {(1, own_texts.OWN_LENGTH)}
    assert all(map(torch.equal, first, again)) and len({tuple(ids[0].tolist()) for ids in first}) == own_texts.OWN_TEXTS
    tokenizer = build.processor
    kept_out = set(tokenizer.all_special_ids) - {tokenizer.eos_token_id}
    assert not kept_out & set(torch.cat(first).flatten().tolist())


def test_moments_are_those_of_the_inputs_as_they_are_once_earlier_layers_are_quantized(loaded):
    model, build = loaded("qwen3")
    names, seen = list(layers.convertible_layers(model)), {}
    for number, stage in enumerate(moments_by_stage(model, names, build)):
        assert {name.split(".mlp")[0].split(".self_attn")[0] for name in stage} == {f"model.layers.{number}"}
        for name, moments in stage.items():
            seen[name] = moments
            model.get_submodule(name).weight.data.mul_(0.5)
    assert seen.keys() == set(names)
    asked, name = list(input_moments._read(model, build)), "model.layers.1.mlp.down_proj"
    rows: list[torch.Tensor] = []
    # Its own layer's inputs were measured before any layer of its block was changed.
    for layer in (name for name in names if name.startswith("model.layers.1.")):
        model.get_submodule(layer).weight.data.mul_(2)
    hook = model.get_submodule(name).register_forward_pre_hook(lambda layer, inputs: rows.append(inputs[0][0].double()))
    with torch.no_grad():
        for inputs in asked[: len(TEXTS)]:
            model(**inputs)
    hook.remove()
    written = own_texts.OWN_TEXTS * own_texts.OWN_LENGTH
    assert seen[name].tokens == sum(inputs["input_ids"].numel() for inputs in asked[: len(TEXTS)]) + written
    known = InputMoments.empty(rows[0].shape[1], model.device)
    for own in rows:
        known.add(own)
    expected = torch.cat(rows)
    torch.testing.assert_close(known.products.double(), expected.T @ expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(known.sizes.double(), expected.abs().sum(0), rtol=1e-4, atol=1e-4)


def test_many_blocks_share_a_stage(loaded, monkeypatch):
    model, build = loaded("qwen3")
    monkeypatch.setattr(input_moments, "MOST_STAGES", 1)
    names = list(layers.convertible_layers(model))
    assert [set(stage) for stage in moments_by_stage(model, names, build)] == [set(names)]


def test_a_stage_is_no_larger_than_its_memory(loaded, monkeypatch):
    model, build = loaded("qwen3")
    names = list(layers.convertible_layers(model))
    whole = [list(stage) for stage in moments_by_stage(model, names, build)]
    monkeypatch.setattr(input_moments, "STAGE_BYTES", 1)
    single = [list(stage) for stage in moments_by_stage(model, names, build)]
    assert single == [[name] for stage in whole for name in stage] and len(whole) == 2


@pytest.mark.parametrize(
    ("architecture", "scheme"), [("bloom", "gptq-int3"), ("qwen3-vl", "gptq-int3"), ("llava", "awq-int4"), ("qwen3", "hqq-int4")]
)
def test_every_layer_is_quantized_and_the_answer_is_finite(worker, question, architecture, scheme):
    coverage = worker(architecture, scheme).load(emit=ignore, stop=never).coverage
    assert coverage.quantized == coverage.total - 1
    given = worker(architecture, scheme).answer(question(architecture), 4, emit=ignore, stop=never)
    assert given.tokens


def test_layers_hold_what_gptq_makes_of_their_inputs(loaded):
    model, build = loaded("qwen3")
    name, scheme = "model.layers.0.self_attn.q_proj", SCHEMES["gptq-int4"]
    weight = model.get_submodule(name).weight.detach().clone()
    moments = next(moments_by_stage(model, [name], build))[name]
    family_of(scheme).quantize(model, [name], scheme, build)
    assert torch.equal(model.get_submodule(name).weight, gptq(weight, moments.products, FORMATS["int4-g64"]))
    assert layers.quantized_layers(model).keys() == {name}


def test_conv1d_has_its_rows_in_columns(loaded):
    model, build = loaded("qwen3")
    model.spare = layer = Conv1D(48, 64)
    weight, scheme = layer.weight.detach().clone(), SCHEMES["hqq-int4"]
    family_of(scheme).quantize(model, ["spare"], scheme, build)
    assert torch.equal(layer.weight.T, hqq(weight.T, FORMATS["int4-g64"]))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0])
def test_layers_without_usable_inputs_are_left_and_named(loaded, value):
    model, build = loaded("qwen3")
    model.spare = nn.Linear(64, 64)
    name, scheme = "model.layers.1.mlp.down_proj", SCHEMES["gptq-int4"]
    model.get_submodule(name).register_forward_pre_hook(lambda layer, inputs: (torch.full_like(inputs[0], value),))
    before = model.get_submodule(name).weight.detach().clone()
    family_of(scheme).quantize(model, [name, "spare"], scheme, build)
    assert not layers.quantized_layers(model) and torch.equal(model.get_submodule(name).weight, before)
    for layer in (model.spare, model.get_submodule(name)):
        reason = family_of(scheme).unsupported_reason(layer, scheme, build.spec)
        assert reason == "no calibration sample gave it a finite input other than zero"


def test_it_says_how_far_it_is_and_stops_when_told(checkpoint):
    events: list[Any] = []
    Worker(spec_of(checkpoint("qwen3"), "gptq-int4")).load(emit=events.append, stop=never)
    said = [event.detail for event in events]
    assert said.count("writing texts to calibrate with") >= own_texts.OWN_LENGTH - 2
    shares = [event.fraction for event in events if event.detail == "calibrating"]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] < 1
    for words in ("writing texts to calibrate with", "calibrating", "rounding weights"):
        heard: list[Any] = []
        with pytest.raises(QdashError) as error:
            Worker(spec_of(checkpoint("qwen3"), "gptq-int4")).load(
                emit=heard.append, stop=lambda words=words, heard=heard: any(event.detail == words for event in heard)
            )
        assert error.value.kind == "cancelled"


def test_vision_models_look_at_pictures_and_answer(loaded):
    model, build = loaded("llava")
    asked = list(input_moments._read(model, build))
    assert len([inputs for inputs in asked if "pixel_values" in inputs]) == len(QUESTIONS) + calibration.DRAWINGS
    assert len(asked) == len(TEXTS) + len(QUESTIONS) + calibration.DRAWINGS + own_texts.OWN_TEXTS


def test_a_recipe_calibrates_its_own_part_only(checkpoint):
    recipe = find_scheme("mlp=gptq-int3")
    assert recipe.calibrated and not find_scheme("mlp=hqq-int3").calibrated
    subject = Worker(spec_of(checkpoint("qwen3"), recipe.key))
    coverage = subject.load(emit=ignore, stop=never).coverage
    assert all("mlp" in name for name in layers.quantized_layers(model_of(subject))) and coverage.quantized == 6
    assert linear_skips(coverage)["model.layers.0.self_attn.q_proj"] == "left unchanged by the recipe"


def test_a_round_trip_without_the_model_is_refused(checkpoint):
    scheme = SCHEMES["gptq-int4"]
    with pytest.raises(TypeError, match="inputs"):
        family_of(scheme).round_trip(torch.randn(64, 64), scheme, spec_of(checkpoint("qwen3"), scheme.key))


@pytest.mark.parametrize("scheme", ["gptq-int3", "mlp=awq-int4"])
def test_weight_errors_are_those_of_the_loaded_layers(worker, checkpoint, scheme):
    subject, seen = worker("llava", scheme), []
    (report,) = subject.measure_weight_error([scheme], emit=seen.append, stop=never).schemes
    quantized = layers.quantized_layers(model_of(subject))
    assert len(report.layers) == len(quantized) and report.bits_per_weight is not None and report.bits_per_weight > SCHEMES["int3-g64"].bits
    assert len([event for event in seen if isinstance(event, MeasuredLayer) and event.sqnr_db]) == len(quantized)
    detail = subject.measure_layer(scheme, report.layers[0].name, None, 0, emit=ignore, stop=never)
    assert detail.layer.sqnr_db == report.layers[0].sqnr_db
    assert (detail.scale is None) == ("awq" in scheme)
    with pytest.raises(ValueError, match="cannot tell"):
        Worker(spec_of(checkpoint("llava"), None)).measure_weight_error([scheme], emit=ignore, stop=never)


def test_held_rows_are_what_layers_compute_with(worker):
    subject = worker("qwen3", "gptq-int3")
    model = model_of(subject)
    restore = held_rows(model, "model.layers.0.mlp.up_proj", torch.empty(0))
    weight = model.get_submodule("model.layers.0.mlp.up_proj").weight
    assert restore is not None and torch.equal(restore(weight[32:64], 32), weight[32:64])
    assert held_rows(model, "lm_head", torch.empty(0)) is None


def test_awq_counts_a_scale_of_each_input(worker):
    hqq4, awq4 = (worker("qwen3", key).load(emit=ignore, stop=never) for key in ("hqq-int4", "awq-int4"))
    quantized = layers.quantized_layers(model_of(worker("qwen3", "awq-int4"))).values()
    assert hqq4.projected_bytes is not None
    assert awq4.projected_bytes == hqq4.projected_bytes + sum(2 * layers.shape(layer)[1] for layer in quantized)
