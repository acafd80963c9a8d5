"""Measuring weight errors as the page and the command do: what is kept, opened again, thrown away, and seen layer by layer."""

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from qdash.catalog.formats import FORMATS
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import LayerDetail, MeasuredLayer, Step, WeightReport
from qdash.runs import kept
from qdash.runs.weight_error import measure_layer, measure_weight_error

LAYER = "model.layers.1.mlp.up_proj"
EXECUTOR = InlineExecutor()


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(kept, "settings", lambda: type("Settings", (), {"cache_dir": folder}))
    return folder / "weights"


@pytest.fixture
def model(checkpoint: Callable[[str], Path]) -> str:
    return str(checkpoint("qwen3"))


def finished(steps: Generator[Any, None, Any]) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    return result_of(steps, events.append), events


def measured(model: str, *schemes: str) -> tuple[WeightReport, list[Step | MeasuredLayer]]:
    return finished(measure_weight_error(model, schemes, EXECUTOR))


def looked_at(model: str, scheme: str, **place: Any) -> LayerDetail:
    return finished(measure_layer(model, scheme, LAYER, EXECUTOR, **place))[0]


def test_a_scheme_for_other_models_is_refused_before_anything_is_read(model: str, kept_in: Path) -> None:
    for call in (lambda: measured(model, "int3-g64", "gguf"), lambda: looked_at(model, "gguf")):
        with pytest.raises(QdashError, match="needs a model that comes from a GGUF file") as caught:
            call()
        assert caught.value.kind == "unavailable"
    assert not kept_in.exists()


def test_a_result_is_kept_and_opened_again(model: str, kept_in: Path) -> None:
    first, events = measured(model, "fp6-e2m3", "int3-g64")
    assert (first.cached, first.model, first.device) == (False, model, "cpu") and first.seconds > 0
    assert sum(isinstance(event, MeasuredLayer) for event in events) == len(first.schemes[0].layers)
    assert len(list(kept_in.iterdir())) == 2
    again, events = measured(model, "int3-g64", "original", "fp6-e2m3", "int3-g64")
    assert (again.cached, again.seconds, events) == (True, 0.0, [Step(detail="Looking for the model.")])
    assert again.schemes == first.schemes[::-1]


def test_only_what_is_missing_is_computed(model: str) -> None:
    (first,) = measured(model, "fp6-e2m3")[0].schemes
    report, events = measured(model, "fp6-e2m3", "mxfp4")
    assert report.schemes[0] == first and not report.cached
    assert all(event.sqnr_db.keys() == {"mxfp4"} for event in events if isinstance(event, MeasuredLayer))


def test_a_copy_has_the_same_results_and_another_checkpoint_its_own(model: str, tmp_path: Path) -> None:
    before = measured(model, "fp6-e2m3")[0]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in Path(model).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert measured(str(copy), "fp6-e2m3")[0].cached
    (copy / "generation_config.json").write_text("{}")
    changed = measured(str(copy), "fp6-e2m3")[0]
    assert not changed.cached and changed.schemes == before.schemes


def test_what_cannot_be_read_is_computed_anew(model: str, kept_in: Path) -> None:
    first = measured(model, "fp6-e2m3")[0]
    for file in kept_in.iterdir():
        file.write_text("{")
    again = measured(model, "fp6-e2m3")[0]
    assert not again.cached and again.schemes == first.schemes
    assert measured(model, "fp6-e2m3")[0].cached


def test_a_cache_that_cannot_be_written_costs_no_result(model: str, kept_in: Path) -> None:
    kept_in.parent.mkdir(parents=True)
    kept_in.write_text("a file where a folder should be")
    assert measured(model, "fp6-e2m3")[0].schemes[0].layers


def test_what_was_not_used_for_longest_goes(model: str, kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(model, "fp6-e2m3")
    (oldest,) = kept_in.iterdir()
    measured(model, "mxfp4")
    (second,) = set(kept_in.iterdir()) - {oldest}
    for seconds, file in enumerate((second, oldest)):
        os.utime(file, (seconds, seconds))
    monkeypatch.setattr(kept, "MOST_BYTES", int(2.5 * oldest.stat().st_size))
    measured(model, "int3-g64")
    assert oldest.exists() and not second.exists() and len(list(kept_in.iterdir())) == 2


def test_it_stops_within_a_second(model: str, kept_in: Path) -> None:
    schemes = ["bnb-nf4", "ao-int4wo", "fp6-e2m3"]
    for scheme in schemes:
        looked_at(model, scheme)  # its package is imported
    stop = Event()
    steps = measure_weight_error(model, schemes, EXECUTOR, stop)
    next(steps)
    stop.set()
    began = time.perf_counter()
    with pytest.raises(QdashError) as caught:
        finished(steps)
    assert caught.value.kind == "cancelled" and time.perf_counter() - began < 1
    assert not kept_in.exists()


@pytest.mark.parametrize("schemes", [[], ["original", "fp16"]])
def test_plain_floats_are_nothing_to_measure(model: str, schemes: list[str]) -> None:
    with pytest.raises(QdashError, match="No quantization scheme"):
        measured(model, *schemes)


@pytest.mark.parametrize("key", ["fp8-e4m3", "fp6-e2m3", "mxfp4", "nvfp4", "sim-w8a8", "int3-g64", "minmax-4", "q4_0", "q4_1", "iq4_nl"])
def test_the_scale_is_that_of_the_weights(model: str, key: str) -> None:
    """Every weight there is one of the levels, and the levels are those of the format."""
    detail = looked_at(model, key, row=5, column=40)
    weight = load_file(Path(model) / "model.safetensors")[f"{LAYER}.weight"].double().numpy()
    number_format = FORMATS["int8-row" if key == "sim-w8a8" else key]
    size = number_format.size or weight.shape[1]
    assert (detail.row, detail.first, detail.last) == (5, 40 // size * size, 40 // size * size + size)
    assert detail.codes == number_format.values and detail.scale is not None and detail.zero_point is not None
    np.testing.assert_allclose(detail.levels, (np.array(detail.codes) - detail.zero_point) * detail.scale, rtol=1e-6, atol=1e-9)
    row = np.array(detail.dequantized[5 - detail.patch_row])[detail.first - detail.patch_column : detail.last - detail.patch_column]
    nearest = np.abs(row[:, None] - np.array(detail.levels)).min(axis=1)
    assert nearest.max() < 0.01 * abs(detail.scale) + 5.1e-4 * np.abs(row).max()  # pictures have four digits
    if number_format.rule.shares == "row":
        largest = np.abs(weight[5]).max()
        assert detail.scale == pytest.approx(largest / max(number_format.values), rel=1e-6)


@pytest.mark.parametrize("key", ["bnb-nf4", "bnb-fp4", "bnb-int8", "ao-int8wo", "ao-fp8wo", "ao-int4wo", "torch-int8dyn"])
def test_real_schemes_have_levels_too(model: str, key: str) -> None:
    detail = looked_at(model, key, row=5, column=0)
    assert detail.scale is not None and len(detail.levels) == len(detail.codes) <= 256
    row = np.array(detail.dequantized[5 - detail.patch_row])[detail.first - detail.patch_column : detail.last - detail.patch_column]
    nearest = np.abs(row[:, None] - np.array(detail.levels)).min(axis=1)
    assert nearest.max() < 0.006 * np.abs(row).max()  # four digits; and bfloat16, in the kernels of some


def test_a_layer_is_looked_at_closely(model: str) -> None:
    report = measured(model, "bnb-nf4")[0]
    (layer,) = [layer for layer in report.schemes[0].layers if layer.name == LAYER]
    detail = looked_at(model, "bnb-nf4")
    assert detail.row == layer.worst_row == detail.layer.worst_row
    same = {"histograms", "row_sqnr_db"}
    assert detail.layer.model_dump(exclude=same) == layer.model_dump(exclude=same)
    assert len(detail.layer.row_sqnr_db) == layer.shape[0]
    weight = load_file(Path(model) / "model.safetensors")[f"{LAYER}.weight"].double().numpy()
    original, dequantized, error = (np.array(picture) for picture in (detail.original, detail.dequantized, detail.error))
    assert original.shape == dequantized.shape == error.shape == (64, 64)
    rows, columns = slice(detail.patch_row, detail.patch_row + 64), slice(detail.patch_column, detail.patch_column + 64)
    np.testing.assert_allclose(original, weight[rows, columns], rtol=1e-3)
    np.testing.assert_allclose(error, np.abs(dequantized - original), atol=2e-3 * np.abs(weight).max())
    assert detail.patch_row <= detail.row < detail.patch_row + 64
    assert len(detail.model_dump_json()) < 300_000
    assert LayerDetail.model_validate_json(detail.model_dump_json()) == detail


def test_places_outside_are_moved_inside(model: str) -> None:
    detail = looked_at(model, "int3-g64", row=10**9, column=-5)
    assert (detail.row, detail.first) == (detail.layer.shape[0] - 1, 0)


def test_a_layer_that_is_not_there_is_named(model: str) -> None:
    with pytest.raises(QdashError, match="no layer “model.nothing”"):
        finished(measure_layer(model, "bnb-nf4", "model.nothing", EXECUTOR))


def test_a_layer_that_is_left_alone_is_named(model: str) -> None:
    with pytest.raises(QdashError, match=f"leaves {LAYER} unchanged"):
        finished(measure_layer(model, "attention=bnb-nf4", LAYER, EXECUTOR))
