"""The weight report against numpy in float64, and against what loaded variants really hold."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash.catalog.schemes import SCHEMES, Scheme, find_scheme, unavailable
from qdash.engine.layers import convertible_layers, quantized_layers
from qdash.engine.loading import load_model, load_skeleton
from qdash.engine.schemes import family_of
from qdash.engine.weights import weigh
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Step, WeightReport, WorkerSpec
from tests.checkpoints import TEXT, VISION
from tests.engine.conftest import build_of

HERE = [key for key, scheme in SCHEMES.items() if scheme.family != "float" and not unavailable(scheme, this_machine().on("cpu"))]
RoundTrip = Callable[[str, torch.Tensor], torch.Tensor | None]


def spec_of(folder: Path, scheme: str | None = None) -> WorkerSpec:
    task = "image-text-to-text" if "vision_config" in (folder / "config.json").read_text() else "text-generation"
    return WorkerSpec(folder=str(folder), revision="", task=task, scheme=scheme, device="cpu", dtype="float32", threads=1)


def report(folder: Path, trips: dict[str, RoundTrip], emit=lambda step: None, stop=lambda: False) -> WeightReport:
    schemes = [find_scheme(key) for key in trips]
    return weigh(folder, load_skeleton(spec_of(folder)), schemes, trips, emit=emit, stop=stop)


def by_family(folder: Path, scheme: Scheme) -> RoundTrip:
    return lambda module, weight: family_of(scheme).round_trip(weight, scheme, spec_of(folder))


def halves(module: str, weight: torch.Tensor) -> torch.Tensor:
    """A round trip that anyone can check: to the nearest half."""
    return weight.double().mul(2).round().div(2)


@pytest.fixture
def changed(checkpoint, tmp_path) -> Callable[..., Path]:
    """`changed(name=tensor)`: the tiny Qwen3 with some tensors replaced."""

    def build(**tensors: torch.Tensor) -> Path:
        folder = checkpoint("qwen3")
        save_file({**load_file(folder / "model.safetensors"), **tensors}, tmp_path / "model.safetensors", {"format": "pt"})
        (tmp_path / "config.json").write_text((folder / "config.json").read_text())
        return tmp_path

    return build


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_statistics_equal_numpy(checkpoint, architecture):
    folder = checkpoint(architecture)
    tensors = load_file(folder / "model.safetensors")
    (scheme,) = report(folder, {"bnb-nf4": halves}).schemes
    assert len(scheme.layers) == len(convertible_layers(load_skeleton(spec_of(folder))))
    everything = [], []
    for layer in scheme.layers:
        w = tensors[f"{layer.name}.weight"].double().numpy()
        assert layer.shape == w.shape
        agrees(layer, w, np.round(w * 2) / 2)
        everything[0].append(w.ravel())
        everything[1].append(np.round(w * 2).ravel() / 2)
    agrees(scheme, *map(np.concatenate, everything))


def agrees(ours, w: np.ndarray, restored: np.ndarray) -> None:
    error = restored - w
    assert ours.sqnr_db == pytest.approx(10 * np.log10(np.sum(w**2) / np.sum(error**2)), rel=1e-10)
    assert ours.mse == pytest.approx(np.mean(error**2), rel=1e-10)
    assert ours.max_abs_error == np.abs(error).max()
    assert ours.cosine == pytest.approx(np.vdot(w, restored) / np.linalg.norm(w) / np.linalg.norm(restored), rel=1e-10)
    for name, values in {"original": w, "dequantized": restored, "error": error}.items():
        histogram = getattr(ours.histograms, name)
        assert histogram.low == -histogram.high
        edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
        expected = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        # Weights of few bits like to lie on an edge, where the last bit decides; none may be lost.
        assert np.abs(np.cumsum(expected) - np.cumsum(histogram.counts)).max() <= on_edges(values, edges)
        assert sum(histogram.counts) == values.size
    assert (ours.histograms.original.low, ours.histograms.original.high) == (
        ours.histograms.dequantized.low,
        ours.histograms.dequantized.high,
    )


def on_edges(values: np.ndarray, edges: np.ndarray) -> int:
    nearest = np.abs(values.ravel()[:, None] - edges).min(axis=1)
    return int(np.sum(nearest < 1e-9 * edges[-1]))


@pytest.mark.parametrize("architecture", ["llava", "smolvlm", "bloom"])
@pytest.mark.parametrize("key", HERE)
def test_weighed_is_what_the_loaded_variant_holds(checkpoint, architecture, key):
    """Bit for bit: the same layers, and after their round trip the very weights that the loaded layers compute with."""
    folder, scheme = checkpoint(architecture), find_scheme(key)
    family, spec = family_of(scheme), spec_of(folder, key)
    model = load_model(spec, family.load_kwargs(scheme, spec, load_skeleton(spec)), lambda fraction: None)
    family.transform(model, scheme, build_of(spec))
    family.settle(model)
    restored: dict[str, torch.Tensor] = {}

    def remember(module: str, weight: torch.Tensor) -> torch.Tensor | None:
        restored[module] = by_family(folder, scheme)(module, weight)
        return restored[module]

    (weighed,) = report(folder, {key: remember}).schemes
    layers = quantized_layers(model)
    assert {module for module, weight in restored.items() if weight is not None} == layers.keys()
    assert len(weighed.layers) == len(layers)
    for module, layer in layers.items():
        assert torch.equal(family.dequantized(layer), restored[module]), module


def test_more_bits_disturb_less_and_casts_up_not_at_all(checkpoint):
    folder = checkpoint("llava")
    keys = ["original", "bnb-int8", "fp8-e4m3", "fp6-e2m3", "bnb-nf4", "bnb-fp4"]
    schemes = report(folder, {key: by_family(folder, find_scheme(key)) for key in keys}).schemes
    assert [scheme.scheme for scheme in schemes] == keys
    assert (schemes[0].sqnr_db, schemes[0].mse, schemes[0].cosine) == (None, 0, 1)
    sqnr = [scheme.sqnr_db for scheme in schemes[1:]]
    assert sqnr == sorted(sqnr, reverse=True)
    assert 15 < sqnr[-1] < sqnr[0] < 45
    for scheme in schemes[1:]:  # judged by a sample, the range still fits
        assert scheme.max_abs_error / 3 < scheme.histograms.error.high <= scheme.max_abs_error, scheme.scheme


def test_layers_left_alone_are_not_counted(checkpoint):
    (scheme,) = report(checkpoint("qwen3"), {"bnb-nf4": lambda module, w: None if "mlp" in module else w * 0.5}).schemes
    assert scheme.layers and not any("mlp" in layer.name for layer in scheme.layers)
    assert scheme.sqnr_db == pytest.approx(20 * np.log10(2))
    assert sum(scheme.histograms.original.counts) == sum(int(np.prod(layer.shape)) for layer in scheme.layers)


def test_output_head_and_tied_weights_are_not_weighed(checkpoint):
    for architecture in ("qwen3", "smolvlm"):  # tied, untied
        (scheme,) = report(checkpoint(architecture), {"fp8-e4m3": halves}).schemes
        names = [layer.name for layer in scheme.layers]
        assert len(set(names)) == len(names)
        assert not [name for name in names if "lm_head" in name or "embed" in name]


def test_it_says_how_far_it_is(checkpoint):
    steps: list[Step] = []
    (scheme,) = report(checkpoint("qwen3"), {"fp8-e4m3": halves}, emit=steps.append).schemes
    assert [step.detail for step in steps] == [layer.name for layer in scheme.layers]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] < 1


@pytest.mark.parametrize("patience", [0, 5, 20])
def test_it_stops_when_told(checkpoint, patience):
    asked = iter(range(1000))
    with pytest.raises(QdashError) as error:
        report(checkpoint("qwen3"), {"fp8-e4m3": halves}, stop=lambda: next(asked) >= patience)
    assert error.value.kind == "cancelled"
    assert next(asked) == patience + 1


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named(changed, broken):
    name = "model.layers.1.mlp.up_proj"
    weight = torch.ones(128, 64)
    weight[3, 4:6] = broken
    with pytest.raises(QdashError, match=rf"{name} holds 2 weights that are NaN or infinite") as error:
        report(changed(**{f"{name}.weight": weight}), {"fp8-e4m3": halves})
    assert error.value.kind == "checkpoint"


def test_a_scheme_that_overflows_is_named(changed):
    name = "model.layers.1.mlp.up_proj"
    folder = changed(**{f"{name}.weight": torch.full((128, 64), 1e6)})
    with pytest.raises(QdashError, match=rf"16-bit float turns weights of {name} into NaN or infinity"):
        report(folder, {"fp16": lambda module, weight: weight.half().float()})


def test_a_layer_of_zeros_has_no_error(changed):
    name = "model.layers.1.mlp.up_proj"
    folder = changed(**{f"{name}.weight": torch.zeros(128, 64)})
    for scheme in report(folder, {key: by_family(folder, find_scheme(key)) for key in ("fp8-e4m3", "bnb-int8", "bnb-nf4")}).schemes:
        (layer,) = [layer for layer in scheme.layers if layer.name == name]
        assert (layer.sqnr_db, layer.mse, layer.cosine) == (None, 0, 1), scheme.scheme
        assert layer.histograms.error.counts[48] == layer.histograms.original.counts[48] == 128 * 64


def test_checkpoints_that_are_quantized_already_are_refused(checkpoint, tmp_path):
    model = hf.AutoModelForCausalLM.from_pretrained(checkpoint("qwen3"), quantization_config=hf.BitsAndBytesConfig(load_in_4bit=True))
    model.save_pretrained(tmp_path)
    with pytest.raises(QdashError, match="quantized already"):
        report(tmp_path, {"fp8-e4m3": halves})


def test_the_report_round_trips_through_json(checkpoint):
    made = report(checkpoint("bloom"), {"fp8-e4m3": halves})
    assert made.model == str(checkpoint("bloom"))
    assert WeightReport.model_validate_json(made.model_dump_json()) == made
