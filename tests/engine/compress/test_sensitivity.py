"""What each layer costs, against plain forward passes of transformers in which a layer was changed by hand."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from scipy import stats
from torch import nn

from qdash.catalog.schemes import find_scheme
from qdash.engine import input_moments
from qdash.engine.calibration import samples
from qdash.engine.compress import sensitivity
from qdash.engine.compress.one_layer import every_one
from qdash.engine.compress.replay import recorded
from qdash.engine.formats import round_activations, round_trip
from qdash.engine.loading import load_processor
from qdash.engine.prompting import build_inputs, read_image, tokenizer_of
from qdash.engine.schemes import family_of
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import FollowedItem, LayerDamage, Question, SensitivityBegun, SensitivityMethod, SensitivityRequest
from tests.engine.conftest import ignore, never, spec_of
from tests.support.held import model_of

PROMPTS = ("What is it?", "Describe the picture in a few words, please.")
FEW = 10  # tokens of an answer

Loaded = Callable[..., Worker]


def items(png: bytes | None, *prompts: str) -> tuple[FollowedItem, ...]:
    return tuple(FollowedItem(id=prompt, prompt=prompt, png=png, max_tokens=FEW) for prompt in prompts or PROMPTS)


def found(
    worker: Worker, asked: tuple[FollowedItem, ...], *schemes: str, method: SensitivityMethod | None = "measured"
) -> tuple[SensitivityBegun, list[LayerDamage]]:
    events: list[Any] = []
    request = SensitivityRequest(items=asked, schemes=schemes, method=method)
    begun = worker.measure_sensitivity(request, emit=events.append, stop=never)
    damages = [event for event in events if isinstance(event, LayerDamage)]
    assert begun.entries == len({(damage.name, damage.scheme) for damage in damages})
    return begun, damages


def rank_correlation(one: list[float | None], other: list[float | None]) -> float:
    return np.asarray(stats.spearmanr(one, other))[0]


def plain_model(folder: Path, vision: bool) -> Any:
    auto = hf.AutoModelForImageTextToText if vision else hf.AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def mean_divergences(original: Any, changed: Any, folder: Path, asked: tuple[FollowedItem, ...]) -> list[float]:
    """KL divergence along the original's greedy answers, in float64, each read alone in one plain pass."""
    processor, means = load_processor(spec_of(folder, "original")), []
    for item in asked:
        inputs = build_inputs(processor, item.prompt, read_image(Question(prompt=item.prompt, png=item.png)), original)
        whole = original.generate(**inputs, do_sample=False, max_new_tokens=FEW)
        first, beside = inputs["input_ids"].shape[1], {name: value for name, value in inputs.items() if name == "pixel_values"}
        p, q = (model(input_ids=whole, **beside).logits[0, first - 1 : -1].double().log_softmax(-1) for model in (original, changed))
        means.append(float((p.exp() * (p - q)).sum(-1).mean()))
    return means


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("qwen3", "model.layers.0.mlp.down_proj"),
        ("qwen3", "model.layers.1.self_attn.q_proj"),
        ("llava", "model.vision_tower.encoder.layers.0.mlp.fc1"),
        ("llava", "model.multi_modal_projector.linear_1"),
        ("llava", "model.language_model.layers.1.mlp.up_proj"),
    ],
)
def test_the_damage_is_the_divergence_of_a_plain_forward_pass(
    worker: Loaded, checkpoint: Callable[[str], Path], png: bytes, architecture: str, layer: str
) -> None:
    folder, vision = checkpoint(architecture), architecture == "llava"
    asked = items(png if vision else None)
    _, damages = found(worker(architecture, "original"), asked, "int3-g64", "sim-w4a4")
    for scheme, (weights, activations) in {"int3-g64": ("int3-g64", None), "sim-w4a4": ("int4-row", "int4-row")}.items():
        original = plain_model(folder, vision)
        changed = copy.deepcopy(original)
        mine = changed.get_submodule(layer)
        mine.weight.data = round_trip(mine.weight.data, weights)
        if activations:
            mine.register_forward_pre_hook(lambda _, given, key=activations: (round_activations(given[0], key),))
        expected = mean_divergences(original, changed, folder, asked)
        (damage,) = (damage for damage in damages if (damage.name, damage.scheme) == (layer, scheme))
        mean = sum(expected) / len(expected)
        assert mean > 1e-6
        assert damage.kl_mean_nats == pytest.approx(mean, rel=2e-3, abs=1e-7)
        assert damage.kl_se == pytest.approx(stats.sem(expected), rel=2e-3, abs=1e-7)


def _as_made(model: nn.Module) -> dict[str, Any]:
    """Each module, what hangs on it, and whether something stands in for its own `forward`."""
    return {
        name: (module, len(module._forward_hooks), len(module._forward_pre_hooks), "forward" in vars(module))
        for name, module in model.named_modules()
    }


def test_every_layer_comes_once_and_the_model_is_as_it_was(worker: Loaded, png: bytes) -> None:
    loaded = worker("llava", "original")
    model = model_of(loaded)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loaded.answer(Question(prompt="a", png=png), 1, emit=ignore, stop=never)  # transformers hangs its own hooks on at the first call
    made = _as_made(model)
    for method in ("measured", "estimated"):
        begun, damages = found(loaded, items(png, "What is it?"), "bnb-nf4", "int2-g64", method=method)
        assert {damage.part for damage in damages} == {"vision", "projector", "language"}
        assert begun.fixed_bytes + sum(
            damage.original_bytes for damage in damages if damage.scheme == "int2-g64" and damage.estimated_nats is None
        ) == sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    assert made == _as_made(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("scheme", ["bnb-nf4-fp32", "q8_0", "ao-int8wo"])
def test_a_weight_only_scheme_does_what_its_dequantized_weight_does(worker: Loaded, checkpoint: Callable[[str], Path], scheme: str) -> None:
    """The layer's own kernel and a float layer with the weight that it computes with give the same damage."""
    asked, loaded = items(None), worker("qwen3", "original")
    _, damages = found(loaded, asked, scheme)
    quantized = model_of(worker("qwen3", scheme))
    original = plain_model(checkpoint("qwen3"), vision=False)
    family = worker("qwen3", scheme).held.family  # type: ignore[union-attr] - it is loaded
    for damage in damages[:4]:
        changed = copy.deepcopy(original)
        changed.get_submodule(damage.name).weight.data = family.dequantized(quantized.get_submodule(damage.name))
        expected = mean_divergences(original, changed, checkpoint("qwen3"), asked)
        assert damage.kl_mean_nats == pytest.approx(sum(expected) / len(expected), rel=0.1, abs=2e-7)  # kernels add up in another order


@pytest.mark.parametrize("architecture", ["llava", "bloom"])
def test_side_by_side_and_replayed_gives_what_each_gives_alone(
    worker: Loaded, png: bytes, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = worker(architecture, "original")
    asked = items(png if architecture == "llava" else None)
    _, quick = found(loaded, asked, "int3-g64")
    monkeypatch.setattr("qdash.engine.compress.answers.MOST_LOGITS", 0)
    monkeypatch.setattr("qdash.engine.compress.answers.MOST_BYTES", 0)
    _, plain = found(loaded, asked, "int3-g64")
    assert [damage.name for damage in quick] == [damage.name for damage in plain]
    for one, other in zip(quick, plain, strict=True):
        assert one.kl_mean_nats == pytest.approx(other.kl_mean_nats, rel=1e-3, abs=1e-7)


def test_blocks_that_came_before_are_not_computed_again(worker: Loaded) -> None:
    model = model_of(worker("qwen3", "original"))
    name = "model.layers.1.mlp.down_proj"
    outputs = recorded(model, [name], lambda: model(input_ids=torch.tensor([[5, 6, 7]])))
    calls: list[nn.Module] = []
    hooks = [block.self_attn.register_forward_hook(lambda block, *_: calls.append(block)) for block in model.model.layers]
    with torch.no_grad(), outputs.replayed_before(name):
        replayed = model(input_ids=torch.tensor([[5, 6, 7]])).logits
    for hook in hooks:
        hook.remove()
    assert calls == [model.model.layers[1].self_attn]
    with torch.no_grad():
        assert torch.equal(replayed, model(input_ids=torch.tensor([[5, 6, 7]])).logits)


@pytest.mark.parametrize("architecture", ["qwen3", "llava"])
def test_the_estimate_ranks_layers_as_measuring_does(worker: Loaded, png: bytes, architecture: str) -> None:
    loaded, asked = worker(architecture, "original"), items(png if architecture == "llava" else None)
    schemes = ("q8_0", "int3-g64", "sim-w8a8")
    _, measured = found(loaded, asked, *schemes)
    begun, estimated = found(loaded, asked, *schemes, method="estimated")
    assert begun.method == "estimated"
    first = {(damage.name, damage.scheme): damage.kl_mean_nats for damage in estimated if damage.estimated_nats is None}
    again = [damage for damage in estimated if damage.estimated_nats is not None]
    known = {(damage.name, damage.scheme): damage.kl_mean_nats for damage in measured}
    assert len(again) >= 12
    assert all(damage.kl_mean_nats == pytest.approx(known[damage.name, damage.scheme], rel=1e-4, abs=1e-9) for damage in again)
    assert all(damage.estimated_nats == first[damage.name, damage.scheme] for damage in again)
    assert rank_correlation([known[key] for key in first], list(first.values())) > 0.9


def test_with_many_directions_the_estimate_of_little_damage_is_the_damage(worker: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.engine.compress.estimate.PROBES", 600)
    loaded, asked = worker("qwen3", "original"), items(None, "What is it?")
    _, measured = found(loaded, asked, "fp8-e4m3")
    _, estimated = found(loaded, asked, "fp8-e4m3", method="estimated")
    for one, other in zip(measured, estimated, strict=False):
        assert other.kl_mean_nats == pytest.approx(one.kl_mean_nats, rel=0.35)


def test_the_estimate_takes_as_many_passes_as_its_memory_needs(worker: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, asked = worker("qwen3", "original"), items(None)
    once = [damage for damage in found(loaded, asked, "int3-g64", method="estimated")[1] if damage.estimated_nats is None]
    monkeypatch.setattr("qdash.engine.compress.estimate.KEPT_BYTES", 1)
    often = [damage for damage in found(loaded, asked, "int3-g64", method="estimated")[1] if damage.estimated_nats is None]
    assert {damage.name for damage in once} == {damage.name for damage in often}
    by_name = {damage.name: damage.kl_mean_nats for damage in once}
    ranked = rank_correlation([by_name[damage.name] for damage in often], [damage.kl_mean_nats for damage in often])
    assert ranked > 0.5  # other directions


def test_the_method_follows_from_the_time_that_measuring_takes(worker: Loaded) -> None:
    loaded = worker("qwen3", "original")
    for within_s, expected in ((1000.0, "measured"), (0.0, "estimated")):
        request = SensitivityRequest(items=items(None), schemes=("int3-g64",), within_s=within_s)
        assert loaded.measure_sensitivity(request, emit=ignore, stop=never).method == expected


@pytest.mark.parametrize("method", ["measured", "estimated"])
def test_stop_is_honoured_and_puts_the_layer_back(worker: Loaded, method: SensitivityMethod) -> None:
    loaded, events = worker("qwen3", "original"), []
    model = model_of(loaded)
    before = dict(model.named_modules())
    with pytest.raises(QdashError) as stopped:
        loaded.measure_sensitivity(
            SensitivityRequest(items=items(None), schemes=("bnb-nf4",), method=method),
            emit=events.append, stop=lambda: sum(isinstance(event, LayerDamage) for event in events) >= 3,
        )  # fmt: skip
    assert stopped.value.kind == "cancelled"
    assert dict(model.named_modules()) == before and all(parameter.requires_grad for parameter in model.parameters())


def test_stop_is_honoured_while_a_model_is_calibrated(worker: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, events, begun = worker("qwen3", "original"), list[Any](), list[Any]()
    before = dict(model_of(loaded).named_modules())
    monkeypatch.setattr(input_moments, "samples", lambda *given: begun.append(given) or samples(*given))
    with pytest.raises(QdashError) as stopped:
        request = SensitivityRequest(items=items(None), schemes=("gptq-int3",), method="measured")
        loaded.measure_sensitivity(request, emit=events.append, stop=lambda: bool(begun))
    assert stopped.value.kind == "cancelled" and not any(isinstance(event, LayerDamage) for event in events)
    assert dict(model_of(loaded).named_modules()) == before


@pytest.mark.parametrize("method", ["measured", "estimated"])
def test_a_kernel_that_fails_is_the_problem_of_its_layer(
    worker: Loaded, method: SensitivityMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, family = worker("qwen3", "original"), family_of(find_scheme("int3-g64"))
    model, quantize = model_of(loaded), family.quantize
    before, error = dict(model.named_modules()), RuntimeError("mat1 and mat2\nof no shape")

    def fails(*given: Any) -> None:
        raise error

    def failing(model: Any, names: list[str], *others: Any) -> None:
        if names == ["model.layers.0.mlp.up_proj"]:
            raise error
        quantize(model, names, *others)
        if names == ["model.layers.1.self_attn.q_proj"]:
            model.get_submodule(*names).forward = fails

    monkeypatch.setattr(type(family), "quantize", lambda self, *given: failing(*given))
    _, damages = found(loaded, items(None), "int3-g64", method=method)
    problems = {damage.name: damage.problem for damage in damages if damage.kl_mean_nats is None}
    assert problems == dict.fromkeys(
        ("model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj"), "its kernel failed: RuntimeError: mat1 and mat2"
    )
    assert len({damage.name for damage in damages}) == 14 and dict(model.named_modules()) == before
    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory"):
        found(loaded, items(None), "int3-g64", method=method)
    assert dict(model.named_modules()) == before


def test_a_text_is_followed_as_it_stands(worker: Loaded) -> None:
    loaded = worker("qwen3", "original")
    text = FollowedItem(id="t", prompt="What", plain=True, text=" is in this picture? Describe it.", max_tokens=FEW)
    begun, damages = found(loaded, (text,), "int2-g64")
    tokenizer = tokenizer_of(load_processor(loaded.spec))
    said = tokenizer(" is in this picture? Describe it.", add_special_tokens=False)["input_ids"][:FEW]
    assert begun.tokens == len(said) and all(damage.kl_se is None for damage in damages)


def test_a_scheme_that_takes_no_layer_is_an_error(worker: Loaded) -> None:
    with pytest.raises(QdashError, match="None of these schemes"):
        found(worker("qwen3", "original"), items(None), "q4_k")  # its blocks of 256 divide no layer


def test_bytes_are_those_of_the_scheme(worker: Loaded) -> None:
    loaded = worker("qwen3", "original")
    (one,) = (
        one
        for one in every_one(model_of(loaded), [sensitivity.find_scheme("int3-g64")], loaded.spec)
        if one.name == "model.layers.0.mlp.down_proj"
    )
    assert (one.bytes, one.original_bytes) == (64 * 128 * 3 // 8 + 64 * 2 * 4, 64 * 128 * 4)
