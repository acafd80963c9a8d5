"""The weight report against numpy in float64, and against what loaded variants really hold."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES, Scheme, find_scheme, unavailable
from qdash.engine.layers import convertible_layers, quantized_layers
from qdash.engine.loading import load_model, load_skeleton
from qdash.engine.schemes import RowDequantizer, bitsandbytes, family_of, row_dequantizer_of
from qdash.engine.stored import StoredLayer
from qdash.engine.weights import Restore, layer, measure_weight_error, place_of
from qdash.engine.weights.sharing import sharing_of
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import LayerWeights, MeasuredLayer, Step, WeightReport, WorkerSpec
from tests.engine.conftest import build_of
from tests.support.checkpoints import TEXT, VISION

# Left out have tests of their own: of a calibrated scheme only a loaded model knows the weights, what pruning does to a layer depends on
# others, and healed weights come from a file.
ROUNDING = [
    key
    for key, row in SCHEMES.items()
    if not (row.is_baseline or row.family.keeps_file or row.family.needs_healing or row.family.prunes or row.calibrated)
]
HERE = [key for key in ROUNDING if not unavailable(SCHEMES[key], this_machine().on("cpu"))]
SUPERBLOCKS = [key for key, row in FORMATS.items() if row.rule.superblock]  # wider than the layers of tiny models
RoundTrip = Callable[[str, torch.Tensor], torch.Tensor | None]


def spec_of(folder: Path, scheme: str | None = None) -> WorkerSpec:
    task = "image-text-to-text" if "vision_config" in (folder / "config.json").read_text() else "text-generation"
    return WorkerSpec(folder=str(folder), revision="", task=task, scheme=scheme, device="cpu", dtype="float32", threads=1)


def report(folder: Path, trips: dict[str, RoundTrip], emit=lambda step: None, stop=lambda: False) -> WeightReport:
    schemes = [find_scheme(key) for key in trips]
    restores = {key: by_rows(trip) for key, trip in trips.items()}
    return measure_weight_error(folder, load_skeleton(spec_of(folder)), schemes, restores, emit=emit, stop=stop)


def by_rows(trip: RoundTrip) -> Restore:
    def restore(module: str, weight: torch.Tensor) -> RowDequantizer | None:
        restored = trip(module, weight)
        return None if restored is None else lambda rows, start: restored[start : start + len(rows)]

    return restore


def by_family(folder: Path, scheme: Scheme, dtype: str = "float32") -> RoundTrip:
    """In pieces of 32 rows, as large layers are."""
    spec = spec_of(folder).model_copy(update={"dtype": dtype})

    def trip(module: str, weight: torch.Tensor) -> torch.Tensor | None:
        row_dequantizer = row_dequantizer_of(scheme, spec, module, weight)
        if row_dequantizer is None:
            return None
        return torch.cat([row_dequantizer(weight[start : start + 32].float(), start) for start in range(0, len(weight), 32)])

    return trip


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
    for found in scheme.layers:
        w = tensors[f"{found.name}.weight"].double().numpy()
        assert found.shape == w.shape
        agrees(found, w, np.round(w * 2) / 2)
        everything[0].append(w.ravel())
        everything[1].append(np.round(w * 2).ravel() / 2)
    agrees(scheme, *map(np.concatenate, everything))


def agrees(ours, w: np.ndarray, restored: np.ndarray) -> None:
    error = restored - w
    assert ours.sqnr_db == pytest.approx(10 * np.log10(np.sum(w**2) / np.sum(error**2)), rel=1e-10)
    assert ours.mse == pytest.approx(np.mean(error**2), rel=1e-10)
    assert ours.max_abs_error == np.abs(error).max()
    assert ours.cosine == pytest.approx(np.vdot(w, restored) / np.linalg.norm(w) / np.linalg.norm(restored), rel=1e-10)
    assert ours.zeroed == np.mean((restored == 0) & (w != 0))
    for name, values in {"original": w, "dequantized": restored, "error": error}.items():
        histogram = getattr(ours.histograms, name)
        assert histogram.low == -histogram.high
        edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
        expected = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        # Numbers of few bits like to lie on an edge, where the last bit decides; none may be lost.
        assert np.abs(np.cumsum(expected) - np.cumsum(histogram.counts)).max() <= on_edges(values, edges)
        assert sum(histogram.counts) == values.size
    original, dequantized = ours.histograms.original, ours.histograms.dequantized
    assert (original.low, original.high, len(original.counts)) == (dequantized.low, dequantized.high, len(dequantized.counts))
    if isinstance(ours, LayerWeights):
        signal, noise = (w**2).sum(1), (error**2).sum(1)
        assert ours.parameters == w.size
        assert ours.worst_row is not None and signal[ours.worst_row] / noise[ours.worst_row] == pytest.approx((signal / noise).min())
        assert None not in ours.row_sqnr_db
        entries = len(ours.row_sqnr_db)
        starts = np.arange(entries) * len(w) // entries
        pooled = 10 * np.log10(np.add.reduceat(signal, starts) / np.add.reduceat(noise, starts))
        np.testing.assert_allclose(np.array(ours.row_sqnr_db, dtype=float), pooled, atol=0.0051)


def on_edges(values: np.ndarray, edges: np.ndarray) -> int:
    nearest = np.abs(values.ravel()[:, None] - edges).min(axis=1)
    return int(np.sum(nearest < 1e-9 * edges[-1]))


@pytest.mark.parametrize("architecture", ["llava", "smolvlm", "bloom"])
@pytest.mark.parametrize("key", [key for key in HERE if key not in SUPERBLOCKS])
def test_weighed_is_what_the_loaded_variant_holds(checkpoint, architecture, key):
    """Bit for bit: the same layers, and after their round trip the very weights that the loaded layers compute with."""
    folder, scheme = checkpoint(architecture), find_scheme(key)
    family, spec = family_of(scheme), spec_of(folder, key)
    model = load_model(spec, family.load_kwargs(scheme, spec, load_skeleton(spec)), lambda fraction: None)
    family.transform(model, scheme, build_of(spec))
    family.run_lazy_packing(model)
    restored: dict[str, torch.Tensor] = {}

    def remember(module: str, weight: torch.Tensor) -> torch.Tensor | None:
        found = by_family(folder, scheme)(module, weight)
        assert found is not None
        restored[module] = found
        return found

    (measured,) = report(folder, {key: remember}).schemes
    layers = quantized_layers(model)
    assert {module for module, weight in restored.items() if weight is not None} == layers.keys()
    assert len(measured.layers) == len(layers)
    for module, made in layers.items():
        assert torch.equal(family.dequantized(made), restored[module]), module


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("key", HERE)
def test_rows_are_restored_as_the_whole_is(checkpoint, key, stored, dtype):
    folder, scheme = checkpoint("qwen3"), find_scheme(key)
    weight = torch.randn(96, 256, generator=torch.Generator().manual_seed(1)).to(stored)
    expected = family_of(scheme).round_trip(weight, scheme, spec_of(folder).model_copy(update={"dtype": dtype}))
    found = by_family(folder, scheme, dtype)("x", weight)
    assert expected is not None and found is not None and torch.equal(found, expected)


@pytest.mark.parametrize("key", HERE)
def test_scales_are_shared_as_is_said(checkpoint, key):
    """A weight that grows tenfold changes what becomes of those that share its scale, and of no others."""
    scheme = find_scheme(key)
    sharing = sharing_of(scheme, "x")
    assert sharing is not None
    trip = by_family(checkpoint("qwen3"), scheme)
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(2))
    grown = weight.clone()
    grown[40, 70] = 300.0
    before, after = trip("x", weight), trip("x", grown)
    assert before is not None and after is not None
    changed_rows, changed_columns = (before != after).nonzero(as_tuple=True)
    if sharing.shares == "tensor":
        assert changed_rows.unique().numel() == 64
        return
    size = sharing.group_size(256)
    begin = 70 // size * size
    doubly = getattr(scheme.params, "bnb_4bit_use_double_quant", False) or key in ("nvfp4", *SUPERBLOCKS)
    if doubly:  # scales have a scale of their own
        assert ((changed_rows == 40) & (changed_columns >= begin) & (changed_columns < begin + size)).any()
        return
    assert changed_rows.unique().tolist() == [40]
    assert begin <= changed_columns.min() and changed_columns.max() < begin + size
    assert changed_columns.numel() > 1


def test_more_bits_disturb_less_and_casts_up_not_at_all(checkpoint):
    folder = checkpoint("llava")
    keys = ["original", "bnb-int8", "fp8-e4m3", "fp6-e2m3", "bnb-nf4", "bnb-fp4"]
    schemes = report(folder, {key: by_family(folder, find_scheme(key)) for key in keys}).schemes
    assert [scheme.scheme for scheme in schemes] == keys
    assert (schemes[0].sqnr_db, schemes[0].mse, schemes[0].cosine) == (None, 0, 1)
    sqnr = [scheme.sqnr_db for scheme in schemes[1:] if scheme.sqnr_db is not None]
    assert len(sqnr) == len(keys) - 1
    assert sqnr == sorted(sqnr, reverse=True)
    assert 15 < sqnr[-1] < sqnr[0] < 45
    for scheme in schemes[1:]:
        assert scheme.histograms is not None and scheme.max_abs_error is not None
        bins = len(scheme.histograms.error.counts)
        assert scheme.max_abs_error / 3 < scheme.histograms.error.high <= scheme.max_abs_error * (1 + 1.5 / (bins // 2)), scheme.scheme


def test_layers_left_alone_are_not_counted(checkpoint):
    (scheme,) = report(checkpoint("qwen3"), {"bnb-nf4": lambda module, w: None if "mlp" in module else w * 0.5}).schemes
    assert scheme.layers and not any("mlp" in layer.name for layer in scheme.layers)
    assert scheme.sqnr_db == pytest.approx(20 * np.log10(2))
    assert scheme.histograms is not None
    assert sum(scheme.histograms.original.counts) == sum(int(np.prod(layer.shape)) for layer in scheme.layers)


def test_output_head_and_tied_weights_are_not_weighed(checkpoint):
    for architecture in ("qwen3", "smolvlm"):  # tied, untied
        (scheme,) = report(checkpoint(architecture), {"fp8-e4m3": halves}).schemes
        names = [layer.name for layer in scheme.layers]
        assert len(set(names)) == len(names)
        assert not [name for name in names if "lm_head" in name or "embed" in name]


def test_it_says_how_far_it_is_and_what_is_known(checkpoint):
    events: list[Step | MeasuredLayer] = []
    fp8, left = report(checkpoint("qwen3"), {"fp8-e4m3": halves, "bnb-nf4": no_mlp}, emit=events.append).schemes
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.detail for step in steps] == [found.name for found in fp8.layers]
    fractions = [step.fraction for step in steps if step.fraction is not None]
    assert len(fractions) == len(steps)
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] < 1
    measured = [event for event in events if isinstance(event, MeasuredLayer)]
    for event, found in zip(measured, fp8.layers, strict=True):
        assert (event.name, event.part, event.block, event.projection, event.shape) == (
            found.name, found.part, found.block, found.projection, found.shape,
        )  # fmt: skip
        assert event.sqnr_db["fp8-e4m3"] == found.sqnr_db
        assert ("bnb-nf4" in event.sqnr_db) == ("mlp" not in event.name)


def no_mlp(module: str, weight: torch.Tensor) -> torch.Tensor | None:
    return None if "mlp" in module else weight * 0.5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.language_model.layers.3.mlp.down_proj", ("language", 3, "down_proj")),
        ("vision_tower.encoder.layers.11.self_attn.q_proj", ("vision", 11, "q_proj")),
        ("model.layers.2.mlp.experts.5.up_proj", ("language", 2, "up_proj")),
        ("multi_modal_projector.linear_1", ("projector", None, "linear_1")),
        ("mm_projector.0", ("projector", None, "mm_projector.0")),
    ],
)
def test_a_layer_has_a_place(path, expected):
    place = place_of(StoredLayer(path, path, lambda: torch.empty(0)), (2, 3))
    assert (place.part, place.block, place.projection) == expected


@pytest.mark.parametrize("patience", [0, 5, 20])
def test_it_stops_when_told(checkpoint, patience):
    asked = iter(range(1000))
    with pytest.raises(QdashError) as error:
        report(checkpoint("qwen3"), {"fp8-e4m3": halves}, stop=lambda: next(asked) >= patience)
    assert error.value.kind == "cancelled"
    assert next(asked) == patience + 1


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_no_numbers_are_counted_and_left_out(changed, checkpoint, broken, dtype):
    name = "model.layers.1.mlp.up_proj"
    weight = torch.linspace(-1, 1, 128 * 64).view(128, 64).to(dtype)
    weight[3, 4:6] = broken
    trips = {"fp8-e4m3": by_family(checkpoint("qwen3"), find_scheme("fp8-e4m3")), "bnb-nf4": halves}
    fp8, plain = report(changed(**{f"{name}.weight": weight}), trips).schemes
    for scheme, missing in ((fp8, 64), (plain, 2)):  # with one scale a row, nothing of that row is left
        (found,) = [found for found in scheme.layers if found.name == name]
        assert (found.nonfinite, scheme.nonfinite, found.parameters) == (missing, missing, 128 * 64)
        assert found.histograms is not None
        assert sum(found.histograms.dequantized.counts) == sum(found.histograms.error.counts) == 128 * 64 - missing
        assert sum(found.histograms.original.counts) == 128 * 64 - 2
    w = weight.double().numpy()
    fine = np.isfinite(w)
    error = np.where(fine, np.round(np.where(fine, w, 0) * 2) / 2 - np.where(fine, w, 0), 0)
    assert found.mse == pytest.approx((error**2).sum() / fine.sum(), rel=1e-12)
    assert found.sqnr_db == pytest.approx(10 * np.log10((w[fine] ** 2).sum() / (error**2).sum()), rel=1e-12)


def test_a_scheme_that_overflows_is_counted(changed):
    name = "model.layers.1.mlp.up_proj"
    folder = changed(**{f"{name}.weight": torch.full((128, 64), 1e6)})
    (scheme,) = report(folder, {"fp16": lambda module, weight: weight.half().float()}).schemes
    (found,) = [found for found in scheme.layers if found.name == name]
    assert (found.nonfinite, found.parameters, found.sqnr_db, found.worst_row) == (8192, 8192, None, None)


def test_what_is_clipped_is_told(changed):
    name = "model.layers.1.mlp.up_proj"
    weight = torch.linspace(-1, 1, 64).repeat(128, 1)  # every row, and every block of 64, from −1 to 1
    folder = changed(**{f"{name}.weight": weight})
    for key in ("bnb-nf4", "bnb-int8", "minmax-4"):
        (scheme,) = report(folder, {key: lambda module, weight: weight.clamp(-0.75, 0.75)}).schemes
        (found,) = [found for found in scheme.layers if found.name == name]
        # Of one scale for the whole tensor it is told from the histogram, whose bins are fine.
        assert found.clipped == pytest.approx((weight.abs() > 0.75 * 1.01).double().mean().item(), abs=0.01), key


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_large_layers_are_read_in_pieces(changed, monkeypatch, dtype):
    name = "model.layers.1.mlp.up_proj"
    weight = torch.randn(128, 64, generator=torch.Generator().manual_seed(3)).to(dtype)
    folder = changed(**{f"{name}.weight": weight})
    keys = ("fp6-e2m3", "mxfp4", "minmax-4", "nvfp4", "bnb-nf4", "int3-g64")
    trips = {key: by_family(folder, find_scheme(key)) for key in keys}
    at_once = report(folder, trips).schemes
    for module, name in ((layer, "CHUNK"), (layer, "PIECE"), (bitsandbytes, "PIECE")):
        monkeypatch.setattr(module, name, 1)
    for whole, pieces in zip(at_once, report(folder, trips).schemes, strict=True):
        assert pieces.model_dump(exclude={"layers"}) == approximately(whole.model_dump(exclude={"layers"}))
        for one, other in zip(whole.layers, pieces.layers, strict=True):
            assert other.model_dump() == approximately(one.model_dump())


def approximately(record: dict) -> dict:
    return {key: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for key, value in record.items()}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_give_what_32_bits_give(changed, dtype):
    name = "model.layers.1.mlp.up_proj"
    weight = torch.randn(128, 64, generator=torch.Generator().manual_seed(4)).to(dtype)
    found = []
    for stored in (weight, weight.float()):
        (scheme,) = report(changed(**{f"{name}.weight": stored}), {"fp6-e2m3": halves}).schemes
        found += [one.model_dump() for one in scheme.layers if one.name == name]
    assert found[0] == found[1]


def test_a_layer_of_zeros_has_no_error(changed):
    name = "model.layers.1.mlp.up_proj"
    folder = changed(**{f"{name}.weight": torch.zeros(128, 64)})
    for scheme in report(folder, {key: by_family(folder, find_scheme(key)) for key in ("fp8-e4m3", "bnb-int8", "bnb-nf4")}).schemes:
        (found,) = [found for found in scheme.layers if found.name == name]
        assert (found.sqnr_db, found.mse, found.cosine) == (None, 0, 1), scheme.scheme
        assert found.histograms is not None
        for counts in (found.histograms.error.counts, found.histograms.original.counts):
            assert counts[len(counts) // 2] == 128 * 64


def test_checkpoints_that_are_quantized_already_are_refused(checkpoint, tmp_path):
    model = hf.AutoModelForCausalLM.from_pretrained(checkpoint("qwen3"), quantization_config=hf.BitsAndBytesConfig(load_in_4bit=True))
    model.save_pretrained(tmp_path)
    with pytest.raises(QdashError, match="quantized already"):
        report(tmp_path, {"fp8-e4m3": halves})


def test_the_report_round_trips_through_json(checkpoint):
    made = report(checkpoint("bloom"), {"fp8-e4m3": halves})
    assert made.model == str(checkpoint("bloom"))
    assert WeightReport.model_validate_json(made.model_dump_json()) == made
